"""Texts are quoted where another reader would take them for something else, and only there."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lateen.config.documents import YamlDocument, parse_whole
from lateen.inject.yaml_text import yaml_text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain text", "plain text"),
        ("$(A).b", "$(A).b"),
        ("default:info", "default:info"),
        ("10.0.0.0/8,::1", "10.0.0.0/8,::1"),
        *((text, f'"{text}"') for text in ("15001", "true", "", "y", "No", "on", "~", "null", "1e3", "0x1", "1_000")),
        *((text, f'"{text}"') for text in ("2024-01-01", "2024-1-1", "2024-01-01T00:00:00Z", "12:30:45", ".5")),
        ("*", "'*'"),
        ('{"a":1}', "'{\"a\":1}'"),
        ("a: b", "'a: b'"),
        ("#x", "'#x'"),
        ("a\nb\n", "|\n  a\n  b"),
        ("a\nb", "|-\n  a\n  b"),
    ],
)
def test_a_text(text: str, written: str) -> None:
    assert yaml_text({"k": text}) == f"k: {written}\n"


def test_keys_are_sorted_and_dashes_stand_below_their_key() -> None:
    assert yaml_text({"b": [{"z": 1, "x": [2]}], "a": {}, "c": []}) == "a: {}\nb:\n- x:\n  - 2\n  z: 1\nc: []\n"


def test_a_long_line_is_folded_at_its_first_blank_past_column_80() -> None:
    text = "word " * 30
    first, second, *_ = yaml_text({"k": text.strip()}).splitlines()
    assert len(first) > 80
    assert second.startswith("  word")
    assert len(yaml_text({"k": "x" * 200}).splitlines()) == 1


def test_what_stands_in_two_places_is_written_twice() -> None:
    shared = {"a": ["b"]}
    assert "&" not in yaml_text({"x": shared, "y": shared})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc1yn~-_.", max_size=4), inner, max_size=3),
    max_leaves=10,
)


@given(VALUES)
def test_what_is_written_reads_back_the_same(value: object) -> None:
    documents = parse_whole(yaml_text({"k": value}))
    assert isinstance(documents, tuple)
    assert [document.raw for document in documents if isinstance(document, YamlDocument)] == [{"k": value}]
    assert yaml.safe_load(yaml_text({"k": str(value)})) == {"k": str(value)}
