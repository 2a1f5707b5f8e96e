"""Injection as the local mesh does it to every pod before it runs: the webhook's code with the local mesh's settings.

A namespace is injected unless it says no, and there are no identities yet, so no tokens either.
"""

from collections.abc import Callable, Mapping
from typing import Final, assert_never

import msgspec
import yaml

from lateen.common import proxy_mark
from lateen.config.objects import ObjectRef
from lateen.inject.errors import InjectionError
from lateen.inject.inject import Injected, Skipped, inject
from lateen.inject.settings import Mesh, Settings, Values
from lateen.local_runtime.controllers.workloads import InjectionFailed
from lateen.local_runtime.objects.store import ObjectStore
from lateen.local_runtime.plan.gateway import MESH_CONFIG_MAP, ROOT_NAMESPACE
from lateen.local_runtime.plan.workloads import Json
from lateen.local_runtime.pods.processes import INIT_CONTAINER, PROXY_CONTAINER

NATIVE_NFTABLES: Final = "NATIVE_NFTABLES"
_DNS_CAPTURE: Final = "ISTIO_META_DNS_CAPTURE"

VALUES: Final = Values(certificate_provider="")


class LocalInjector:
    """Injects pods by the mesh configuration that is in the store at that moment."""

    def __init__(self, store: ObjectStore, *, native_nftables: bool, marks_proxy: bool = False) -> None:
        """`native_nftables`: interception uses nft; `marks_proxy`: it knows the proxy by a mark, not by its user."""
        self._store = store
        self._native_nftables = native_nftables
        self._marks_proxy = marks_proxy

    def __call__(self, pod: Json, namespace_labels: Mapping[str, str]) -> Json:
        """The pod with its sidecar, or as it is. Raises `InjectionFailed`."""
        settings = for_pod(pod, self._settings())
        made = injected(pod, namespace_labels, settings, native_nftables=self._native_nftables)
        return with_proxy_mark(made) if self._marks_proxy else made

    def _settings(self) -> Settings:
        config_map = self._store.get(ObjectRef("", "ConfigMap", ROOT_NAMESPACE, MESH_CONFIG_MAP))
        text = "" if config_map is None else str((config_map.raw.get("data") or {}).get("mesh") or "")
        mesh = yaml.load(text, Loader=yaml.CSafeLoader) or {}
        return local_settings(mesh)


def local_settings(mesh: Mapping[str, object]) -> Settings:
    """The injector's settings for a mesh configuration in JSON shape."""
    return Settings(inject_by_default=True, values=VALUES, mesh=Mesh.of(mesh))


def for_pod(pod: Json, settings: Settings) -> Settings:
    """The settings for a pod. One that runs to its end has a native sidecar, which ends with it, unless it says no."""
    if (pod.get("spec") or {}).get("restartPolicy", "Always") == "Always":
        return settings
    return msgspec.structs.replace(settings, native_sidecars=True)


def injected(pod: Json, namespace_labels: Mapping[str, str], settings: Settings, *, native_nftables: bool) -> Json:
    """The pod as it runs. Raises `InjectionFailed` with what is wrong in its annotations."""
    try:
        outcome = inject(pod, settings, namespace_labels=namespace_labels)
    except (InjectionError, msgspec.ValidationError) as error:
        raise InjectionFailed(f"sidecar injection: {error}") from error
    match outcome:
        case Skipped():
            return pod
        case Injected(pod=changed):
            return with_native_nftables(dict(changed)) if native_nftables else dict(changed)
        case _:
            assert_never(outcome)


def with_native_nftables(pod: Json) -> Json:
    """The pod whose init container uses nft; its arguments stay the contract's."""
    return _changed(pod, lambda c: _with_variable(c, NATIVE_NFTABLES, "true") if c["name"] == INIT_CONTAINER else c)


def with_proxy_mark(pod: Json) -> Json:
    """The pod whose proxy marks what it sends, which takes a capability, and is known by that; injected by anybody.

    Its DNS is not captured: Envoy's own queries cannot be marked, and would come back to it.
    """

    def change(container: Json) -> Json:
        if container["name"] in (INIT_CONTAINER, PROXY_CONTAINER):
            container = _switched_off(container, _DNS_CAPTURE)
        if container["name"] == INIT_CONTAINER:
            return _with_variable(container, proxy_mark.VARIABLE, str(proxy_mark.MARK))
        if container["name"] == PROXY_CONTAINER:
            return _with_variable(_with_capability(container, "NET_ADMIN"), proxy_mark.VARIABLE, str(proxy_mark.MARK))
        return container

    return _changed(pod, change)


def _changed(pod: Json, change: Callable[[Json], Json]) -> Json:
    """The pod with all of its containers changed."""
    spec = {**pod["spec"]}
    for place in ("initContainers", "containers"):
        if spec.get(place):
            spec[place] = [change(container) for container in spec[place]]
    return {**pod, "spec": spec}


def _with_variable(container: Json, name: str, value: str) -> Json:
    return {**container, "env": [*(container.get("env") or ()), {"name": name, "value": value}]}


def _switched_off(container: Json, variable: str) -> Json:
    """The container for which the variable is false, should it have it: of two entries the later one counts."""
    asked = any(entry["name"] == variable for entry in container.get("env") or ())
    return _with_variable(container, variable, "false") if asked else container


def _with_capability(container: Json, name: str) -> Json:
    security: Json = container.get("securityContext") or {}
    capabilities: Json = security.get("capabilities") or {}
    added = [*(capabilities.get("add") or ()), name]
    return {**container, "securityContext": {**security, "capabilities": {**capabilities, "add": added}}}
