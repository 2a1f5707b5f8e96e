"""Small worlds for tests of the whole translation: objects made by name, and what a proxy would be sent."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from lateen.config.decode import decode
from lateen.config.objects import ConfigObject
from lateen.config.store import ConfigStore
from lateen.incremental.tables import Change
from lateen.model.mesh import Mesh
from lateen.model.proxy import Proxy, ProxyId, ProxyType
from lateen.model.views import Views, views
from lateen.model.workloads import Locality
from lateen.translate.catalogue import questions

Json = dict[str, Any]
NETWORKING = "networking.istio.io/v1"


def typed(raw: Json) -> ConfigObject:
    """The object; one that is not valid is an error of the test."""
    found = decode(raw)
    assert isinstance(found, ConfigObject), found
    return found


def service(name: str, namespace: str = "default", ports: Iterable[Json] = (), **spec: Any) -> Json:
    ports = list(ports) or [{"name": "http", "port": 9080}]
    octets = sum(map(ord, name + namespace)) % 250 + 1, len(name + namespace) % 250
    vip = f"198.19.{octets[1]}.{octets[0]}"
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterIP": vip, "selector": {"app": name}, "ports": ports, **spec},
    }


def pod(name: str, address: str, namespace: str = "default", **labels: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "app"}]},
        "status": {"podIP": address, "phase": "Running"},
    }


def endpoint_slice(
    owner: str,
    namespace: str = "default",
    *,
    pods: Iterable[tuple[str, str]] = (),
    port: int = 9080,
    ready: bool = True,
) -> Json:
    """The slice of a Service: `pods` are (name, address)."""
    endpoints = [
        {
            "addresses": [address],
            "conditions": {"ready": ready},
            "targetRef": {"kind": "Pod", "name": name, "namespace": namespace},
        }
        for name, address in pods
    ]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": owner, "namespace": namespace, "labels": {"kubernetes.io/service-name": owner}},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "http", "port": port}],
    }


def virtual_service(name: str, http: list[Json], namespace: str = "default", **spec: Any) -> Json:
    return {
        "apiVersion": NETWORKING,
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"hosts": [name], "http": http, **spec},
    }


def destination_rule(host: str, namespace: str = "default", *, subsets: Iterable[str] = (), **spec: Any) -> Json:
    named = [{"name": subset, "labels": {"version": subset}} for subset in subsets]
    return {
        "apiVersion": NETWORKING,
        "kind": "DestinationRule",
        "metadata": {"name": host.split(".")[0], "namespace": namespace},
        "spec": {"host": host, "subsets": named, **spec},
    }


def gateway(name: str, port: int = 8080, namespace: str = "default") -> Json:
    return {
        "apiVersion": NETWORKING,
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": {"istio": "ingressgateway"},
            "servers": [{"port": {"number": port, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}],
        },
    }


def proxy(
    name: str,
    address: str = "198.18.0.2",
    namespace: str = "default",
    *,
    router: bool = False,
    proxyless: bool = False,
    zone: str = "",
    **labels: str,
) -> Proxy:
    return Proxy(
        id=ProxyId(namespace, name),
        type=ProxyType.ROUTER if router else ProxyType.PROXYLESS if proxyless else ProxyType.SIDECAR,
        addresses=(address,),
        domain=f"{namespace}.svc.cluster.local",
        labels=labels,
        locality=Locality(region="r", zone=zone) if zone else Locality(),
    )


class World:
    """A mesh with a store in front of it, and proxies that are connected to it."""

    def __init__(self, *objects: Json) -> None:
        self.store = ConfigStore()
        self.mesh = Mesh()
        self.proxies: list[Proxy] = []
        self.apply(*objects)

    def apply(self, *objects: Json) -> None:
        """Apply objects as one change."""
        self.mesh.apply(self.store.apply([typed(raw) for raw in objects]))

    def delete(self, *objects: Json) -> None:
        self.mesh.apply(self.store.apply([], [typed(raw).ref for raw in objects]))

    def connect(self, *proxies: Proxy) -> None:
        """Connect proxies and watch what they may be sent, as the publisher does."""
        for each in proxies:
            self.proxies.append(each)
            self.mesh.commit([Change(Proxy, each.id, each)])
            self.mesh.watch(views, each.id)
            for asked in questions(self.views(each)).values():
                for function, arguments in asked:
                    self.mesh.watch(function, *arguments)
        self.settle()

    def views(self, of: Proxy) -> Views:
        found = views(self.mesh, of.id)
        assert found is not None
        return found

    def settle(self) -> None:
        for _ in self.mesh.settle():
            pass

    def resources(self, of: Proxy) -> dict[tuple[str, str], bytes]:
        """Type URL and name to serialised message, of everything that the proxy may be sent."""
        return {
            (type_url, resource.name): resource.body
            for type_url, asked in questions(self.views(of)).items()
            for function, arguments in asked
            for resource in function(self.mesh, *arguments)
        }

    @contextmanager
    def computations(self) -> Iterator[dict[str, int]]:
        """What is run inside, by the query's name; settled at the end."""
        ran: dict[str, int] = {}
        self.mesh.ran.clear()
        yield ran
        self.settle()
        ran.update({function.__name__: count for function, count in self.mesh.ran.items()})
