"""The store says what truly changed, and derives the MeshConfig."""

from lateen.config.kinds.config_map import ConfigMap
from lateen.config.kinds.mesh_config import MESH_CONFIG_REF, MeshConfig, OutboundTrafficMode
from lateen.config.kinds.service import KubernetesService, ServiceSpec
from lateen.config.objects import Metadata
from lateen.config.store import ConfigStore


def service(name: str, type_: str = "ClusterIP") -> KubernetesService:
    return KubernetesService(metadata=Metadata(name=name, namespace="shop"), spec=ServiceSpec(type=type_))


def mesh_map(text: str) -> ConfigMap:
    return ConfigMap(metadata=Metadata(name="istio", namespace="istio-system"), data={"mesh": text})


def mesh_config(store: ConfigStore) -> MeshConfig:
    found = store.get(MESH_CONFIG_REF)
    assert isinstance(found, MeshConfig)
    return found


def test_a_batch_yields_only_what_differs_in_order() -> None:
    store = ConfigStore()
    first = store.apply([service("b"), service("a")])
    assert [(c.ref.name, c.old, c.new) for c in first] == [("a", None, service("a")), ("b", None, service("b"))]
    second = store.apply([service("a"), service("b", "NodePort")], [service("gone").ref])
    assert [(c.ref.name, c.old, c.new) for c in second] == [("b", service("b"), service("b", "NodePort"))]
    assert (first.revision, second.revision) == (1, 2)
    assert store.apply([service("a")]).revision == 2


def test_deletion() -> None:
    store = ConfigStore()
    store.apply([service("a"), service("b")])
    changes = store.apply([], [service("a").ref])
    assert [(c.ref.name, c.new) for c in changes] == [("a", None)]
    assert store.get(service("b").ref) == service("b")
    assert store.get(service("a").ref) is None


def test_deleted_and_changed_in_one_batch_is_there_afterwards() -> None:
    store = ConfigStore()
    store.apply([service("a")])
    assert not store.apply([service("a")], [service("a").ref]).changes
    assert store.get(service("a").ref) == service("a")


def test_the_mesh_config_follows_its_config_map() -> None:
    store = ConfigStore()
    changes = store.apply([mesh_map("accessLogFile: /dev/stdout\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}\n")])
    assert [change.ref.kind for change in changes] == ["ConfigMap", "MeshConfig"]
    spec = mesh_config(store).spec
    assert (spec.access_log_file, spec.outbound_traffic_policy.mode) == (
        "/dev/stdout",
        OutboundTrafficMode.REGISTRY_ONLY,
    )
    assert spec.default_config.discovery_address == "istiod.istio-system.svc:15012"
    store.apply([], [mesh_map("").ref])
    assert store.get(MESH_CONFIG_REF) is None


def test_a_mesh_config_that_cannot_be_read_changes_nothing_and_names_the_field() -> None:
    store = ConfigStore()
    store.apply([mesh_map("accessLogFile: /dev/stdout\n")])
    changes = store.apply([mesh_map("accesLogFile: /tmp/x\nconnectTimeout: soon\n")])
    assert [(r.path, r.ref) for r in changes.rejected] == [
        ("data.mesh.accesLogFile", mesh_map("").ref),
        ("data.mesh.connectTimeout", mesh_map("").ref),
    ]
    assert mesh_config(store).spec.access_log_file == "/dev/stdout"
    assert store.apply([mesh_map("a: [")]).rejected[0].path == "data.mesh"


def test_another_config_map_is_free_text() -> None:
    other = ConfigMap(metadata=Metadata(name="istio", namespace="shop"), data={"mesh": "a: ["})
    assert not ConfigStore().apply([other]).rejected
