"""Plain scalars are read as Kubernetes reads them."""

import math

import pytest

from lateen.config.yaml_scalars import as_key, plain


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("y", True),
        ("true", True),
        ("~", None),
        ("", None),
        ("null", None),
        ("017", 15),
        ("08", 8.0),
        ("0x1F", 31),
        ("0b101", 5),
        ("1_000", 1000),
        ("-5", -5),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("2024-01-01", "2024-01-01"),
        ("12:30", "12:30"),
        ("1.2.3", "1.2.3"),
        ("10s", "10s"),
        ("yess", "yess"),
        ("-", "-"),
        (".", "."),
        (".inf", math.inf),
    ],
)
def test_a_plain_scalar(text: str, value: object) -> None:
    assert plain(text) == value
    assert type(plain(text)) is type(value)


def test_keys_are_text() -> None:
    assert [as_key(key) for key in ("a", 1, True, None)] == ["a", "1", "true", "null"]
