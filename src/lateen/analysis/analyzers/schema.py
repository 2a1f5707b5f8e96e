"""Objects that are refused as they are written, or of a kind that is not there."""

from collections.abc import Callable, Iterator

from lateen.analysis.analyzer import Message
from lateen.analysis.analyzers import unreachable_rules
from lateen.analysis.catalogue import MessageType
from lateen.analysis.view import View
from lateen.analysis.workloads import Kind
from lateen.config.decode import UnknownKind, similar_kind
from lateen.config.kinds.virtual_service import VirtualService
from lateen.config.problems import render


def validation(kind: Kind) -> Callable[[View], Iterator[Message]]:
    """The analyzer of one kind. Source: Istio's `schema.ValidationAnalyzer.KIND`."""

    def refused(view: View) -> Iterator[Message]:
        for resource in view.all(kind):
            for problem in resource.problems:
                field = f"{render(problem.path)}: " if problem.path else ""
                text = f"{field}{problem.message}; the object is refused, and what was in force before stays"
                yield Message(MessageType.SchemaValidationError, resource, problem.path, text)

    return refused


def virtual_services(view: View) -> Iterator[Message]:
    """Those that are refused, and what never applies of the others."""
    yield from validation((VirtualService.GROUP, VirtualService.KIND))(view)
    yield from unreachable_rules.rules(view)


def kinds(view: View) -> Iterator[Message]:
    """Kinds that nobody reads and that are nearly one of the mesh's: most likely a typing mistake."""
    for kind in view.kinds():
        first, *_ = view.all(kind)
        near = similar_kind(UnknownKind(first.ref, str(first.raw.get("apiVersion"))))
        if near is not None and near != kind[1]:
            for resource in view.all(kind):
                text = f"there is no kind `{kind[1]}` in {kind[0] or 'v1'}, so it has no effect; did you mean `{near}`?"
                yield Message(MessageType.MisspeltKind, resource, ("kind",), text)
