"""Workloads: what runs behind an endpoint or around a proxy, with its labels, identity and place."""

from collections.abc import Mapping

import msgspec

from lateen.common.labels import Labels
from lateen.config.kinds.pod import Pod
from lateen.config.objects import ObjectRef
from lateen.incremental.engine import query
from lateen.model.mesh import Mesh

LOCALITY_LABELS = ("topology.istio.io/locality", "istio-locality")
_HASH_LABEL = "pod-template-hash"


class Locality(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """Where something runs; empty parts are unknown."""

    region: str = ""
    zone: str = ""
    subzone: str = ""

    @classmethod
    def parse(cls, text: str) -> "Locality":
        """Reads `region/zone/subzone`; a label, which may not hold slashes, writes dots instead."""
        parts = text.split("/" if "/" in text else ".")
        return cls(*parts[:3])

    def distance(self, other: "Locality") -> int:
        """0 for the same subzone, 1 for the same zone, 2 for the same region, 3 for any other."""
        for distance, (mine, theirs) in enumerate(((self, other), (self.of_zone(), other.of_zone()))):
            if mine == theirs:
                return distance
        return 2 if self.region == other.region else 3

    def of_zone(self) -> "Locality":
        return Locality(self.region, self.zone)

    def __str__(self) -> str:
        return "/".join((self.region, self.zone, self.subzone)).rstrip("/")


class Workload(msgspec.Struct, frozen=True):
    """`name` is that of what made the pod, such as its Deployment."""

    name: str
    namespace: str
    service_account: str
    labels: Mapping[str, str]
    locality: Locality = Locality()

    @property
    def canonical_name(self) -> str:
        """The name that telemetry knows it by."""
        keys = ("service.istio.io/canonical-name", "app.kubernetes.io/name", "app")
        return next((self.labels[key] for key in keys if self.labels.get(key)), self.name)

    @property
    def canonical_revision(self) -> str:
        keys = ("service.istio.io/canonical-revision", "app.kubernetes.io/version", "version")
        return next((self.labels[key] for key in keys if self.labels.get(key)), "latest")


@query
def workload(mesh: Mesh, pod: ObjectRef) -> Workload | None:
    """The workload of a pod. Equal while the pod merely changes its state."""
    found = mesh.get(Pod, pod)
    if found is None:
        return None
    labels = found.metadata.labels
    return Workload(
        name=workload_name(found.metadata.name, labels),
        namespace=found.metadata.namespace,
        service_account=found.spec.service_account_name,
        labels=labels,
        locality=locality_of(labels),
    )


def workload_name(pod: str, labels: Labels) -> str:
    """A pod's name without what its ReplicaSet added to it."""
    suffix = labels.get(_HASH_LABEL)
    head, found, _ = pod.rpartition(f"-{suffix}-") if suffix else ("", "", "")
    return head if found else pod


def locality_of(labels: Labels) -> Locality:
    """The place that a pod's labels give it."""
    text = next((labels[key] for key in LOCALITY_LABELS if labels.get(key)), "")
    return Locality.parse(text) if text else Locality()
