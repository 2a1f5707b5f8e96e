"""Controllers on a real store, with pods that only remember what they were told."""

import asyncio
from datetime import UTC, datetime

import pytest

from lateen.config.objects import ObjectRef, Origin
from lateen.local_runtime.controllers.defaults import DefaultsController
from lateen.local_runtime.controllers.loop import Controllers
from lateen.local_runtime.controllers.pods import PodController
from lateen.local_runtime.controllers.services import NameController, ServiceController
from lateen.local_runtime.controllers.workloads import InjectionFailed, WorkloadController
from lateen.local_runtime.feed import Feed
from lateen.local_runtime.network.dns import Outcome
from lateen.local_runtime.notices import Notices
from lateen.local_runtime.objects.deletion import delete
from lateen.local_runtime.objects.store import ObjectStore

ORIGIN = Origin("a.yaml", 1)


def now():
    return datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """Timers that ring when the test says so."""

    def __init__(self):
        self.timers = []

    def now(self):
        return now()

    def later(self, seconds, call):
        self.timers.append((seconds, call))


class FakePods:
    def __init__(self):
        self.started = {}
        self.stopping = {}
        self.configured = 0

    def running(self, ref):
        return self.started.get(ref)

    def __contains__(self, ref):
        return ref in self.started

    def names(self, namespace):
        return {ref.name for ref in self.started if ref.namespace == namespace}

    def start(self, pod):
        ref = ObjectRef("", "Pod", pod["metadata"]["namespace"], pod["metadata"]["name"])
        assert ref not in self.started
        self.started[ref] = pod

    def stop(self, ref, grace, gone):
        self.stopping.setdefault(ref, (grace, gone))

    def configuration_changed(self):
        self.configured += 1

    def finish(self, ref):
        _, gone = self.stopping.pop(ref)
        del self.started[ref]
        gone()


class FakeControlPlane:
    def __init__(self):
        self.addresses = []

    def follow(self, everything):
        self.apply(everything())

    def apply(self, batch):
        services = [raw for raw in batch.changed if raw["kind"] == "Service"]
        self.addresses += [raw["spec"].get("clusterIP", "") for raw in services]


class Mesh:
    def __init__(self):
        self.store = ObjectStore(now=now)
        self.pods = FakePods()
        self.notices = Notices()
        self.zone = None
        self.rules = []
        self.control_plane = FakeControlPlane()
        self.refuse = False
        self.clock = FakeClock()
        self.wake = lambda: self.controllers.wake()
        self.runner = PodController(self.store, self.pods, self.inject, self.notices, lambda: self.controllers.wake())
        self.controllers = Controllers(
            self.store,
            (
                DefaultsController(self.store, self.notices),
                ServiceController(self.store),
                WorkloadController(self.store, self.pods, self.inject, self.notices, self.clock, self.wake),
                self.runner,
                NameController(self.store, self.set_zone, self.rules.append),
            ),
        )
        self.controllers.start()
        Feed(self.store, self.control_plane).start()

    def set_zone(self, zone):
        self.zone = zone

    def inject(self, pod, _namespace_labels):
        if self.refuse:
            raise InjectionFailed("sidecar injection: wrong annotation")
        annotations = {**(pod["metadata"].get("annotations") or {}), "sidecar.istio.io/status": "{}"}
        return {**pod, "metadata": {**pod["metadata"], "annotations": annotations}}

    def put(self, raw):
        return self.store.put(raw, origin=ORIGIN).raw

    async def settle(self):
        for _ in range(20):
            await asyncio.sleep(0)

    def make_ready(self, ref, address="198.18.1.1"):
        uid = self.pods.started[ref]["metadata"]["uid"]
        conditions = [{"type": "Ready", "status": "True"}]
        self.runner.report(ref, uid, {"phase": "Running", "podIP": address, "conditions": conditions})

    def endpoints(self):
        slices = [s.raw for s in self.store.list("discovery.k8s.io", "EndpointSlice", "default")]
        return {e["addresses"][0]: e["conditions"]["ready"] for s in slices for e in s["endpoints"]}


@pytest.fixture
async def mesh():
    return Mesh()


def deployment(image="a:1", **spec):
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    body = {"selector": {"matchLabels": {"app": "a"}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": body}


def service(**spec):
    body = {"selector": {"app": "a"}, "ports": [{"name": "http", "port": 80}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": body}


def bare_pod(image="a:1"):
    spec = {"containers": [{"name": "c", "image": image}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"app": "a"}}, "spec": spec}


DEPLOYMENT = ObjectRef("apps", "Deployment", "default", "a")
POD = ObjectRef("", "Pod", "default", "p")


async def test_a_deployment_becomes_a_running_pod_and_its_readiness_an_endpoint(mesh):
    mesh.put(deployment())
    mesh.put(service())
    await mesh.settle()
    (ref,) = mesh.pods.started
    assert ref.name.startswith("a-")
    assert mesh.endpoints() == {}
    mesh.make_ready(ref)
    await mesh.settle()
    assert mesh.endpoints() == {"198.18.1.1": True}
    assert mesh.store.get(DEPLOYMENT).raw["status"]["readyReplicas"] == 1
    address = mesh.store.get(ObjectRef("", "Service", "default", "a")).raw["spec"]["clusterIP"]
    assert mesh.zone.lookup("a.default.svc.cluster.local", "A") == (Outcome.FOUND, (address,))
    assert str(mesh.rules[-1][0].backends[0].address) == "198.18.1.1"


async def test_the_control_plane_never_sees_a_service_without_its_address(mesh):
    mesh.put(service())
    await mesh.settle()
    first = mesh.store.get(ObjectRef("", "Service", "default", "a"))
    mesh.put(service(sessionAffinity="None"))
    await mesh.settle()
    again = mesh.store.get(ObjectRef("", "Service", "default", "a"))
    assert again.raw["spec"]["clusterIP"] == first.raw["spec"]["clusterIP"]
    assert mesh.control_plane.addresses[-1:] == [first.raw["spec"]["clusterIP"]]
    assert "" not in mesh.control_plane.addresses


async def test_a_pod_that_was_deleted_is_replaced_under_another_name(mesh):
    mesh.put(deployment())
    await mesh.settle()
    (ref,) = mesh.pods.started
    mesh.store.delete(ref)
    await mesh.settle()
    assert ref in mesh.pods.stopping
    (new,) = set(mesh.pods.started) - {ref}
    assert new.name != ref.name


async def test_scaling_down_ends_pods_in_order_and_forgets_them_when_they_are_gone(mesh):
    mesh.put(deployment(replicas=2))
    await mesh.settle()
    assert len(mesh.pods.started) == 2
    mesh.put(deployment(replicas=1))
    await mesh.settle()
    (ref,) = mesh.pods.stopping
    assert mesh.store.get(ref).raw["metadata"]["deletionTimestamp"]
    mesh.pods.finish(ref)
    await mesh.settle()
    assert mesh.store.get(ref) is None


async def test_a_deployment_that_goes_takes_its_pods_along(mesh):
    mesh.put(deployment(replicas=2))
    await mesh.settle()
    mesh.store.delete(DEPLOYMENT)
    await mesh.settle()
    assert set(mesh.pods.stopping) == set(mesh.pods.started)


async def test_a_bare_pod_is_injected_and_an_unchanged_file_does_not_restart_it(mesh):
    mesh.put(bare_pod())
    await mesh.settle()
    assert "sidecar.istio.io/status" in mesh.pods.started[POD]["metadata"]["annotations"]
    mesh.put(bare_pod())
    await mesh.settle()
    assert POD not in mesh.pods.stopping


async def test_a_changed_bare_pod_is_started_again_once_the_old_one_is_gone(mesh):
    mesh.put(bare_pod())
    await mesh.settle()
    mesh.put(bare_pod("a:2"))
    await mesh.settle()
    assert POD in mesh.pods.stopping
    mesh.pods.finish(POD)
    await mesh.settle()
    assert mesh.pods.started[POD]["spec"]["containers"][0]["image"] == "a:2"


async def test_a_status_of_an_earlier_pod_of_that_name_is_not_taken(mesh):
    mesh.put(bare_pod())
    await mesh.settle()
    mesh.runner.report(POD, "another", {"phase": "Failed"})
    assert "status" not in mesh.store.get(POD).raw


async def test_a_pod_that_cannot_be_injected_does_not_run_and_says_why(mesh):
    mesh.refuse = True
    mesh.put(deployment())
    mesh.put(bare_pod())
    await mesh.settle()
    assert mesh.pods.started == {}
    assert sorted(mesh.notices) == [
        "Deployment default/a: sidecar injection: wrong annotation",
        "Pod default/p: sidecar injection: wrong annotation",
    ]
    mesh.refuse = False
    mesh.put(deployment("a:2"))
    await mesh.settle()
    assert len(mesh.pods.started) == 1
    assert list(mesh.notices) == ["Pod default/p: sidecar injection: wrong annotation"]


async def test_a_config_map_wakes_pods_that_wait(mesh):
    before = mesh.pods.configured
    mesh.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {}})
    assert mesh.pods.configured == before + 1


async def test_namespaces_and_their_accounts_are_there(mesh):
    mesh.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "new"}, "data": {}})
    await mesh.settle()
    assert mesh.store.get(ObjectRef("", "Namespace", "", "new")) is not None
    assert mesh.store.get(ObjectRef("", "ServiceAccount", "new", "default")) is not None
    assert mesh.store.get(ObjectRef("", "ConfigMap", "istio-system", "istio")) is not None


async def test_the_default_gateway_comes_and_goes_with_the_gateway(mesh):
    servers = [{"port": {"number": 8080, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}]
    gateway = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "g"},
        "spec": {"selector": {"istio": "ingressgateway"}, "servers": servers},
    }
    mesh.put(gateway)
    await mesh.settle()
    (ref,) = mesh.pods.started
    assert ref.namespace == "istio-system"
    mesh.store.delete(ObjectRef("networking.istio.io", "Gateway", "default", "g"))
    await mesh.settle()
    assert set(mesh.pods.stopping) == {ref}
    assert mesh.store.get(ObjectRef("", "Service", "istio-system", "istio-ingressgateway")) is None


async def test_slices_go_with_their_service(mesh):
    mesh.put(service())
    await mesh.settle()
    assert mesh.store.list("discovery.k8s.io", "EndpointSlice", "default")
    mesh.store.delete(ObjectRef("", "Service", "default", "a"))
    await mesh.settle()
    assert mesh.store.list("discovery.k8s.io", "EndpointSlice", "default") == []
    assert mesh.zone.lookup("a.default.svc.cluster.local", "A") == (Outcome.NO_NAME, ())


async def test_a_controller_that_fails_does_not_stop_the_others(mesh, caplog):
    def broken(_zone):
        raise RuntimeError("broken")

    mesh.controllers = Controllers(
        mesh.store, (NameController(mesh.store, broken, mesh.rules.append), ServiceController(mesh.store))
    )
    mesh.controllers.start()
    mesh.put(service())
    await mesh.settle()
    assert mesh.store.get(ObjectRef("", "Service", "default", "a")).raw["spec"]["clusterIP"]
    assert "NameController failed" in caplog.text


async def test_what_is_said_of_a_running_bare_pod_stays_when_its_status_changes(mesh):
    spec = {"hostNetwork": True, "containers": [{"name": "c", "image": "app"}]}
    mesh.inject = lambda pod, _labels: pod
    mesh.runner._inject = mesh.inject
    mesh.put({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
    await mesh.settle()
    ref = ObjectRef("", "Pod", "default", "p")
    mesh.notices.add(ref, "its liveness probe failed")
    mesh.make_ready(ref)
    await mesh.settle()
    assert [text for text in mesh.notices if "liveness" in text]


async def test_a_pod_that_is_deleted_is_shown_as_ending_until_it_is_gone(mesh):
    labels = {"app": "x"}
    mesh.put(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "s"},
            "spec": {"selector": labels, "ports": [{"port": 80}]},
        }
    )
    spec = {"containers": [{"name": "c", "image": "app"}]}
    mesh.put({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": labels}, "spec": spec})
    await mesh.settle()
    ref = ObjectRef("", "Pod", "default", "p")
    mesh.make_ready(ref)
    delete(mesh.store, ref, now(), 7)
    await mesh.settle()
    assert mesh.pods.stopping[ref][0] == 7
    (piece,) = (s.raw for s in mesh.store.list("discovery.k8s.io", "EndpointSlice", "default"))
    assert piece["endpoints"][0]["conditions"] == {"ready": False, "serving": True, "terminating": True}
    mesh.pods.finish(ref)
    await mesh.settle()
    assert mesh.store.get(ref) is None
    assert mesh.endpoints() == {}


async def test_a_stateful_set_gets_its_claims_before_its_pods(mesh):
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    claims = [{"metadata": {"name": "data"}}]
    selector = {"matchLabels": {"app": "a"}}
    spec = {"selector": selector, "template": template, "volumeClaimTemplates": claims, "minReadySeconds": 5}
    mesh.put({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec})
    await mesh.settle()
    ref = ObjectRef("", "Pod", "default", "db-0")
    assert ref in mesh.pods
    claim = mesh.store.get(ObjectRef("", "PersistentVolumeClaim", "default", "data-db-0"))
    assert claim.raw["status"] == {"phase": "Bound"}
    mesh.store.delete(ObjectRef("apps", "StatefulSet", "default", "db"))
    await mesh.settle()
    assert ref in mesh.pods.stopping
    assert mesh.store.get(claim.ref) is not None


async def test_a_job_that_is_over_goes_when_its_time_has_come(mesh):
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    spec = {"template": template, "ttlSecondsAfterFinished": 30}
    mesh.put({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": spec})
    await mesh.settle()
    (ref,) = mesh.pods.started
    mesh.runner.report(ref, mesh.pods.started[ref]["metadata"]["uid"], {"phase": "Succeeded"})
    await mesh.settle()
    assert mesh.clock.timers[-1][0] == 30
    status = mesh.store.get(ObjectRef("batch", "Job", "default", "j")).raw["status"]
    assert status["conditions"][0]["type"] == "Complete"


async def test_once_closed_nobody_can_wake_them():
    store = ObjectStore()
    passes = []

    class Counting:
        def hear(self, event):
            pass

        def reconcile(self):
            passes.append(1)

    controllers = Controllers(store, (Counting(),))
    controllers.start()
    controllers.close()
    before = len(passes)
    controllers.wake()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not controllers.busy
    assert len(passes) == before
