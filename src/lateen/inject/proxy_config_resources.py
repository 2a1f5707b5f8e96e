"""ProxyConfig resources: settings of proxies by namespace and by label, as layers of the configuration in force."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from lateen.common.labels import Labels


class ProxyConfigResource(msgspec.Struct, frozen=True, kw_only=True):
    """One resource; `spec` in JSON shape, `created` as Kubernetes writes a time."""

    namespace: str
    name: str
    spec: Mapping[str, Any]
    created: str = ""

    @property
    def selects(self) -> Mapping[str, str]:
        """The labels of the pods that it is for; empty for all of its namespace."""
        return (self.spec.get("selector") or {}).get("matchLabels") or {}

    @property
    def layer(self) -> dict[str, Any]:
        """What it sets, in the names of ProxyConfig's annotation."""
        found = {
            "concurrency": self.spec.get("concurrency"),
            "proxyMetadata": self.spec.get("environmentVariables"),
            "image": self.spec.get("image"),
        }
        return {key: value for key, value in found.items() if value is not None}


def of_namespaces(resources: Iterable[ProxyConfigResource], root: str, namespace: str) -> list[Mapping[str, Any]]:
    """The layers for everyone and for a namespace, the stronger last."""
    wide = [resource for resource in resources if not resource.selects]
    places = (root,) if namespace == root else (root, namespace)
    return [oldest.layer for place in places if (oldest := _oldest(r for r in wide if r.namespace == place))]


def of_pod(resources: Iterable[ProxyConfigResource], namespace: str, labels: Labels) -> list[Mapping[str, Any]]:
    """The layer of the resource that selects a pod, if there is one."""
    selecting = (
        resource
        for resource in resources
        if resource.namespace == namespace and resource.selects and resource.selects.items() <= labels.items()
    )
    return [oldest.layer] if (oldest := _oldest(selecting)) else []


def _oldest(resources: Iterable[ProxyConfigResource]) -> ProxyConfigResource | None:
    return min(resources, key=lambda resource: (resource.created, resource.namespace, resource.name), default=None)
