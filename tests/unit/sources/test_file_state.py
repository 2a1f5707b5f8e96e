"""Texts in, differences out: last good versions, duplicates, places, and what is not worked out again."""

import pytest

from lateen.config.objects import ConfigObject, ObjectRef, Origin
from lateen.sources import file_state
from lateen.sources.documents import Update
from lateen.sources.file_state import FileState, Unreadable
from lateen.sources.memory import MemorySource


def service(name: str, port: object = 80) -> str:
    return f"---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  ports:\n  - port: {port}\n"


def ref(name: str) -> ObjectRef:
    return ObjectRef("", "Service", "default", name)


class Files:
    """Some texts, changed one by one."""

    def __init__(self) -> None:
        self.state = FileState()
        self.texts: dict[str, str | Unreadable] = {}

    def write(self, name: str, text: str | Unreadable) -> Update:
        self.texts[name] = text
        return self.state.update(sorted(self.texts), {name: text})

    def remove(self, name: str) -> Update:
        del self.texts[name]
        return self.state.update(sorted(self.texts), {})

    def in_force(self) -> dict[str, tuple[object, Origin]]:
        return {d.ref.name: (d.raw["spec"]["ports"][0]["port"], d.origin) for d in self.state.documents}


@pytest.fixture
def files() -> Files:
    return Files()


def names(update: Update) -> tuple[list[str], list[str], list[str]]:
    return (
        [document.ref.name for document in update.changed],
        [gone.name for gone in update.deleted],
        [document.ref.name for document in update.moved],
    )


def test_only_what_differs_is_an_update(files: Files) -> None:
    first = files.write("a.yaml", service("x") + service("w"))
    assert names(first) == (["x", "w"], [], [])
    assert [d.origin for d in first.changed] == [Origin("a.yaml", 2), Origin("a.yaml", 9)]
    assert all(isinstance(d.object, ConfigObject) for d in first.changed)
    assert names(files.write("a.yaml", service("x") + service("w", 81))) == (["w"], [], [])
    assert files.write("a.yaml", service("x") + service("w", 81)).is_empty
    assert names(files.write("a.yaml", service("w", 81))) == ([], ["x"], ["w"])
    assert names(files.remove("a.yaml")) == ([], ["w"], [])


def test_a_comment_moves_objects_and_changes_none(files: Files) -> None:
    files.write("a.yaml", service("x"))
    update = files.write("a.yaml", "# why\n" + service("x"))
    assert names(update) == ([], [], ["x"])
    assert files.in_force() == {"x": (80, Origin("a.yaml", 3))}


def test_a_wrong_version_leaves_the_last_good_one_and_names_the_line(files: Files) -> None:
    files.write("a.yaml", service("x") + service("w"))
    update = files.write("a.yaml", service("x", "eighty") + service("w", 81))
    assert names(update) == (["w"], [], [])
    assert [str(problem) for problem in update.rejected] == [
        'a.yaml:7: Service default/x: spec.ports[0].port: must be a whole number, not "eighty"'
    ]
    assert files.in_force()["x"][0] == 80
    assert files.state.rejected == update.rejected
    mended = files.write("a.yaml", service("x", 82) + service("w", 81))
    assert names(mended) == (["x"], [], [])
    assert mended.rejected == files.state.rejected == ()


def test_a_wrong_object_that_was_never_right_is_not_there(files: Files) -> None:
    update = files.write("a.yaml", service("x", "eighty"))
    assert names(update) == ([], [], [])
    assert len(update.rejected) == 1


def test_the_last_good_version_goes_with_its_document(files: Files) -> None:
    files.write("a.yaml", service("x"))
    files.write("a.yaml", service("x", "eighty"))
    assert names(files.write("a.yaml", service("w"))) == (["w"], ["x"], [])


def test_a_file_that_does_not_parse_keeps_all_its_objects(files: Files) -> None:
    files.write("a.yaml", service("x") + service("w"))
    update = files.write("a.yaml", service("x", 81) + "---\na: [\n")
    assert names(update) == ([], [], [])
    (problem,) = update.rejected
    assert (problem.origin.file, problem.ref) == ("a.yaml", None)
    assert problem.origin.line >= 9
    assert "column" in problem.message
    assert files.in_force()["x"][0] == 80
    assert names(files.write("a.yaml", service("x", 81))) == (["x"], ["w"], [])


def test_a_file_that_cannot_be_read_keeps_all_its_objects(files: Files) -> None:
    files.write("a.yaml", service("x"))
    update = files.write("a.yaml", Unreadable("cannot be read: Permission denied"))
    assert names(update) == ([], [], [])
    assert [str(p) for p in update.rejected] == ["a.yaml: cannot be read: Permission denied"]


def test_of_two_definitions_the_later_wins_and_both_places_are_named(files: Files) -> None:
    files.write("a.yaml", service("x", 1))
    update = files.write("b.yaml", service("x", 2))
    assert names(update) == (["x"], [], [])
    assert [str(notice) for notice in update.notices] == [
        "b.yaml:2: Service default/x: is also defined at a.yaml:2; the definition here is in force"
    ]
    assert files.write("c.yaml", service("z")).notices == ()
    assert names(files.remove("b.yaml")) == (["x"], [], [])
    assert files.in_force()["x"] == (1, Origin("a.yaml", 2))


def test_an_object_moves_from_one_file_to_another(files: Files) -> None:
    files.write("a.yaml", service("x"))
    files.texts["b.yaml"] = service("x")
    del files.texts["a.yaml"]
    update = files.state.update(["b.yaml"], {"b.yaml": service("x")})
    assert names(update) == ([], [], ["x"])


def test_a_kind_that_is_not_read_is_a_document_and_a_notice(files: Files) -> None:
    update = files.write("a.yaml", "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: g}\n")
    assert [(d.ref.kind, d.object) for d in update.changed] == [("WasmPlugin", None)]
    assert "is not a kind the mesh reads" in update.notices[0].message


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (service("x").replace("Service", "Servce"), "a.yaml:3: kind: `v1` has no `Servce`; did you mean `Service`?"),
        (service("x").replace("v1", ""), "a.yaml:2: apiVersion: missing; every object needs it"),
    ],
)
def test_a_document_that_names_no_object_lets_nothing_go(files: Files, wrong: str, message: str) -> None:
    """It may be any of those that the file had before."""
    files.write("a.yaml", service("x") + service("w") + service("z"))
    update = files.write("a.yaml", wrong + service("w", 81))
    assert names(update) == (["w"], [], [])
    assert [str(problem) for problem in update.rejected] == [message]
    assert set(files.in_force()) == {"x", "w", "z"}
    assert names(files.write("a.yaml", wrong + service("w", 82))) == (["w"], [], [])
    assert names(files.write("a.yaml", service("x") + service("w", 82))) == ([], ["z"], [])


def test_a_changed_file_costs_only_its_changed_documents(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    monkeypatch.setattr(file_state, "parse", lambda text, inner=file_state.parse: parsed.append(text) or inner(text))
    files.write("a.yaml", "".join(service(f"s{n}") for n in range(10)))
    parsed.clear()
    files.write("a.yaml", "".join(service(f"s{n}", 81 if n == 5 else 80) for n in range(10)))
    assert parsed == [service("s5", 81)]


def test_lines_inside_the_mesh_config_are_lines_of_the_file(files: Files) -> None:
    text = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n"
        "data:\n  mesh: |\n    enableTracing: true\n    accesLogFile: /dev/stdout\n"
    )
    (problem,) = files.write("mesh.yaml", text).rejected
    assert str(problem).startswith("mesh.yaml:7: ConfigMap istio-system/istio: data.mesh.accesLogFile: unknown field;")


async def test_a_source_fed_by_hand() -> None:
    source = MemorySource()
    source.write(a=service("x"), b=service("w"))
    source.remove("a")
    updates = source.watch()
    assert [names(await anext(updates)), names(await anext(updates))] == [(["x", "w"], [], []), ([], ["x"], [])]
    assert [document.ref for document in source.documents] == [ref("w")]


def test_every_document_is_to_be_had_as_written_refused_ones_too(files: Files) -> None:
    files.write("a.yaml", service("good") + service("bad", "x"))
    files.write("b.yaml", "\n" + service("good", 81))
    written = list(files.state.written())
    assert [str(each.origin) for each in written] == ["a.yaml:2", "a.yaml:9", "b.yaml:3"]
    assert [each.line_of(("spec", "ports", 0, "port")) for each in written] == [7, 14, 8]
    assert [isinstance(each.decoded, ConfigObject) for each in written] == [True, False, True]
    files.write("a.yaml", "spec: [")
    assert [str(each.origin) for each in files.state.written()] == ["a.yaml:2", "a.yaml:9", "b.yaml:3"]
    files.remove("a.yaml")
    assert [str(each.origin) for each in files.state.written()] == ["b.yaml:3"]
