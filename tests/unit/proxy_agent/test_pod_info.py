import pytest

from lateen.proxy_agent.pod_info import global_addresses, parse


def test_lines_are_keys_and_quoted_values() -> None:
    assert parse('app="reviews"\nservice.istio.io/canonical-name="a=b"\nempty=""') == {
        "app": "reviews",
        "service.istio.io/canonical-name": "a=b",
        "empty": "",
    }


@pytest.mark.parametrize(
    ("quoted", "value"),
    [
        (r"a \"b\" \\ c\nd\te", 'a "b" \\ c\nd\te'),
        (r"é\u00e9\U0001f600", "éé😀"),
        (r"\xc3\xa9", "é"),
        (r"\x7f\a", "\x7f\a"),
    ],
)
def test_values_are_quoted_as_go_does(quoted: str, value: str) -> None:
    assert parse(f'k="{quoted}"') == {"k": value}


@pytest.mark.parametrize("text", ["a", "a=b", 'a="b', 'ok="1"\na=x', r'a="\q"', r'a="\xzz"'])
def test_anything_else_names_its_line(text: str) -> None:
    with pytest.raises(ValueError, match=f"line {text.count(chr(10)) + 1}: "):
        parse(text)


def test_addresses_that_are_good_beyond_a_link() -> None:
    table = """fe80000000000000085812fffec61dc7 02 40 20 80     eth0
fd6c61746565000000000000c6121dc7 02 70 00 82     eth0
00000000000000000000000000000001 01 80 10 80       lo
00000000000000000000000000000006 01 80 00 80       lo
"""
    assert global_addresses(table) == ("fd6c:6174:6565::c612:1dc7",)
    assert global_addresses("") == ()
