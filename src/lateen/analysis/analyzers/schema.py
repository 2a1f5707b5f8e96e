"""Objects that are refused as they are written."""

from collections.abc import Callable, Iterator

from lateen.analysis.analyzer import Message
from lateen.analysis.catalogue import MessageType
from lateen.analysis.view import View
from lateen.analysis.workloads import Kind
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
