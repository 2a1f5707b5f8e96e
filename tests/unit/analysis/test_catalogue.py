import re
from pathlib import Path

from lateen.analysis.catalogue import Level, MessageType
from lateen.analysis.registry import ANALYZERS

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


def test_the_page_lists_the_messages_of_istio_that_are_given() -> None:
    paragraph = PAGE.read_text().split("given today: ")[1].split("Istio's other analyzers")[0]
    listed = set(re.findall(r"\b\d{4}\b", paragraph.replace("IST", "")))
    given = {each.code for analyzer in ANALYZERS for each in analyzer.types}
    assert {f"IST{number}" for number in listed} == {code for code in given if code.startswith("IST")}
