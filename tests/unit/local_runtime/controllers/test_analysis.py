"""What `lateen up` tells of what was written."""

from typing import Any

import pytest

from lateen.config.objects import ObjectRef, Origin
from lateen.local_runtime.controllers import analysis
from lateen.local_runtime.controllers.analysis import AnalysisController
from lateen.local_runtime.notices import Notices
from lateen.local_runtime.objects.store import Event, EventType, ObjectStore

Json = dict[str, Any]
HERE = Origin("mesh.yaml", 3)


class Mesh:
    """A store, a controller that follows it, and what it tells."""

    def __init__(self) -> None:
        self.store, self.notices = ObjectStore(), Notices()
        self.controller = AnalysisController(self.store, self.notices)
        self.store.subscribe(lambda events: [self.controller.hear(event) for event in events])

    def put(self, raw: Json) -> ObjectRef:
        return self.store.put(raw, origin=HERE).ref

    def told(self) -> list[str]:
        self.controller.reconcile()
        return list(self.notices)


@pytest.fixture
def mesh() -> Mesh:
    return Mesh()


def service(**spec: Any) -> Json:
    metadata = {"name": "web", "namespace": "shop"}
    ports = [{"port": 80, "name": "http"}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports, **spec}}


def workload(kind: str, name: str = "web", **labels: str) -> Json:
    metadata: Json = {"name": name, "namespace": "shop"}
    pod = {"containers": [{"name": "web", "image": "web"}]}
    if kind == "Pod":
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "labels": labels}, "spec": pod}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def test_what_is_told_follows_the_objects(mesh: Mesh) -> None:
    web = mesh.put(service(selector={"app": "web"}))
    (text,) = mesh.told()
    assert text.startswith("mesh.yaml:3: Service shop/web: spec.selector: no workload of the namespace has app=web")
    assert text.endswith("[LTN0004]")
    mesh.put(workload("Deployment", app="web"))
    assert mesh.told() == []
    mesh.put(workload("Deployment", app="other"))
    assert text in mesh.told()
    mesh.store.delete(web)
    assert text not in mesh.told()


def test_each_kind_of_message_is_told_once_with_the_other_objects_named(mesh: Mesh) -> None:
    for name in "abcde":
        mesh.put(workload("Deployment", name, app=name))
    (text,) = mesh.told()
    assert text.startswith("mesh.yaml:3: Deployment shop/a: ")
    assert text.endswith(
        "; also Deployment shop/b, Deployment shop/c, Deployment shop/d and 1 more: see `lateen analyze`"
    )


def test_what_is_merely_worth_a_word_is_left_to_analyze(mesh: Mesh) -> None:
    mesh.put(workload("Deployment", app="web"))
    mesh.put(service(selector={"app": "web"}))
    assert mesh.told() == []


def test_statuses_and_what_controllers_make_are_not_analyzed(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    mesh.put(workload("Pod", app="web"))
    mesh.told()
    runs: list[int] = []
    monkeypatch.setattr(analysis, "analyze", lambda *_: runs.append(1) or ())
    ref = ObjectRef("", "Pod", "shop", "web")
    pod = workload("Pod", app="web")
    mesh.controller.hear(Event(type=EventType.MODIFIED, ref=ref, raw={**pod, "status": {"phase": "Running"}}, old=pod))
    made = workload("Pod", "web-1", app="web")
    made["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "web", "uid": "1"}]
    mesh.put(made)
    mesh.told()
    assert runs == []
    mesh.put(workload("Pod", app="other"))
    mesh.told()
    assert runs == [1]
