"""Injection as the local mesh does it to every pod before it runs: the webhook's code with the local mesh's settings.

A namespace is injected unless it says no, and there are no identities yet, so no tokens either.
"""

from collections.abc import Mapping
from typing import Final, assert_never

import msgspec
import yaml

from lateen.config.objects import ObjectRef
from lateen.inject.errors import InjectionError
from lateen.inject.inject import Injected, Skipped, inject
from lateen.inject.settings import Mesh, Settings, Values
from lateen.local_runtime.controllers.workloads import InjectionFailed
from lateen.local_runtime.objects.store import ObjectStore
from lateen.local_runtime.plan.gateway import MESH_CONFIG_MAP, ROOT_NAMESPACE
from lateen.local_runtime.plan.workloads import Json

INIT_CONTAINER: Final = "istio-init"
NATIVE_NFTABLES: Final = "NATIVE_NFTABLES"

_VALUES: Final = Values(certificate_provider="")


class LocalInjector:
    """Injects pods by the mesh configuration that is in the store at that moment."""

    def __init__(self, store: ObjectStore, native_nftables: bool) -> None:
        self._store = store
        self._native_nftables = native_nftables

    def __call__(self, pod: Json, namespace_labels: Mapping[str, str]) -> Json:
        """The pod with its sidecar, or as it is. Raises `InjectionFailed`."""
        settings = for_pod(pod, self._settings())
        return injected(pod, namespace_labels, settings, native_nftables=self._native_nftables)

    def _settings(self) -> Settings:
        config_map = self._store.get(ObjectRef("", "ConfigMap", ROOT_NAMESPACE, MESH_CONFIG_MAP))
        text = "" if config_map is None else str((config_map.raw.get("data") or {}).get("mesh") or "")
        mesh = yaml.load(text, Loader=yaml.CSafeLoader) or {}
        return local_settings(mesh)


def local_settings(mesh: Mapping[str, object]) -> Settings:
    """The injector's settings for a mesh configuration in JSON shape."""
    return Settings(inject_by_default=True, values=_VALUES, mesh=Mesh.of(mesh))


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
    containers = [
        {**c, "env": [*(c.get("env") or ()), {"name": NATIVE_NFTABLES, "value": "true"}]}
        if c["name"] == INIT_CONTAINER
        else c
        for c in pod["spec"].get("initContainers") or ()
    ]
    return {**pod, "spec": {**pod["spec"], "initContainers": containers}} if containers else pod
