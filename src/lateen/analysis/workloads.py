"""What pods come of: a Pod itself or the template of a workload, read in the same way."""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from lateen.analysis.resources import JsonMap, Resource, at, each, mapping, texts
from lateen.config.problems import Path
from lateen.inject.pods import PROXY
from lateen.inject.policy import INJECT

Kind = tuple[str, str]
"""Group and kind."""

POD: Final[Kind] = ("", "Pod")
DEPLOYMENT: Final[Kind] = ("apps", "Deployment")
_TEMPLATE: Final = ("spec", "template")

WORKLOADS: Final[Mapping[Kind, tuple[str, ...]]] = {
    DEPLOYMENT: _TEMPLATE,
    ("apps", "StatefulSet"): _TEMPLATE,
    ("apps", "DaemonSet"): _TEMPLATE,
    ("apps", "ReplicaSet"): _TEMPLATE,
    ("batch", "Job"): _TEMPLATE,
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
    POD: (),
}
"""Where each kind has what its pods are made from."""

SERVING: Final = (DEPLOYMENT, ("apps", "StatefulSet"), ("apps", "DaemonSet"), ("apps", "ReplicaSet"), POD)
"""Kinds whose pods run until they are told to end; the others' run a task."""


class Workload(msgspec.Struct, frozen=True, eq=False):
    """`pod` is what the pods are made from, with `metadata` and `spec`; `path` leads to it from the object."""

    resource: Resource
    pod: JsonMap
    path: tuple[str, ...]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @classmethod
    def of(cls, resource: Resource) -> "Workload":
        """The workload that a resource of a kind in `WORKLOADS` is."""
        path = WORKLOADS[resource.ref.group, resource.ref.kind]
        pod = mapping(resource.raw, *path)
        labels, annotations = texts(pod, "metadata", "labels"), texts(pod, "metadata", "annotations")
        return cls(resource, pod, path, labels, annotations)

    @property
    def kind(self) -> Kind:
        return self.resource.ref.group, self.resource.ref.kind

    @property
    def title(self) -> str:
        """Kind and name, for messages."""
        return f"{self.resource.ref.kind} {self.resource.name}"

    @property
    def spec(self) -> JsonMap:
        return mapping(self.pod, "spec")

    @property
    def uses_host_network(self) -> bool:
        return self.spec.get("hostNetwork") is True

    def containers(self, place: str = "containers") -> Iterator[tuple[Path, JsonMap]]:
        """The containers of `containers` or `initContainers`, each with its path from the object."""
        for path, container in each(self.pod, "spec", place):
            yield (*self.path, *path), container

    def container(self, name: str, *places: str) -> tuple[Path, JsonMap] | None:
        """The container of that name, in `containers` and `initContainers` unless places are named."""
        for place in places or ("containers", "initContainers"):
            for path, container in self.containers(place):
                if container.get("name") == name:
                    return path, container
        return None

    @property
    def proxy(self) -> tuple[Path, JsonMap] | None:
        """The container of the sidecar, where the pod is written with one."""
        found = self.container(PROXY)
        return found if found is not None and found[1].get("image") else None

    @property
    def is_only_a_proxy(self) -> bool:
        """A gateway or the like: nothing runs beside the proxy."""
        names = [container.get("name") for _, container in self.containers()]
        return names == [PROXY] or "gateway" in self.annotations.get("inject.istio.io/templates", "")

    def stated_to_be_in_mesh(self) -> bool | None:
        """What the pod itself says; None where it leaves that to its namespace."""
        places = ("containers", "initContainers") if self.kind == POD else ("containers",)
        proxy = self.container(PROXY, *places)
        if proxy is not None and proxy[1].get("image"):
            return True
        stated = self.labels.get(INJECT, self.annotations.get(INJECT))
        return None if stated is None else stated == "true"

    def field(self, *path: str) -> Path:
        """The path of a field of the pod, from the object."""
        return (*self.path, *path)


def is_owned(raw: JsonMap) -> bool:
    """Whether another object made it."""
    return bool(at(raw, "metadata", "ownerReferences"))


def is_control_plane(labels: Mapping[str, str]) -> bool:
    """Whether labels are those of a part of the control plane or of one of its gateways."""
    return "istio" in labels or labels.get("release") == "istio"


_GATEWAY_CONTROLLERS: Final = (
    "istio.io-gateway-controller",
    "istio.io-mesh-controller",
    "istio.io-eastwest-controller",
)


def is_managed_gateway(labels: Mapping[str, str]) -> bool:
    """Whether a gateway of the Gateway API was made by a controller."""
    return labels.get("gateway.istio.io/managed") in _GATEWAY_CONTROLLERS
