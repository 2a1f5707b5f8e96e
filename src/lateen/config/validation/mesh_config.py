"""MeshConfig: the rules its types cannot say."""

import json
from collections.abc import Iterator
from typing import Any

from lateen.config.kinds.mesh_config import AccessLogEncoding, MeshConfigSpec
from lateen.config.problems import Path, Problem
from lateen.config.validation import names
from lateen.config.validation.destination_rule import locality, tcp_keepalive
from lateen.config.validation.http_route import at_least_a_millisecond, http_retry
from lateen.config.validation.substitution import not_a_format

_FORMAT: Path = ("accessLogFormat",)
_MAX_DEPTH = 32


def mesh_config(spec: MeshConfigSpec) -> Iterator[Problem]:
    yield from at_least_a_millisecond(("connectTimeout",), spec.connect_timeout)
    if spec.tcp_keepalive:
        yield from tcp_keepalive(("tcpKeepalive",), spec.tcp_keepalive)
    yield from http_retry(("defaultHttpRetryPolicy",), spec.default_http_retry_policy)
    yield from http_retry(("defaultInboundHttpRetryPolicy",), spec.default_inbound_http_retry_policy)
    yield from locality(("localityLbSetting",), spec.locality_lb_setting)
    yield from _access_log_format(spec)
    for field, port in (
        ("proxyListenPort", spec.proxy_listen_port),
        ("proxyInboundListenPort", spec.proxy_inbound_listen_port),
    ):
        yield from names.check((field,), names.not_a_port(port))
    yield from names.check(("trustDomain",), names.not_a_host(spec.trust_domain, wildcard=False))
    yield from names.check(("rootNamespace",), names.not_a_label(spec.root_namespace))
    for field, values in (
        ("defaultServiceExportTo", spec.default_service_export_to),
        ("defaultVirtualServiceExportTo", spec.default_virtual_service_export_to),
        ("defaultDestinationRuleExportTo", spec.default_destination_rule_export_to),
    ):
        yield from names.export_to((field,), values)
    proxy = spec.default_config
    for field, port in (("proxyAdminPort", proxy.proxy_admin_port), ("statusPort", proxy.status_port)):
        yield from names.check(("defaultConfig", field), names.not_a_port(port))


def _access_log_format(spec: MeshConfigSpec) -> Iterator[Problem]:
    if spec.access_log_encoding is AccessLogEncoding.TEXT:
        yield from names.check(_FORMAT, not_a_format(spec.access_log_format))
    elif spec.access_log_format:
        yield from names.check(_FORMAT, _not_a_json_format(spec.access_log_format))


def _not_a_json_format(text: str) -> str | None:
    """An object whose texts are formats, at any depth; paths in the message are those of the object."""
    try:
        fields = json.loads(text, parse_constant=_no_number, object_pairs_hook=_without_repetition)
    except RecursionError:
        return f"is nested more than {_MAX_DEPTH} deep"
    except ValueError as error:
        return f'is not JSON, as accessLogEncoding JSON wants it, such as {{"path": "%REQ(:PATH)%"}}: {error}'
    if not isinstance(fields, dict):
        return 'must be an object of JSON, such as {"path": "%REQ(:PATH)%"}'
    return next(_wrong_fields(fields, "", 1), None)


def _no_number(constant: str) -> Any:
    raise ValueError(f"{constant} is not a number of JSON")


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key is there twice")
    return fields


def _wrong_fields(value: Any, where: str, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        yield f"is nested more than {_MAX_DEPTH} deep at `{where}`"
    elif isinstance(value, str):
        if wrong := not_a_format(value):
            yield f"at `{where}`: {wrong}" if where else wrong
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _wrong_fields(item, f"{where}.{key}" if where else key, depth + 1)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _wrong_fields(item, f"{where}[{position}]", depth + 1)
