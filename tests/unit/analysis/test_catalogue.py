from pathlib import Path

from lateen.analysis.catalogue import Level, MessageType

PAGE = Path(__file__).resolve().parents[3] / "docs" / "analysis.md"


def test_levels_are_ordered_from_the_worst_and_named_in_any_case() -> None:
    assert sorted(Level) == [Level.ERROR, Level.WARNING, Level.INFO]
    assert [str(level) for level in Level] == ["Error", "Warning", "Info"]
    assert Level.named("warning") is Level.WARNING


def test_each_message_of_ours_is_explained_under_its_code_with_its_name_and_level() -> None:
    text = PAGE.read_text()
    for each in MessageType:
        if each.code.startswith("LTN"):
            assert f"### {each.code}\n{each.name}, {each.level}. " in text
            assert each.documentation == f"docs/analysis.md#{each.code.lower()}"


def test_istios_messages_are_explained_by_istio() -> None:
    page = "https://istio.io/latest/docs/reference/config/analysis/ist0103/"
    assert MessageType.PodMissingProxy.documentation == page
