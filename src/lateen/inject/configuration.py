"""The documents that hold the injector's settings, and the Settings that they come to.

In a cluster they are ConfigMaps: `istio-sidecar-injector` has `config` (which pods, which templates) and `values`
(Helm's, as JSON), `istio` has `mesh`. The command line takes the same texts as files, or an IstioOperator.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from lateen.config.documents import Malformed, parse_whole
from lateen.config.problems import render
from lateen.config.yaml_scalars import plain
from lateen.inject.errors import InjectionError
from lateen.inject.settings import VALUE_PATHS, Settings, over

Json = Mapping[str, Any]

INJECTION_CONFIG_KEY: Final = "config"
VALUES_KEY: Final = "values"

_UNESCAPED_DOT: Final = re.compile(r"(?<!\\)\.")
_SETTABLE: Final = ("values", "meshConfig", "components")


class Documents(msgspec.Struct, frozen=True):
    """What was read. Without an injection config, values say what it would."""

    config: Json | None = None
    values: Json = {}
    mesh: Json = {}

    def settings(self) -> Settings:
        """What they say; settings of the process are left as they are. Raises `InjectionError`."""
        _object(self.values, "values", "sidecarInjectorWebhook")
        try:
            return Settings.of(self.values, _checked_mesh(self.mesh), self.config)
        except msgspec.ValidationError as error:
            raise InjectionError(_in_words(str(error))) from error


def read_injection_config(text: str) -> Json:
    """Raises `InjectionError` for a text that cannot be one; empty fields are left out."""
    found = read(text, "injection config")
    return {key: value for key, value in found.items() if value not in (None, [])}


def read(text: str, what: str) -> Json:
    """The one mapping of a text in YAML or JSON; nothing for an empty text. Raises `InjectionError`."""
    documents = parse_whole(text)
    if isinstance(documents, Malformed):
        raise InjectionError(f"{what}: line {documents.line}: {documents.message}")
    if len(documents) > 1:
        raise InjectionError(f"{what}: line {documents[1].line}: only one document is expected")
    return documents[0].raw if documents else {}


def with_operator(documents: Documents, operator: Json) -> Documents:
    """The documents with the `spec` of an IstioOperator over them. Raises `InjectionError`."""
    spec = _object(operator, "operator", "spec")
    values = _object(spec, "spec", "values")
    pilot = _object(values, "spec.values", "pilot")
    for name in ("cni", "env"):  # the chart's own, and the operator's spelling of them
        if isinstance(values.get(name), Mapping):
            pilot[name] = over(_object(pilot, "spec.values.pilot", name), values[name])
    enabled = _object(_object(spec, "spec", "components"), "spec.components", "cni").get("enabled")
    if enabled is not None:
        pilot["cni"] = over({"enabled": enabled}, _object(pilot, "spec.values.pilot", "cni"))
    return msgspec.structs.replace(
        documents,
        values=over(documents.values, {**values, "pilot": pilot} if pilot else values),
        mesh=over(documents.mesh, _object(spec, "spec", "meshConfig")),
    )


def set_flags(flags: Iterable[str]) -> Json:
    """The IstioOperator that `PATH=VALUE` flags make. Raises `InjectionError`."""
    spec: dict[str, Any] = {}
    for flag in flags:
        path, equals, text = flag.partition("=")
        keys = [key.replace("\\.", ".") for key in _UNESCAPED_DOT.split(path)]
        if not equals or len(keys) < 2 or not all(keys) or keys[0] not in _SETTABLE:
            raise InjectionError(
                f"--set {flag}: write PATH=VALUE, as in values.global.proxy.logLevel=debug, "
                "meshConfig.trustDomain=example.org or components.cni.enabled=true"
            )
        change: Any = plain(text)
        for key in reversed(keys):
            change = {key: change}
        spec = over(spec, change)
    return {"spec": spec}


def _object(document: Json, where: str, key: str) -> dict[str, Any]:
    """The object under a key, as a copy; an empty one where there is none."""
    found = document.get(key)
    if not isinstance(found, Mapping | None):
        raise InjectionError(f"{where}.{key}: expected an object, not {found!r}")
    return dict(found or {})


def _in_words(error: str) -> str:
    """The error with values by their names in Helm."""
    for field, path in VALUE_PATHS.items():
        error = re.sub(rf"\$\.{field}(?=[.\[`]|$)", f"values {path}", error)
    return error.replace("`$.", "`")


def _checked_mesh(mesh: Json) -> Json:
    if not mesh:
        return mesh
    from lateen.config.convert import convert  # a third of the time that a command takes to load
    from lateen.config.kinds.mesh_config import MeshConfigSpec
    from lateen.config.validation.mesh_config import mesh_config

    found = convert(dict(mesh), MeshConfigSpec, mesh_config)
    if isinstance(found, tuple):
        raise InjectionError("; ".join(f"mesh config: {render(problem.path)}: {problem.message}" for problem in found))
    return mesh
