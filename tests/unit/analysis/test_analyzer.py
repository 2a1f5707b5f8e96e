"""The frame: order, doubles, suppression, bugs, places."""

from collections.abc import Iterator

from support.analysis import resources_of

from lateen.analysis.analyzer import Analyzer, Message, analyze
from lateen.analysis.catalogue import Level, MessageType
from lateen.analysis.view import View

PODS = """\
apiVersion: v1
kind: Pod
metadata:
  name: b
---
apiVersion: v1
kind: Pod
metadata:
  name: a
  annotations: {galley.istio.io/analyze-suppress: "LTN0006, IST0103"}
---
{apiVersion: v1, kind: Pod, metadata: {name: c, annotations: {galley.istio.io/analyze-suppress: "*"}}}
"""


def about_pods(*types: MessageType) -> Analyzer:
    def run(view: View) -> Iterator[Message]:
        for pod in view.all(("", "Pod")):
            for each in (*types, *types):
                yield Message(each, pod, ("metadata", "name"), "said twice")

    return Analyzer("test.Analyzer", "for tests", types, run)


def view() -> View:
    return View(resources_of(PODS))


def test_worst_first_and_each_once() -> None:
    wanted = (MessageType.VersionLabelMissing, MessageType.InternalError, MessageType.MissingSidecar)
    found = analyze(view(), [about_pods(*wanted)])
    assert [(each.type.level, each.about) for each in found] == [
        (Level.ERROR, "Pod shop/a"),
        (Level.ERROR, "Pod shop/b"),
        (Level.WARNING, "Pod shop/a"),
        (Level.WARNING, "Pod shop/b"),
        (Level.INFO, "Pod shop/a"),
        (Level.INFO, "Pod shop/b"),
    ]


def test_an_object_suppresses_messages_about_itself() -> None:
    found = analyze(view(), [about_pods(MessageType.PodMissingProxy)])
    assert [each.about for each in found] == ["Pod shop/b"]


def test_a_bug_costs_the_messages_of_one_analyzer() -> None:
    def broken(_: View) -> Iterator[Message]:
        raise ZeroDivisionError("nothing")
        yield

    found = analyze(view(), [Analyzer("test.Broken", "", (), broken), about_pods(MessageType.HostNetwork)])
    assert [each.type.code for each in found] == ["IST0001", "LTN0014", "LTN0014"]
    assert "test.Broken stopped because of a bug in lateen: ZeroDivisionError: nothing" in found[0].text


def test_messages_know_the_line_of_their_field() -> None:
    first, second = analyze(view(), [about_pods(MessageType.HostNetwork)])
    assert [str(first.origin), str(second.origin)] == ["mesh.yaml:9", "mesh.yaml:4"]
    assert first.origin is not None
    assert first.told_at(first.origin) == "mesh.yaml:9: Pod shop/a: metadata.name: said twice [LTN0014]"
