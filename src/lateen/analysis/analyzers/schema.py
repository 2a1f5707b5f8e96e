"""Objects that are refused as they are written."""

from collections.abc import Callable, Iterator

from lateen.analysis.analyzer import Message
from lateen.analysis.analyzers import unreachable_rules
from lateen.analysis.catalogue import MessageType
from lateen.analysis.view import View
from lateen.analysis.workloads import Kind
from lateen.config.kinds.virtual_service import VirtualService
from lateen.config.problems import render
from lateen.config.schema import SCHEMAS


def validation(kind: Kind) -> Callable[[View], Iterator[Message]]:
    """The analyzer of one kind. Source: Istio's `schema.ValidationAnalyzer.KIND`."""

    def refused(view: View) -> Iterator[Message]:
        for resource in view.all(kind):
            for problem in resource.problems:
                field = f"{render(problem.path)}: " if problem.path else ""
                text = f"{field}{problem.message}; the object is refused, and what was in force before stays"
                yield Message(MessageType.SchemaValidationError, resource, problem.path, text)

    return refused


def others(view: View) -> Iterator[Message]:
    """Of kinds that only a runtime reads, such as StatefulSet."""
    rest = {(each.ref.group, each.ref.kind) for each in view if each.problems} - {(s.group, s.kind) for s in SCHEMAS}
    for kind in sorted(rest):
        yield from validation(kind)(view)


def virtual_services(view: View) -> Iterator[Message]:
    """Those that are refused, and what never applies of the others."""
    yield from validation((VirtualService.GROUP, VirtualService.KIND))(view)
    yield from unreachable_rules.rules(view)
