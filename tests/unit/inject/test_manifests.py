"""Files of several documents: what is not to be injected is not touched, and errors have the line in the file."""

import pytest
import yaml

from lateen.inject.errors import InjectionError
from lateen.inject.manifests import injected
from lateen.inject.settings import Settings

POD = "kind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: a}]}\n"
SERVICE = "# why\nkind:   Service # odd\nmetadata: {name: 's'}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SERVICE, f"{SERVICE}---\n"),
        (SERVICE.rstrip(), f"{SERVICE}---\n"),
        (f"---\n{SERVICE}---\n---\n{SERVICE}---\n", f"{SERVICE}---\n" * 2),
        (f"# licence\n---\n{SERVICE}", f"# licence\n---\n{SERVICE}---\n"),
        (f"{SERVICE}---\n# the end\n", f"{SERVICE}---\n# the end\n---\n"),
        (f"--- # about\n{SERVICE}", f"--- # about\n{SERVICE}---\n"),
        (SERVICE.replace("\n", "\r\n"), SERVICE.replace("\n", "\r\n") + "---\n"),
        ("data: |\n  ---\n  x\nkind: ConfigMap\n", "data: |\n  ---\n  x\nkind: ConfigMap\n---\n"),
        ("", ""),
    ],
)
def test_other_documents_pass_through_byte_for_byte(text: str, expected: str) -> None:
    assert injected(text, Settings()).text == expected


def test_workloads_among_them_are_printed_anew() -> None:
    found = injected(f"{SERVICE}---\n{POD}---\n{SERVICE}", Settings())
    first, second, third, end = found.text.split("---\n")
    assert (first, third, end) == (SERVICE, SERVICE, "")
    assert [each["name"] for each in yaml.safe_load(second)["spec"]["containers"]] == ["a", "istio-proxy"]


def test_json_is_printed_as_yaml() -> None:
    text = '{"kind": "Pod", "metadata": {"name": "p"}, "spec": {"hostNetwork": true}}'
    found = injected(text, Settings())
    assert found.text.startswith("kind: Pod\nmetadata:\n  name: p\n")
    assert len(found.warnings) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{SERVICE}---\n{POD}---\nkind: Pod\nspec: 3\n", "line 9: Pod without a name: spec: expected an object"),
        (f"{SERVICE}---\n\nkind: ]\n", "line 6: column 7: "),
        ("- a\n", "line 1: column 1: a document must be a mapping"),
    ],
)
def test_the_first_error_has_its_line(text: str, said: str) -> None:
    with pytest.raises(InjectionError) as error:
        injected(text, Settings())
    assert str(error.value).startswith(said)
