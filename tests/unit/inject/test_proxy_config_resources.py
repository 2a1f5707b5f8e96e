from typing import Any

from lateen.inject.proxy_config import ProxyConfig
from lateen.inject.proxy_config_resources import ProxyConfigResource
from lateen.inject.settings import Mesh, Settings


def resource(namespace: str, name: str = "r", created: str = "", **spec: Any) -> ProxyConfigResource:
    return ProxyConfigResource(namespace=namespace, name=name, created=created, spec=spec)


def config(*resources: ProxyConfigResource, annotation: str = "", labels: dict[str, str] | None = None) -> ProxyConfig:
    mesh = Mesh(default_config={"concurrency": 1, "proxyMetadata": {"A": "mesh"}})
    annotations = {"proxy.istio.io/config": annotation} if annotation else {}
    return Settings(mesh=mesh, proxy_configs=resources).proxy_config("shop", labels or {}, annotations)


def test_layers_from_the_mesh_to_the_pod() -> None:
    root = resource("istio-system", environmentVariables={"B": "root"}, concurrency=2)
    own = resource("shop", concurrency=3)
    selecting = resource("shop", selector={"matchLabels": {"app": "web"}}, image={"imageType": "debug"}, concurrency=5)
    annotation = "concurrency: 4"

    assert config(root).fields["concurrency"] == 2
    assert config(root).metadata == {"A": "mesh", "B": "root"}
    assert config(root, own).fields["concurrency"] == 3
    assert config(root, own, annotation=annotation).fields["concurrency"] == 4
    chosen = config(root, own, selecting, annotation=annotation, labels={"app": "web"})
    assert (chosen.fields["concurrency"], chosen.image_type) == (5, "debug")
    assert config(selecting, labels={"app": "db"}).fields["concurrency"] == 1


def test_the_oldest_of_several_counts() -> None:
    younger = resource("shop", "a", "2026-02-01T00:00:00Z", concurrency=7)
    older = resource("shop", "b", "2026-01-01T00:00:00Z", concurrency=8)
    elsewhere = resource("other", concurrency=9)
    assert config(younger, older, elsewhere).fields["concurrency"] == 8
