"""Ports of this machine that lead to the mesh's gateway: what was asked for, and which pods connections go to. Pure."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Final

import msgspec

from lateen.local_runtime.plan.gateway import GATEWAY_LABELS, ROOT_NAMESPACE
from lateen.local_runtime.plan.services import is_ready
from lateen.local_runtime.plan.workloads import Json

_HTTP: Final = 8080


class Publish(msgspec.Struct, frozen=True):
    """A port of this machine, and the port of the gateway's pods that it leads to."""

    port: int
    target: int = _HTTP
    address: str = "127.0.0.1"

    @property
    def url(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.port}"


DEFAULT: Final = (Publish(8080),)


_SPELLING: Final = re.compile(r"(?:(?P<address>\d+(?:\.\d+){3}|\[[^]]+\]):)?(?P<port>\d+)(?::(?P<target>\d+))?")


def parse_publish(text: str) -> Publish:
    """`[ADDRESS:]PORT[:TARGET]`, as in `8080`, `8443:8443` or `127.0.0.1:80:8080`. Raises `ValueError`."""
    match = _SPELLING.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a port to publish; write 8080, 8443:8443 or 127.0.0.1:80:8080")
    port, target = int(match["port"]), int(match["target"] or _HTTP)
    if not (0 < port < 65536 and 0 < target < 65536):
        raise ValueError(f"{text!r}: a port is a number from 1 to 65535")
    address = (match["address"] or "127.0.0.1").strip("[]")
    return Publish(port, target, str(ip_address(address)))


def leads_nowhere(gateways: Iterable[Json], pods: Iterable[Json]) -> bool:
    """Whether connections are closed for want of a Gateway: there is none, nor a pod of the default gateway."""
    return not any(gateways) and not any(map(_is_default, pods))


def _is_default(pod: Json) -> bool:
    labels = pod["metadata"].get("labels") or {}
    return pod["metadata"]["namespace"] == ROOT_NAMESPACE and GATEWAY_LABELS.items() <= labels.items()


def gateway_pods(gateways: Iterable[Json], pods: Iterable[Json]) -> Sequence[str]:
    """Addresses of the ready pods that some Gateway selects; those of the default gateway where there is no Gateway."""
    selectors = [s for g in gateways if (s := (g.get("spec") or {}).get("selector"))]
    found = []
    for pod in pods:
        labels = pod["metadata"].get("labels") or {}
        chosen = any(s.items() <= labels.items() for s in selectors) if selectors else _is_default(pod)
        if chosen and is_ready(pod) and "deletionTimestamp" not in pod["metadata"]:
            found.append(str(pod["status"]["podIP"]))
    return sorted(found)
