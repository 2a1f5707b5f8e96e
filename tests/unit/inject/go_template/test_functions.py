"""Functions of sprig and printf, with the values that Go gives for the same calls."""

from typing import Any

import pytest

from lateen.inject.go_template.errors import TemplateError
from lateen.inject.go_template.template import Template
from lateen.inject.go_template.values import shortest


def rendered(action: str, data: Any = None) -> str:
    return Template("t", f"{{{{{action}}}}}").render(data)


@pytest.mark.parametrize(
    ("action", "wanted"),
    [
        ("upper `aB` | lower | title", "Ab"),
        ("trim `  a ` | quote", '"a"'),
        ("squote `a` 1", "'a' '1'"),
        ("trimSuffix `-x` `a-x` | trimPrefix `a`", ""),
        ("trimAll `-` `-a-`", "a"),
        ("replace `a` `b` `aXa`", "bXb"),
        ("trunc 2 `abc`", "ab"),
        ("trunc -2 `abc`", "bc"),
        ("substr 1 2 `abc`", "b"),
        ("contains `b` `abc`", "true"),
        ("hasPrefix `a` `abc`", "true"),
        ("hasSuffix `a` `abc`", "false"),
        ("nindent 2 `a\nb`", "\n  a\n  b"),
        ("indent 2 `a\nb`", "  a\n  b"),
        ("repeat 2 `ab` | nospace", "abab"),
        ("cat 1 `a` nil", "1 a"),
        ("default 5 .", "5"),
        ("default 5 3", "3"),
        ("coalesce 0 `` 7 8", "7"),
        ("ternary `a` `b` true", "a"),
        ("empty (list)", "true"),
        ("list 1 2 | first", "1"),
        ("list 1 2 | last", "2"),
        ("rest (list 1 2 3)", "[2 3]"),
        ("append (list 1) 2", "[1 2]"),
        ("prepend (list 1) 2", "[2 1]"),
        ("concat (list 1) (list 2) | reverse", "[2 1]"),
        ("uniq (list 1 1 `1`)", "[1 1]"),
        ("without (list 1 2 3) 2", "[1 3]"),
        ("has 2 (list 1 2)", "true"),
        ("has true (list 1 2)", "false"),
        ("sortAlpha (list `b` `a`)", "[a b]"),
        ("until 3", "[0 1 2]"),
        ("join `,` (list 1 `a`)", "1,a"),
        ("splitList `,` `a,b`", "[a b]"),
        ("get (dict `a` 1) `a`", "1"),
        ("get (dict `a` 1) `b` | quote", '""'),
        ("hasKey (dict `a` 1) `a`", "true"),
        ("keys (dict `b` 1 `a` 2)", "[a b]"),
        ("values (dict `b` 1 `a` 2)", "[2 1]"),
        ("pick (dict `b` 1 `a` 2) `a`", "map[a:2]"),
        ("omit (dict `b` 1 `a` 2) `a`", "map[b:1]"),
        ("dig `a` `b` `no` (dict `a` (dict `b` 7))", "7"),
        ("dig `a` `c` `no` (dict `a` (dict `b` 7))", "no"),
        ("merge (dict `a` 1) (dict `a` 2 `b` 3)", "map[a:1 b:3]"),
        ("mergeOverwrite (dict `a` 1) (dict `a` 2 `b` 3)", "map[a:2 b:3]"),
        ("kindOf (dict)", "map"),
        ("int `7` | add 1 2", "10"),
        ("int `x`", "0"),
        ("sub 1 2", "-1"),
        ("mul 3 4", "12"),
        ("div -7 2", "-3"),
        ("mod -7 2", "-1"),
        ("max 1 3 2", "3"),
        ("add 9223372036854775807 1", "-9223372036854775808"),
        ("float64 `1.5`", "1.5"),
        ("floor 1.7", "1"),
        ("toString 1.0", "1"),
        ("b64enc `a&b`", "YSZi"),
        ("b64dec `YSZi`", "a&b"),
        ("toJson (dict `a` (list 1 `<`))", '{"a":[1,"\\u003c"]}'),
        ("toYaml (dict `a` (list 1 `x`))", "a:\n- 1\n- x\n"),
        ('fromJson `{"a": [1]}`', "map[a:[1]]"),
        ("html `<a>`", "&lt;a&gt;"),
    ],
)
def test_functions(action: str, wanted: str) -> None:
    assert rendered(action) == wanted


@pytest.mark.parametrize(
    ("action", "wanted"),
    [
        ("`%d|%5d|%-5d|%05d|%+d` 1 2 3 4 5", "1|    2|3    |00004|+5"),
        ("`%s|%5s|%-5s|%.1s|%q` `a` `b` `c` `de` `f`", 'a|    b|c    |d|"f"'),
        ("`%v %v %v %v` 1 `a` 1.5 (dict `a` nil)", "1 a 1.5 map[a:<nil>]"),
        ("`%.2f %g %e %8.3f` 1.0 1.5 1.5 2.0", "1.00 1.5 1.500000e+00    2.000"),
        ("`%x %X %#x %o %b %c %U` 255 255 255 8 5 97 97", "ff FF 0xff 10 101 a U+0061"),
        ("`%t %T %T %T` true 1 `a` 1.5", "true int string float64"),
        ("`%x` `ab`", "6162"),
        ("`%d` `a`", "%!d(string=a)"),
        ("`%s` 1", "%!s(int=1)"),
        ("`%s %s` `a`", "a %!s(MISSING)"),
        ("`%s` `a` 1", "a%!(EXTRA int=1)"),
        ("`100%%`", "100%"),
        ("`%`", "%!(NOVERB)"),
        ("`%s` (list `a` `b`)", "[a b]"),
        ("`%s` nil", "%!s(<nil>)"),
    ],
)
def test_printf(action: str, wanted: str) -> None:
    assert rendered(f"printf {action}") == wanted


@pytest.mark.parametrize(
    ("number", "wanted"),
    [
        (15020.0, "15020"),
        (999999.0, "999999"),
        (1e6, "1e+06"),
        (123456789.0, "1.23456789e+08"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (-2.5, "-2.5"),
        (0.0, "0"),
        (float("inf"), "+Inf"),
    ],
)
def test_floats_have_the_fewest_digits(number: float, wanted: str) -> None:
    assert shortest(number) == wanted


@pytest.mark.parametrize("action", ["div 1 0", "b64dec `*`", "ternary 1 2 3", "dict (list) 1", "first 1"])
def test_functions_refuse(action: str) -> None:
    with pytest.raises(TemplateError, match="line 1, column 3"):
        rendered(action)
