"""Injection as a service of the control plane: settings that follow their ConfigMaps, an answer to each review, counts.

The ConfigMap `istio-sidecar-injector` (with `-REVISION`, if there is one) has the injection config and Helm's values,
`istio` the mesh's settings. One that is wrong is told, and what was in force stays.
"""

import logging
import time
from collections.abc import Mapping
from typing import Final

import msgspec

from lateen.config.kinds.config_map import ConfigMap
from lateen.config.kinds.mesh_config import MESH_CONFIG_REF
from lateen.config.kinds.namespace import Namespace
from lateen.config.mesh import MESH_KEY
from lateen.config.objects import ObjectRef
from lateen.config.store import ChangeSet, ConfigStore
from lateen.control_plane import settings as process
from lateen.control_plane.counts import InjectionCounts
from lateen.inject import admission
from lateen.inject.configuration import INJECTION_CONFIG_KEY, VALUES_KEY, Documents, read, read_injection_config
from lateen.inject.errors import InjectionError
from lateen.inject.native_sidecars import native_sidecars
from lateen.inject.settings import Settings

_log = logging.getLogger(__name__)

_CONFIG_MAP: Final = "istio-sidecar-injector"
_DEFAULT_REVISION: Final = "default"


class Injector:
    """Answers reviews by the settings that were last read; until then it refuses every pod."""

    def __init__(self, injection: process.Injection) -> None:
        self.counts = InjectionCounts()
        self._injection = injection
        name = _CONFIG_MAP if injection.revision == _DEFAULT_REVISION else f"{_CONFIG_MAP}-{injection.revision}"
        self._config_map = ConfigMap.ref_to(MESH_CONFIG_REF.namespace, name)
        self._mesh = ConfigMap.ref_to(MESH_CONFIG_REF.namespace, MESH_CONFIG_REF.name)
        self._settings: Settings | None = None
        self._wrong = InjectionError("the injector's settings are not known yet")
        self._namespace_annotations: dict[str, Mapping[str, str]] = {}

    def follow(self, store: ConfigStore, changes: ChangeSet) -> None:
        """Take over what a batch has changed."""
        for change in changes:
            if change.ref.kind == Namespace.KIND and not change.ref.group:
                annotations = change.new.metadata.annotations if change.new is not None else {}
                self._namespace_annotations[change.ref.name] = annotations
        if self._settings is None or any(change.ref in (self._config_map, self._mesh) for change in changes):
            self._read(store)

    def review(self, body: bytes, path: str, received: float) -> bytes:
        """The answer to a review's body, with `time.monotonic()` of its arrival. May be called from any one thread."""
        platform = admission.Platform(self._injection.openshift, lambda name: self._namespace_annotations.get(name, {}))
        try:
            found = admission.review(body, self._settings or self._wrong, path, platform)
        except Exception:  # a bug must not keep the caller waiting for an answer
            _log.exception("a pod cannot be injected because of a bug in lateen")
            found = admission.refused_for_bug(body)
        if found.outcome is admission.Outcome.FAILED:
            _log.warning("pod %s is refused: %s", found.name or "without a name", found.message)
        self.counts.answered(found.outcome, time.monotonic() - received)
        return found.body

    def _read(self, store: ConfigStore) -> None:
        try:
            self._settings = self._settings_of(_data(store, self._config_map), _data(store, self._mesh))
        except InjectionError as error:
            kept = "every injection fails" if self._settings is None else "what was in force stays"
            self._wrong = InjectionError(f"the injector's settings cannot be read: {error}")
            _log.error("%s: %s; %s", self._config_map, error, kept)

    def _settings_of(self, injector: Mapping[str, str], mesh: Mapping[str, str]) -> Settings:
        config = injector.get(INJECTION_CONFIG_KEY)
        documents = Documents(
            config=read_injection_config(config) if config else None,
            values=read(injector.get(VALUES_KEY, ""), "values"),
            mesh=read(mesh.get(MESH_KEY, ""), "mesh config"),
        )
        return msgspec.structs.replace(
            documents.settings(),
            revision=self._injection.revision,
            native_sidecars=native_sidecars(self._injection.native_sidecars),
            compliance_policy=self._injection.compliance_policy,
        )


def _data(store: ConfigStore, ref: ObjectRef) -> Mapping[str, str]:
    found = store.get(ref)
    return found.data if isinstance(found, ConfigMap) else {}
