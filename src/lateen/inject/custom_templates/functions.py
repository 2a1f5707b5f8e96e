"""The functions that injection adds to those of Go and sprig, for the templates of users."""

import re
from typing import Any

from lateen.inject.encoding import compact_json
from lateen.inject.go_template import values
from lateen.inject.go_template.encodings import from_json, to_json
from lateen.inject.go_template.errors import Refused
from lateen.inject.go_template.functions import Functions, function
from lateen.inject.go_template.lists_and_maps import pairs
from lateen.inject.go_template.records import Record, Texts
from lateen.inject.go_template.texts import indented, strval
from lateen.inject.pods import PROXY
from lateen.inject.ports import with_port
from lateen.inject.proxy_config import ProxyConfig
from lateen.inject.telemetry_attributes import attributes
from lateen.inject.templates.multus import networks

_SECONDS = re.compile(r"(\d+)(\.\d+)?s")
_UNWRAPPED = ("concurrency", "holdApplicationUntilProxyStarts")


def _annotation(meta: Any, name: str, default: Any) -> str:
    """The annotation, also an empty one; else the default as text."""
    found = _data(meta, "ObjectMeta", "annotation").get("annotations") or {}
    return strval(found.get(name, default))


def _data(record: Any, name: str, of: str) -> dict[str, Any]:
    if not isinstance(record, Record) or record.name != name:
        raise Refused(f"{of}: expected the {name}, not {values.kind_of(record)}")
    return dict(record.data or {})


def _value_or_default(value: Any, default: Any) -> Any:
    return default if value is None or value == "" else value


def _ports(containers: list[Any], *, with_proxy: bool) -> str:
    """The TCP ports of containers, as a list with commas."""
    of_all = [_data(container, "Container", "the ports of containers") for container in containers]
    return ",".join(
        str(port.get("containerPort"))
        for container in of_all
        if with_proxy or container.get("name") != PROXY
        for port in container.get("ports") or ()
        if port.get("protocol") not in ("UDP", "SCTP")
    )


def _duration(text: Any) -> str:
    """A number of seconds as Go shows a duration: `1m30s`."""
    found = _SECONDS.fullmatch(strval(text))
    if found is None:
        return strval(text) if text else "0s"
    seconds = int(found.group(1))
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    shown = f"{rest}{(found.group(2) or '').rstrip('0').rstrip('.')}s"
    return f"{hours}h{minutes}m{shown}" if hours else f"{minutes}m{shown}" if minutes else shown


def _struct_to_json(value: Any) -> str:
    """Kubernetes' way, fields in the order of the type."""
    if values.is_nil(value):
        return "{}"
    order = {"ContainerPort": "ports", "EnvVar": "env", "Container": "container", "Probe": "probe"}
    return compact_json(order.get(value.name, "") if isinstance(value, Record) else "", values.plain(value))


def _proto_to_json(value: Any) -> str:
    """A ProxyConfig without the fields that are as built in; any other message as it is."""
    if not isinstance(value, Record) or value.data is None:
        return "{}"
    if value.name != "ProxyConfig":
        return to_json(value)
    plain = {key: item["value"] if key in _UNWRAPPED else item for key, item in value.data.items()}
    return ProxyConfig(plain).json()


def _omit_nil(value: Any) -> Any:
    """The value without nil entries of its mappings, and without what is empty then."""
    if not isinstance(value, dict):
        return value
    kept = {key: _omit_nil(item) for key, item in value.items() if item is not None}
    return {key: item for key, item in kept.items() if item != {} or value[key] == {}}


def _merge_maps(*mappings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for mapping in mappings for key, value in mapping.items()}


def _from_json(text: str) -> Any:
    found = from_json(text)
    return "{}" if found is None and text.strip() != "null" else found


def _attributes(meta: Any, owner: Any, containers: list[Any]) -> str:
    of_pod = _data(meta, "ObjectMeta", "otelResourceAttributes")
    namespace = _data(owner, "DeploymentMeta", "otelResourceAttributes").get("namespace") or ""
    plain = [_data(container, "Container", "otelResourceAttributes") for container in containers]
    return attributes(of_pod.get("annotations") or {}, of_pod.get("labels") or {}, plain, namespace)


FUNCTIONS: Functions = {
    "annotation": function("any text any", _annotation),
    "isset": function("map text", lambda mapping, key: key in mapping),
    "valueOrDefault": function("any any", _value_or_default),
    "excludeInboundPort": function("any text", lambda port, listed: with_port(listed, strval(port))),
    "includeInboundPorts": function("list", lambda containers: _ports(containers, with_proxy=True)),
    "applicationPorts": function("list", lambda containers: _ports(containers, with_proxy=False)),
    "kubevirtInterfaces": function("text", lambda text: text),
    "formatDuration": function("any", _duration),
    "indent": function("int text", lambda spaces, text: indented(spaces, text, first=False)),
    "toJSON": function("any", lambda value: "{}" if value is None else to_json(value)),
    "fromJSON": function("text", _from_json),
    "structToJSON": function("any", _struct_to_json),
    "protoToJSON": function("any", _proto_to_json),
    "directory": function("text", lambda path: path[: path.rfind("/") + 1]),
    "toLower": function("text", str.lower),
    "appendMultusNetwork": function("text text", networks),
    # A template sees settings, not the environment of the process that renders it.
    "env": function("text text", lambda _, default: default),
    "omitNil": function("any", _omit_nil),
    "strdict": function(
        "any...", lambda *operands: Texts((key, strval(item)) for key, item in pairs("strdict", operands))
    ),
    "toJsonMap": function("map...", lambda *mappings: to_json(_merge_maps(*mappings))),
    "mergeMaps": function("map...", _merge_maps),
    "otelResourceAttributes": function("any any list", _attributes),
}
