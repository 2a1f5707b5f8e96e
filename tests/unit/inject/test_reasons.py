from typing import Any

import pytest

from lateen.inject.errors import InjectionError
from lateen.inject.inject import Skipped, inject
from lateen.inject.reasons import Change, ChangeKind, explain
from lateen.inject.settings import Settings

PORTS = "traffic.sidecar.istio.io/includeInboundPorts"
POD: dict[str, Any] = {
    "metadata": {
        "namespace": "shop",
        "labels": {"version": "v2"},
        "annotations": {PORTS: "80", "prometheus.io/port": "9"},
    },
    "spec": {"containers": [{"name": "web", "image": "web:1", "readinessProbe": {"tcpSocket": {"port": 80}}}]},
}


def at(pod: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        step = part.replace("~1", "/").replace("~0", "~")
        pod = pod[int(step)] if isinstance(pod, list) else pod[step]
    return pod


def changes(pod: dict[str, Any], settings: Settings | None = None) -> dict[str, Change]:
    found = explain(pod, settings or Settings())
    assert not isinstance(found, Skipped)
    return {change.pointer: change for change in found}


def test_every_change_points_into_the_pod() -> None:
    result = inject(POD, Settings())
    assert not isinstance(result, Skipped)
    for change in changes(POD).values():
        assert at(POD if change.kind is ChangeKind.REMOVED else result.pod, change.pointer) == change.value


def test_fields_are_named_as_people_name_them() -> None:
    fields = {change.field: change.value for change in changes(POD).values()}
    assert fields["spec.initContainers[istio-init].args[2]"] == "15001"
    assert fields["spec.containers[istio-proxy].name"] == "istio-proxy"
    assert fields["metadata.labels[security.istio.io/tlsMode]"] == "istio"


def test_an_argument_is_explained_by_the_annotation_that_sets_it() -> None:
    result = inject(POD, Settings())
    assert not isinstance(result, Skipped)
    found = next(change for pointer, change in changes(POD).items() if at_or_none(result.pod, pointer) == "80")
    assert found.decided_by == (f"annotation {PORTS}",)
    assert (found.why, found.kind) == ("template sidecar", ChangeKind.ADDED)


def at_or_none(pod: Any, pointer: str) -> Any:
    try:
        return at(pod, pointer)
    except (KeyError, IndexError, TypeError):
        return None


def test_values_and_mesh_configuration_are_named_by_their_path() -> None:
    found = changes(POD)
    image = found["/spec/initContainers/0/image"]
    assert image.decided_by[:2] == ("values global.hub", "values global.tag")
    # What decides about the whole container is told once, at its name.
    assert "values pilot.cni.enabled" in found["/spec/initContainers/0/name"].decided_by
    assert "values pilot.cni.enabled" not in image.decided_by


def test_steps_after_the_templates_are_named() -> None:
    found = changes(POD)
    assert found["/metadata/annotations/prometheus.io~1scrape"].why == "metrics merged by the agent"
    assert found["/metadata/annotations/prometheus.io~1port"].kind is ChangeKind.CHANGED
    probe = found["/spec/containers/0/readinessProbe/httpGet/port"]
    assert probe.why == "probes asked through the agent"
    assert probe.decided_by == ("values sidecarInjectorWebhook.rewriteAppHTTPProbe",)
    gone = found["/spec/containers/0/readinessProbe/tcpSocket/port"]
    assert (gone.kind, gone.why) == (ChangeKind.REMOVED, "probes asked through the agent")


def test_labels_decide_too() -> None:
    revision = changes(POD)["/metadata/labels/service.istio.io~1canonical-revision"]
    assert revision.decided_by == ("label version",)


def test_templates_of_users_are_explained_like_the_shipped_ones() -> None:
    text = 'metadata: {labels: {hub: "{{ .Values.global.hub }}"}}'
    settings = Settings(default_templates=("mine",), templates={"mine": text})
    label = changes(POD, settings)["/metadata/labels/hub"]
    assert (label.why, label.decided_by) == ("template mine", ("values global.hub",))


def test_what_is_not_injected_is_not_explained() -> None:
    pod = {"metadata": {}, "spec": {"hostNetwork": True, "containers": []}}
    assert explain(pod, Settings()) == Skipped("the pod uses the host's network")
    with pytest.raises(InjectionError):
        explain({**POD, "metadata": {"annotations": {"inject.istio.io/templates": "x"}}}, Settings())


def test_nothing_is_traced_unless_asked() -> None:
    steps: list[str] = []
    inject(POD, Settings(), trace=lambda why, _: steps.append(why))
    assert steps[0] == "template sidecar"
    assert steps[-1] == "the order of containers"
