"""The `app` and `version` labels of workloads, by which telemetry names them and subsets tell versions apart."""

from collections.abc import Iterator
from typing import Final, NamedTuple

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


class _Told(NamedTuple):
    """What tells a workload from others of its app label."""

    workload: Workload
    version: str
    services: frozenset[str]


def labels(view: View) -> Iterator[Message]:
    seen: dict[tuple[str, str], list[_Told]] = {}
    for workload in view.workloads:
        if workload.kind not in SERVING or is_control_plane({**workload.resource.labels, **workload.labels}):
            continue
        yield from _missing(workload)
        if app := workload.labels.get("app"):
            yield from _meaningless(workload, app)
            version = next((workload.labels[label] for label in VERSION_LABELS if workload.labels.get(label)), "")
            told = _Told(workload, version, frozenset(service.name for service in view.services_of(workload)))
            others = seen.setdefault((workload.resource.namespace, app), [])
            yield from _shared(app, told, others)
            others.append(told)


def _missing(workload: Workload) -> Iterator[Message]:
    path = workload.field("metadata", "labels")
    if not any(workload.labels.get(label) for label in NAME_LABELS):
        text = (
            f"{workload.title} has no app label, so traces, metrics and access logs cannot say which application it "
            f"is; add one to the {'pod template' if workload.path else 'pod'}, such as app: {workload.resource.name}"
        )
        yield Message(MessageType.AppLabelMissing, workload.resource, path, text)
    if not any(workload.labels.get(label) for label in VERSION_LABELS):
        text = (
            f"{workload.title} has no version label: metrics count it as `latest`, and no subset can tell its pods "
            "from those of another version; add one, such as version: v1"
        )
        yield Message(MessageType.VersionLabelMissing, workload.resource, path, text)


def _meaningless(workload: Workload, app: str) -> Iterator[Message]:
    if app.lower() in _MEANINGLESS or app.isdigit():
        text = (
            f"the app label `{app}` of {workload.title} says nothing about the application, and traces show just "
            "that; name what it does"
        )
        path = workload.field("metadata", "labels", "app")
        yield Message(MessageType.AppLabelMeaningless, workload.resource, path, text)


def _shared(app: str, told: _Told, others: list[_Told]) -> Iterator[Message]:
    """Versions of one application share its label, and a Service; all else that shares it does so by mistake."""
    workload = told.workload
    for other in others:
        if told.services and other.services and not told.services & other.services:
            text = (
                f"the app label `{app}` of {workload.title} is also that of {other.workload.title}, which belongs to "
                "other Services: traces and metrics take them for one application; give each a label of its own"
            )
        elif told.version == other.version:
            text = (
                f"{workload.title} has the app label `{app}` and the version of {other.workload.title}: traces and "
                "metrics cannot tell them apart; give each application its own app label, or each version its own "
                "version label"
            )
        else:
            continue
        yield Message(MessageType.AppLabelShared, workload.resource, workload.field("metadata", "labels", "app"), text)
        return
