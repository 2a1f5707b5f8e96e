"""Text to documents: splitting, values, lines, and what is said about text that is not YAML."""

import json
from typing import Any

import pytest

from lateen.config.documents import Malformed, YamlDocument, line_of, parse, split


def documents(text: str) -> list[YamlDocument]:
    found = parse(text)
    assert not isinstance(found, Malformed), found
    return list(found)


def raws(text: str) -> list[dict[str, Any]]:
    return [document.raw for chunk in split(text) for document in documents(chunk.text)]


def malformed(text: str) -> Malformed:
    found = parse(text)
    assert isinstance(found, Malformed)
    return found


def test_documents_are_split_at_their_markers_and_empty_ones_left_out() -> None:
    text = "# only a comment\n---\na: 1\n---\n---\n# nothing\n--- # three\nb: 2\n...\n"
    assert raws(text) == [{"a": 1}, {"b": 2}]
    assert [chunk.above for chunk in split(text)] == [1, 6]


def test_a_marker_inside_a_line_or_a_nested_text_is_no_marker() -> None:
    assert raws("a: |\n  x\n  ---\n  y\nb: '---'\n") == [{"a": "x\n---\ny\n", "b": "---"}]


def test_a_yaml_directive_belongs_to_the_document_below_it() -> None:
    assert raws("%YAML 1.1\n---\na: on\n") == [{"a": True}]


def test_a_document_end_and_then_a_marker() -> None:
    assert raws("a: 1\n...\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]


def test_windows_line_ends_and_a_byte_order_mark() -> None:
    assert raws("\ufeffa: 1\r\n---\r\nb: x\r\n") == [{"a": 1}, {"b": "x"}]


def test_quoted_scalars_and_tags_are_text() -> None:
    assert raws("a: 'yes'\nb: \"1\"\nc: !!str 1\nd: !!int '1'\n") == [{"a": "yes", "b": "1", "c": "1", "d": 1}]


def test_keys_become_text() -> None:
    assert raws("1: a\ntrue: b\n") == [{"1": "a", "true": "b"}]


def test_aliases_and_merge_keys() -> None:
    text = "base: &b {x: 1, z: 2}\nsame: *b\nmore:\n  <<: *b\n  z: 3\n"
    assert raws(text) == [{"base": {"x": 1, "z": 2}, "same": {"x": 1, "z": 2}, "more": {"x": 1, "z": 3}}]


def test_a_list_of_objects_is_taken_apart() -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n- kind: A\n  x: 1\n- kind: B\n"
    found = documents(text)
    assert [d.raw["kind"] for d in found] == ["A", "B"]
    assert [d.line for d in found] == [4, 6]
    assert line_of(text, found[0], ("x",)) == 5


def test_json_is_read_with_tabs_and_surrogates_and_its_lines_are_known() -> None:
    text = '\n{\n\t"kind": "A",\n\t"emoji": "\\ud83d\\ude00",\n\t"spec": {\n\t\t"x": 1\n\t}\n}\n'
    (found,) = documents(text)
    assert found.raw == json.loads(text)
    assert found.line == 2
    assert line_of(text, found, ("spec", "x")) == 6


def test_the_line_of_a_field_and_of_the_nearest_one_that_exists() -> None:
    text = "# comment\nspec:\n  http:\n  - name: a\n    route:\n    - weight: 1\n  - name: b\n"
    (found,) = documents(text)
    assert line_of(text, found, ("spec", "http", 0, "route", 0, "weight")) == 6
    assert line_of(text, found, ("spec", "http", 1, "route", 0)) == 7
    assert line_of(text, found, ("nowhere",)) == 2


def test_a_key_given_twice_is_an_error_at_its_line() -> None:
    found = malformed("spec:\n  a: 1\n  b: 2\n  a: 3\n")
    assert (found.line, found.column) == (4, 3)
    assert "`a` is already set 2 lines above" in found.message


def test_a_key_given_twice_in_json_is_an_error_too() -> None:
    assert malformed('{"a": 1,\n "a": 2}').line == 2


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: b: c\n", 1, "quote values"),
        ("a:\n\tb: 1\n", 2, "never tabs"),
        ("a: [1, 2\nb: 1\n", 2, "not closed"),
        ("a: 'x\n", 2, "never closed"),
        ("a: {b: 1\n", 2, "not closed"),
        ("a:\n  b: 1\n c: 2\n", 3, "indentation"),
        ("a: *nowhere\n", 1, "anchor"),
        ("a: &x [*x]\n", 1, "not complete"),
        ("a: 1\n...\nb: 2\n", 3, "a line `---`"),
        ("- 1\n- 2\n", 1, "must be a mapping"),
        ("? [1, 2]\n: x\n", 1, "key must be plain text"),
        ("a: !mine x\n", 1, "!mine"),
        ("<<: 5\n", 1, "`<<` takes"),
        ("a: \x07\n", 1, "not valid YAML"),
    ],
)
def test_what_is_wrong_is_said_plainly_with_its_line(text: str, line: int, words: str) -> None:
    found = malformed(text)
    assert words in found.message
    assert found.line == line


def test_deep_nesting_and_exploding_aliases_are_refused() -> None:
    assert "levels deep" in malformed("a: " + "[" * 200 + "]" * 200).message
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "too large" in malformed("\n".join(lines)).message
