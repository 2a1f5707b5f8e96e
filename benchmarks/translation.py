"""What translation costs at scale: services with an HTTP and a TCP port, two endpoints and a VirtualService each."""

import gc
import resource
import time
from collections.abc import Callable
from typing import Any

from lateen.config.decode import decode
from lateen.config.objects import ConfigObject
from lateen.config.store import ConfigStore
from lateen.incremental.tables import Change
from lateen.model.mesh import Mesh
from lateen.model.proxy import Proxy, ProxyId, ProxyType
from lateen.model.views import views
from lateen.translate.catalogue import questions

Json = dict[str, Any]
NAMESPACES = 20
SUBSETS_EVERY = 5


def address(number: int) -> str:
    return f"198.18.{number // 250}.{number % 250 + 1}"


def objects(services: int, first: int = 0) -> list[Json]:
    """Services from `first` on. Every fifth has a DestinationRule with two subsets, half of those outlier detection."""
    found: list[Json] = []
    for i in range(first, services):
        name, namespace = f"s{i}", f"ns{i % NAMESPACES}"
        meta = {"name": name, "namespace": namespace}
        pods = [(f"{name}-{k}", address(2 * i + k)) for k in range(2)]
        found.append(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": meta,
                "spec": {
                    "clusterIP": f"198.19.{i // 250}.{i % 250 + 1}",
                    "ports": [{"name": "http", "port": 9080}, {"name": "tcp-db", "port": 5432}],
                },
            }
        )
        found += [pod(name, namespace, ip, f"v{k + 1}") for k, (name, ip) in enumerate(pods)]
        found.append(slice_of(name, namespace, pods))
        found.append(virtual_service(name, namespace, "1s"))
        if i % SUBSETS_EVERY == 0:
            policy = (
                {"outlierDetection": {"interval": "5s"}}
                if i % (2 * SUBSETS_EVERY) == 0
                else {"tls": {"mode": "DISABLE"}}
            )
            subsets = [{"name": v, "labels": {"version": v}} for v in ("v1", "v2")]
            spec = {"host": name, "subsets": subsets, "trafficPolicy": policy}
            found.append(
                {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": meta, "spec": spec}
            )
    return found


def pod(name: str, namespace: str, ip: str, version: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"version": version}},
        "spec": {"containers": [{"name": "app"}]},
        "status": {"podIP": ip},
    }


def slice_of(name: str, namespace: str, pods: list[tuple[str, str]]) -> Json:
    endpoints = [
        {"addresses": [ip], "targetRef": {"kind": "Pod", "name": pod_name, "namespace": namespace}}
        for pod_name, ip in pods
    ]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "http", "port": 9080}, {"name": "tcp-db", "port": 5432}],
    }


def virtual_service(name: str, namespace: str, timeout: str) -> Json:
    to = {"destination": {"host": name, "port": {"number": 9080}}}
    rules = [
        {"match": [{"headers": {"end-user": {"exact": "jason"}}}], "route": [to]},
        {"match": [{"uri": {"prefix": "/api"}}], "route": [to | {"weight": 90}, to | {"weight": 10}]},
        {"route": [to], "timeout": timeout},
    ]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"hosts": [name], "http": rules},
    }


def typed(raw: Json) -> ConfigObject:
    found = decode(raw)
    assert isinstance(found, ConfigObject), found
    return found


class Bench:
    """A mesh of a size, with one proxy for each of some client namespaces."""

    def __init__(self, services: int, clients: int) -> None:
        started = time.perf_counter()
        found = [typed(raw) for raw in objects(services)]
        self.decode_ms = _ms_since(started)
        self.store, self.mesh = ConfigStore(), Mesh()
        self.mesh.apply(self.store.apply(found))
        gc.collect()
        started = time.perf_counter()
        for i in range(clients):
            proxy = Proxy(ProxyId(f"ns{i}", f"client{i}"), ProxyType.SIDECAR, (f"198.17.0.{i}",), "x.svc.cluster.local")
            self.mesh.commit([Change(Proxy, proxy.id, proxy)])
            seen = views(self.mesh, proxy.id)
            assert seen is not None
            self.mesh.watch(views, proxy.id)
            for asked in questions(seen).values():
                for function, arguments in asked:
                    self.mesh.watch(function, *arguments)
        self._settle()
        self.cold_ms = _ms_since(started)

    def _settle(self) -> None:
        for _ in self.mesh.settle():
            pass

    def change_ms(self, make: Callable[[int], list[Json]], times: int = 21) -> float:
        """The median of commit and settle, in ms."""
        taken = []
        for i in range(times):
            changed = [typed(raw) for raw in make(i)]
            started = time.perf_counter()
            self.mesh.apply(self.store.apply(changed))
            self._settle()
            taken.append(_ms_since(started))
        return sorted(taken)[times // 2]


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000


def run(services: int = 1000, clients: int = NAMESPACES) -> Json:
    """Figures of one size; memory is the peak of the process."""
    bench = Bench(services, clients)
    nodes = sum(len(nodes) for nodes in bench.mesh.memo.values())
    pods = [("s5-0", address(10)), ("s5-1", address(11))]
    return {
        "services": services,
        "views": clients,
        "decode_ms": round(bench.decode_ms, 1),
        "cold_build_ms": round(bench.cold_ms, 1),
        "answers_kept": nodes,
        "endpoint_change_ms": round(bench.change_ms(lambda i: [slice_of("s5", "ns5", pods[: 1 + i % 2])]), 3),
        "virtual_service_change_ms": round(bench.change_ms(lambda i: [virtual_service("s7", "ns7", f"{i + 2}s")]), 3),
        "mesh_setting_change_ms": round(bench.change_ms(mesh_setting, times=5), 1),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def mesh_setting(i: int) -> list[Json]:
    meta = {"name": "istio", "namespace": "istio-system"}
    return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"mesh": f"connectTimeout: {i + 11}s"}}]


if __name__ == "__main__":
    print(run())
