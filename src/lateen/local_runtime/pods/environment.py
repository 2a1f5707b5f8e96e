"""What a container can read of its pod and its configuration: the downward API, ConfigMaps, Secrets, environment.

Pure functions over API objects; `volumes.py` writes the same values as files.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final

import msgspec

from lateen.local_runtime.plan.workloads import Json
from lateen.local_runtime.users import ROOT, Users

Lookup = Callable[[str, str, str], Json | None]
"""A ConfigMap or Secret by kind, namespace and name; None where there is none."""


class NotConfigured(Exception):
    """A container or volume refers to something that is not there (yet); the message names it."""


class Host(msgspec.Struct, frozen=True):
    """What containers have of this machine: all of it, where they set no limit, and the users they can be."""

    cpus: int
    memory_bytes: int
    users: Users = ROOT


def container_environment(
    container: Json, pod: Json, base: Mapping[str, str], lookup: Lookup, host: Host
) -> dict[str, str]:
    """The environment of a container, in order: the image's, then `envFrom`, then `env` with `$(VAR)` expanded.

    Raises `NotConfigured` for a missing object or key that is not optional.
    """
    found = dict(base)
    for source in container.get("envFrom") or ():
        found |= _all_keys(source, pod, lookup)
    for entry in container.get("env") or ():
        if "valueFrom" in entry and entry["valueFrom"] is not None:
            value = _referenced(entry["valueFrom"], container, pod, lookup, host)
            if value is not None:
                found[entry["name"]] = value
        else:
            found[entry["name"]] = expand(str(entry.get("value") or ""), found)
    return found


_REFERENCE: Final = re.compile(r"\$(?:\$|\(([A-Za-z_.-][A-Za-z0-9_.-]*)\))")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` replaced where NAME is known, left as it is otherwise; `$$` is a literal `$`."""

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        return "$" if name is None else variables.get(name, match.group(0))

    return _REFERENCE.sub(replace, text)


def config_map_values(config_map: Json) -> dict[str, bytes]:
    """The keys of a ConfigMap and their contents."""
    values = {str(k): str(v).encode() for k, v in (config_map.get("data") or {}).items()}
    return values | {k: _decoded(v, k, config_map) for k, v in (config_map.get("binaryData") or {}).items()}


def secret_values(secret: Json) -> dict[str, bytes]:
    """The keys of a Secret and their contents; `stringData` wins over `data`."""
    values = {str(k): _decoded(v, k, secret) for k, v in (secret.get("data") or {}).items()}
    return values | {str(k): str(v).encode() for k, v in (secret.get("stringData") or {}).items()}


def field(pod: Json, path: str) -> str:
    """A `fieldRef` of the downward API as text. Raises `NotConfigured` for a path that it does not serve."""
    meta, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    match path:
        case "metadata.labels":
            return _quoted_lines(meta.get("labels") or {})
        case "metadata.annotations":
            return _quoted_lines(meta.get("annotations") or {})
    bracketed = re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path)
    if bracketed:
        return str((meta.get(bracketed[1]) or {}).get(bracketed[2], ""))
    plain: dict[str, object] = {
        "metadata.name": meta.get("name"),
        "metadata.namespace": meta.get("namespace"),
        "metadata.uid": meta.get("uid"),
        "spec.nodeName": spec.get("nodeName"),
        "spec.serviceAccountName": spec.get("serviceAccountName"),
        "status.podIP": status.get("podIP"),
        "status.podIPs": ",".join(one["ip"] for one in status.get("podIPs") or ()),
        "status.hostIP": status.get("hostIP"),
        "status.hostIPs": status.get("hostIP"),
    }
    if path not in plain:
        raise NotConfigured(f'fieldRef "{path}" is not a field of the downward API; there are {", ".join(plain)}')
    return str(plain[path] or "")


def resource_field(container: Json, resource: str, divisor: str | None, host: Host) -> str:
    """A `resourceFieldRef` as text: the limit or request, the machine's where a limit is not set, rounded up."""
    part, _, name = resource.partition(".")
    if part not in ("limits", "requests") or not name:
        raise NotConfigured(f'resourceFieldRef "{resource}" is not a resource; write limits.cpu or requests.memory')
    asked = ((container.get("resources") or {}).get(part) or {}).get(name)
    if asked is None:
        whole = {"cpu": host.cpus, "memory": host.memory_bytes}
        amount = Decimal(whole.get(name, 0)) if part == "limits" else Decimal(0)
    else:
        amount = quantity(asked)
    unit = quantity(divisor or "1") or Decimal(1)
    return str(int((amount / unit).to_integral_value(ROUND_CEILING)))


_SUFFIXES: Final = {
    **{suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    "m": Decimal("0.001"),
    "u": Decimal("0.000001"),
    "n": Decimal("0.000000001"),
    "": Decimal(1),
}

_QUANTITY: Final = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([A-Za-z]{0,2})")


def quantity(text: object) -> Decimal:
    """A Kubernetes quantity as a number: `500m` is 0.5, `1Gi` is 1073741824. Raises `NotConfigured`."""
    match = _QUANTITY.fullmatch(str(text).strip())
    if match is None or match[2] not in _SUFFIXES:
        raise NotConfigured(f'"{text}" is not a quantity; write 500m, 2 or 1Gi')
    return Decimal(match[1]) * _SUFFIXES[match[2]]


def configured(kind: str, reference: Mapping[str, Any], namespace: str, lookup: Lookup) -> dict[str, bytes] | None:
    """The values of a ConfigMap or Secret that `name` in the reference names; None for an optional one not there."""
    name = str(reference.get("name") or reference.get("secretName") or "")
    found = lookup(kind, namespace, name)
    if found is None:
        if reference.get("optional"):
            return None
        raise NotConfigured(f'{kind.lower()} "{name}" not found in namespace "{namespace}"')
    return secret_values(found) if kind == "Secret" else config_map_values(found)


def _all_keys(source: Json, pod: Json, lookup: Lookup) -> dict[str, str]:
    prefix = str(source.get("prefix") or "")
    for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
        if source.get(key):
            values = configured(kind, source[key], pod["metadata"]["namespace"], lookup) or {}
            return {prefix + name: value.decode(errors="replace") for name, value in values.items()}
    return {}


def _referenced(source: Json, container: Json, pod: Json, lookup: Lookup, host: Host) -> str | None:
    if source.get("fieldRef"):
        return field(pod, str(source["fieldRef"].get("fieldPath")))
    if source.get("resourceFieldRef"):
        reference = source["resourceFieldRef"]
        of = container_named(pod, reference.get("containerName")) or container
        return resource_field(of, str(reference.get("resource")), reference.get("divisor"), host)
    for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if source.get(key):
            return _one_key(kind, source[key], pod, lookup)
    raise NotConfigured(f"valueFrom: {', '.join(source) or 'nothing'} is not a source of a value")


def _one_key(kind: str, reference: Json, pod: Json, lookup: Lookup) -> str | None:
    values = configured(kind, reference, pod["metadata"]["namespace"], lookup)
    key = str(reference.get("key"))
    if values is not None and key in values:
        return values[key].decode(errors="replace")
    if reference.get("optional"):
        return None
    raise NotConfigured(f'{kind.lower()} "{reference.get("name")}" has no key "{key}"')


def container_named(pod: Json, name: object) -> Json | None:
    """The container or init container of that name."""
    spec = pod.get("spec") or {}
    containers = (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    return next((c for c in containers if name and c.get("name") == name), None)


def _quoted_lines(values: Mapping[str, str]) -> str:
    """`key="value"` a line, sorted by key, with the escapes Go's `%q` writes."""
    return "\n".join(f"{key}={_go_quoted(str(values[key]))}" for key in sorted(values))


_GO_ESCAPES: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\v": "\\v",
}


def _go_quoted(text: str) -> str:
    return '"' + "".join(_go_character(c) for c in text) + '"'


def _go_character(character: str) -> str:
    if character in _GO_ESCAPES:
        return _GO_ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _decoded(text: object, key: str, holder: Json) -> bytes:
    try:
        return base64.b64decode(str(text), validate=False)
    except binascii.Error as error:
        meta = holder["metadata"]
        raise NotConfigured(f'{holder.get("kind")} "{meta.get("name")}" key "{key}" is not base64') from error
