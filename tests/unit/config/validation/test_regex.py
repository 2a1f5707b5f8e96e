"""Regular expressions: what RE2 takes passes, what it refuses is explained."""

import pytest

from lateen.config.validation.regex import not_a_regex


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        ".*",
        "^/api/v[0-9]+(/.*)?$",
        "(a|b)+?c{2,3}",
        "(?i)mobile",
        "(?P<name>x)(?:y)(?i:z)",
        r"\d+\.\d{1,2}\Q(not a group\E",
        r"[]a-z\]^-]",
        "[[:alpha:]]+",
        r"\pL\p{^Greek}\x{FF}\x41\012\0",
        r"[\w.~-]+|[^]a-z\-]|[[:^alpha:]\d]|[a[:]",
        "é+",
        "(a{10}){100}",
        "(?P<name>x)(?<name>y)^*",
        "a{,3}",
        "x{2}",
    ],
)
def test_an_expression_of_re2(pattern: str) -> None:
    assert not_a_regex(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(a", "never closed"),
        ("a)", "closes nothing"),
        ("[a", "never closed"),
        ("*a", "nothing before `*`"),
        ("(+)", "nothing before `+`"),
        ("a|*", "nothing before `*`"),
        ("a**", "after a repetition"),
        ("a\\", "escapes nothing"),
        (r"(a)\1", "back-references"),
        ("(?=a)", "look-ahead"),
        ("(?<!a)b", "look-ahead and no look-behind"),
        ("(?>a)", "does not know"),
        ("a{1001}", "more than 1000"),
        ("a{3,2}", "ends before it starts"),
        ("(a{10}){101}", "more than 1000"),
        ("a{1}*", "after a repetition"),
        ("(?i)*", "nothing before"),
        ("[b-a]", "ends before it starts"),
        (r"[a-\d]", "in a class"),
        ("[é-a]", "ends before it starts"),
        ("[[:x:]]", "not a class"),
        ("[[:alpha:]", "never closed"),
        ("[]", "never closed"),
        ("[^]", "never closed"),
        (r"\p{X}", "not a class"),
        (r"\y", "means nothing"),
        (r"[\b]", "means nothing"),
        (r"\é", "means nothing"),
        (r"\x{100}", "more than one byte"),
        ("(?x)a", "does not know"),
        ("(?-)a", "does not know"),
        ("(" * 300, "nested more than"),
        ("(" + "a" * 50 + "){1000}", "too large"),
    ],
)
def test_what_re2_refuses(pattern: str, words: str) -> None:
    assert words in (not_a_regex(pattern) or "")
