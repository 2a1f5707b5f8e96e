"""What analyzers may look at: every object at once, read only, by kind and namespace."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import msgspec

from lateen.analysis.resources import Resource, at, texts
from lateen.analysis.workloads import POD, WORKLOADS, Kind, Workload, is_owned
from lateen.common.labels import Labels
from lateen.config.documents import Malformed, parse
from lateen.config.objects import ObjectRef, Origin
from lateen.inject.policy import NAMESPACE_INJECTION, SYSTEM_NAMESPACES
from lateen.inject.settings import Values

_Label = tuple[str, str, str]
"""Namespace, key and value."""

INJECTOR: Final = "istio-sidecar-injector"
MESH_NETWORKS: Final = ("", "MeshNetworks")
"""No kind of the API: the settings of networks as an object."""


class IngressGateway(msgspec.Struct, frozen=True):
    """A gateway that the mesh itself runs where no object brings one with these labels."""

    labels: Labels
    ports: tuple[int, ...]


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the mesh besides its objects.

    `inject_by_default` is whether namespaces that say nothing are injected; the injector's ConfigMap, where it is among
    the objects, has the last word. `mesh` is MeshConfig in JSON shape. `proxy_image` is what the injector gives pods,
    empty where that is not known.
    """

    istio_namespace: str = "istio-system"
    inject_by_default: bool = False
    mesh: Mapping[str, Any] = {}
    proxy_image: str = ""
    ingress_gateway: IngressGateway | None = None


class View:
    """All objects but those of Kubernetes' own namespaces; of two with one reference the later one."""

    def __init__(self, resources: Iterable[Resource], around: Surroundings | None = None) -> None:
        self.around = around or Surroundings()
        kept = {each.ref: each for each in resources if not _is_of_kubernetes(each.ref)}
        self._by_kind: dict[Kind, list[Resource]] = {}
        for each in kept.values():
            self._by_kind.setdefault((each.ref.group, each.ref.kind), []).append(each)
        self._by_ref = kept

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._by_ref.values())

    def all(self, kind: Kind) -> Sequence[Resource]:
        """The objects of a kind, in the order in which they came."""
        return self._by_kind.get(kind, ())

    def get(self, kind: Kind, namespace: str, name: str) -> Resource | None:
        return self._by_ref.get(ObjectRef(*kind, namespace, name))

    def namespace_labels(self, name: str) -> Labels:
        """The labels of a namespace; none where the objects do not have it."""
        found = self.get(("", "Namespace"), "", name)
        return found.labels if found else {}

    @cached_property
    def pods(self) -> Sequence[Workload]:
        """Every Pod, those that a workload made too."""
        return [Workload.of(pod) for pod in self.all(POD)]

    @cached_property
    def workloads(self) -> Sequence[Workload]:
        """What people wrote that pods come of: workloads and bare Pods, but not what one of them made."""
        made = (each for kind in WORKLOADS for each in self.all(kind))
        return [Workload.of(each) for each in made if not is_owned(each.raw)]

    def services_of(self, workload: Workload) -> Iterator[Resource]:
        """The Services of its namespace whose selector is not empty and meets its pods' labels."""
        for label in workload.labels.items():
            for service, selector in self._services_by_label.get((workload.resource.namespace, *label), ()):
                if selector.items() <= workload.labels.items():
                    yield service

    @cached_property
    def _services_by_label(self) -> Mapping[_Label, Sequence[tuple[Resource, Labels]]]:
        """Services with their selectors, by the first label of it: few are looked at for each workload."""
        found: dict[_Label, list[tuple[Resource, Labels]]] = {}
        for service in self.all(("", "Service")):
            if selector := texts(service.spec, "selector"):
                found.setdefault((service.namespace, *next(iter(selector.items()))), []).append((service, selector))
        return found

    def selected(self, namespace: str, selector: Labels) -> Iterator[Workload]:
        """The workloads and pods of a namespace that a selector selects, which must not be empty."""
        for workload in self._by_label.get((namespace, *next(iter(selector.items()))), ()):
            if selector.items() <= workload.labels.items():
                yield workload

    def selected_anywhere(self, selector: Labels) -> Iterator[Workload]:
        """The workloads and pods of all namespaces that a selector selects, which must not be empty."""
        for namespace in dict.fromkeys(namespace for namespace, _, _ in self._by_label):
            yield from self.selected(namespace, selector)

    @cached_property
    def _by_label(self) -> Mapping[_Label, Sequence[Workload]]:
        found: dict[_Label, list[Workload]] = {}
        made = (pod for pod in self.pods if is_owned(pod.resource.raw))
        for workload in (*self.workloads, *made):
            for label in workload.labels.items():
                found.setdefault((workload.resource.namespace, *label), []).append(workload)
        return found

    def in_mesh(self, workload: Workload) -> bool:
        """Whether its pods have, or will be given, a sidecar; what comes first decides.

        Source: Istio's analyzers: the proxy's container, the inject label, the annotation, the namespace's label.
        """
        if (stated := workload.stated_to_be_in_mesh()) is not None:
            return stated
        switch = self.namespace_labels(workload.resource.namespace).get(NAMESPACE_INJECTION)
        return switch == "enabled" or (switch is None and self.inject_by_default)

    @cached_property
    def mesh_config(self) -> Mapping[str, Any]:
        """MeshConfig in JSON shape: what is known besides the objects, else the text in the ConfigMap."""
        return self.around.mesh or next((raw for _, raw in self._settings("mesh")), {})

    @cached_property
    def mesh_networks(self) -> Sequence[Resource]:
        """MeshNetworks: objects of that kind, else the text in the ConfigMap."""
        ref = ObjectRef(*MESH_NETWORKS, self.around.istio_namespace, MESH_NETWORKS[1].lower())
        written = (Resource(ref=ref, raw=raw, origin=place) for place, raw in self._settings("meshNetworks"))
        return self.all(MESH_NETWORKS) or list(written)

    def _settings(self, key: str) -> Iterator[tuple[Origin | None, Mapping[str, Any]]]:
        """What the mesh's ConfigMap has under a key, and where; nothing that cannot be read."""
        config_map = self.get(("", "ConfigMap"), self.around.istio_namespace, "istio")
        documents = parse(texts(config_map.raw, "data").get(key, "")) if config_map else ()
        if config_map is not None and not isinstance(documents, Malformed):
            yield from ((config_map.place(("data", key)), document.raw) for document in documents)

    @cached_property
    def inject_by_default(self) -> bool:
        stated = at(self._injector_values.get("", {}), "sidecarInjectorWebhook", "enableNamespacesByDefault")
        return stated if isinstance(stated, bool) else self.around.inject_by_default

    def injector_values(self, revision: str) -> Values | None:
        """The Helm values of a revision's injector (`""` is the default one); None where they are not to be had."""
        found = self._injector_values.get("" if revision == "default" else revision)
        try:
            return None if found is None else Values.of(found)
        except msgspec.ValidationError:
            return None

    @cached_property
    def _injector_values(self) -> Mapping[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        for config_map in self.all(("", "ConfigMap")):
            if config_map.namespace == self.around.istio_namespace and config_map.name.startswith(INJECTOR):
                try:
                    values = msgspec.json.decode(texts(config_map.raw, "data").get("values", ""))
                except msgspec.DecodeError:
                    continue
                if isinstance(values, Mapping):
                    found[config_map.name.removeprefix(INJECTOR).removeprefix("-")] = values
        return found


def _is_of_kubernetes(ref: ObjectRef) -> bool:
    name = ref.name if (ref.group, ref.kind) == ("", "Namespace") else ref.namespace
    return name in SYSTEM_NAMESPACES
