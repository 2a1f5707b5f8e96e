"""What is told of Services that cannot mean what they say."""

from typing import Any

import pytest

from lateen.config.objects import ObjectRef, Origin
from lateen.local_runtime.controllers.service_checks import ServiceChecks, mistakes
from lateen.local_runtime.notices import Notices
from lateen.local_runtime.objects.store import Event, EventType, ObjectStore

Json = dict[str, Any]
HERE = Origin("mesh.yaml", 3)


def service(*ports: Json, **spec: Any) -> Json:
    metadata = {"name": "web", "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": list(ports), **spec}}


def workload(kind: str, **labels: str) -> Json:
    metadata: Json = {"name": "web", "namespace": "shop"}
    if kind == "Pod":
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "labels": labels}, "spec": {}}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "app"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize("kind", ["Pod", "Deployment"])
def test_a_selector_is_met_by_the_labels_of_pods(kind: str) -> None:
    asked = service(selector={"app": "web"})
    assert list(mistakes(asked, [workload(kind, app="web", version="v1")])) == []
    for others in ([], [workload(kind, app="other")]):
        assert list(mistakes(asked, others)) == [
            "spec.selector: no Deployment or Pod of the namespace has app=web; requests are answered 503"
        ]


@pytest.mark.parametrize("spec", [{}, {"selector": {}}, {"type": "ExternalName", "selector": {"app": "web"}}])
def test_a_service_without_a_selector_finds_its_endpoints_elsewhere(spec: Json) -> None:
    assert list(mistakes(service(**spec), [])) == []


@pytest.mark.parametrize(
    ("port", "field"),
    [
        ({"port": 80, "name": "http2foo"}, "spec.ports[0].name: `http2foo`"),
        ({"port": 80, "name": "web"}, "spec.ports[0].name: `web`"),
        ({"port": 80, "name": "http", "appProtocol": "gopher"}, "spec.ports[0].appProtocol: `gopher`"),
    ],
)
def test_a_port_that_declares_no_protocol(port: Json, field: str) -> None:
    (told,) = mistakes(service(port), [])
    assert told.startswith(f"{field} declares no protocol, so port 80 is plain TCP")
    assert "http2" in told


@pytest.mark.parametrize(
    "port",
    [
        {"port": 80},
        {"port": 80, "name": "http"},
        {"port": 80, "name": "http2-web"},
        {"port": 80, "name": "web", "appProtocol": "http"},
        {"port": 53, "name": "dns", "protocol": "UDP"},
        {"port": 15021, "name": "status-port"},
    ],
)
def test_a_port_that_is_clear(port: Json) -> None:
    assert list(mistakes(service(port), [])) == []


def test_what_is_told_follows_the_objects() -> None:
    store, notices = ObjectStore(), Notices()
    checks = ServiceChecks(store, notices)
    store.subscribe(lambda events: [checks.hear(event) for event in events])

    def told() -> list[str]:
        checks.reconcile()
        return list(notices)

    web = store.put(service(selector={"app": "web"}), origin=HERE)
    (text,) = told()
    assert text.startswith("mesh.yaml:3: Service shop/web: spec.selector: ")
    store.put(workload("Deployment", app="web"), origin=HERE)
    assert told() == []
    store.put(workload("Deployment", app="other"), origin=HERE)
    assert told() == [text]
    store.delete(web.ref)
    assert told() == []


def test_the_status_of_a_pod_changes_nothing() -> None:
    store = ObjectStore()
    store.put(service(selector={"app": "web"}), origin=HERE)
    checks = ServiceChecks(store, notices := Notices())
    pod = workload("Pod", app="web")
    ref = ObjectRef("", "Pod", "shop", "web")
    checks.hear(Event(type=EventType.MODIFIED, ref=ref, raw={**pod, "status": {"phase": "Running"}}, old=pod))
    checks.reconcile()
    assert list(notices) == []
