"""The `app` and `version` labels of workloads, by which telemetry names them and subsets tell versions apart."""

from collections.abc import Iterator
from typing import Final

from lateen.analysis.analyzer import Message
from lateen.analysis.catalogue import MessageType
from lateen.analysis.view import View
from lateen.analysis.workloads import SERVING, Workload, is_control_plane

NAME_LABELS: Final = ("service.istio.io/canonical-name", "app.kubernetes.io/name", "app")
VERSION_LABELS: Final = ("service.istio.io/canonical-revision", "app.kubernetes.io/version", "version")
_MEANINGLESS: Final = (
    *("app", "application", "my-app", "myapp", "name", "service", "svc", "workload", "deployment", "deploy", "pod"),
    *("container", "default", "demo", "example", "sample", "test", "tmp", "todo", "foo", "bar", "baz"),
    *("none", "null", "unknown", "x", "xx", "xxx"),
)


def labels(view: View) -> Iterator[Message]:
    seen: dict[tuple[str, str], list[Workload]] = {}
    for workload in view.workloads:
        if workload.kind not in SERVING or is_control_plane({**workload.resource.labels, **workload.labels}):
            continue
        yield from _missing(workload)
        app = workload.labels.get("app")
        if app:
            yield from _meaningless(workload, app)
            others = seen.setdefault((workload.resource.namespace, app), [])
            yield from _shared(view, workload, app, others)
            others.append(workload)


def _said(workload: Workload) -> str:
    return f"{workload.resource.ref.kind} {workload.resource.name}"


def _missing(workload: Workload) -> Iterator[Message]:
    path = workload.field("metadata", "labels")
    if not any(workload.labels.get(label) for label in NAME_LABELS):
        text = (
            f"pods of {_said(workload)} have no app label, so traces, metrics and access logs cannot say which "
            f"application they are; add one to the {'pod' if not workload.path else 'pod template'}, such as app: "
            f"{workload.resource.name}"
        )
        yield Message(MessageType.AppLabelMissing, workload.resource, path, text)
    if not any(workload.labels.get(label) for label in VERSION_LABELS):
        text = (
            f"pods of {_said(workload)} have no version label: metrics count them as `latest`, and no subset can tell "
            "them from those of another version; add one, such as version: v1"
        )
        yield Message(MessageType.VersionLabelMissing, workload.resource, path, text)


def _meaningless(workload: Workload, app: str) -> Iterator[Message]:
    if app.lower() in _MEANINGLESS or app.isdigit():
        text = (
            f"the app label `{app}` of {_said(workload)} says nothing about the application, and traces show just "
            "that; name what it does"
        )
        path = workload.field("metadata", "labels", "app")
        yield Message(MessageType.AppLabelMeaningless, workload.resource, path, text)


def _shared(view: View, workload: Workload, app: str, others: list[Workload]) -> Iterator[Message]:
    """Versions of one application share its label, and a Service; all else that shares it is one by mistake."""
    services = {service.name for service in view.services_of(workload)}
    for other in others:
        theirs = {service.name for service in view.services_of(other)}
        path = workload.field("metadata", "labels", "app")
        if services and theirs and not services & theirs:
            text = (
                f"the app label `{app}` of {_said(workload)} is also that of {_said(other)}, which belongs to other "
                "Services: traces and metrics take them for one application; give each a label of its own"
            )
        elif _version(workload) == _version(other):
            text = (
                f"{_said(workload)} has the app label `{app}` and the version of {_said(other)}: traces and metrics "
                "cannot tell them apart; give each application its own app label, or each version its own version label"
            )
        else:
            continue
        yield Message(MessageType.AppLabelShared, workload.resource, path, text)
        return


def _version(workload: Workload) -> str:
    return next((workload.labels[label] for label in VERSION_LABELS if workload.labels.get(label)), "")
