import pytest

from lateen.proxy_agent.pod_info import parse


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
