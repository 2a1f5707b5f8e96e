"""Checks on the annotations that injection reads; one table, all problems of a pod reported together."""

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address

from lateen.common.labels import Labels
from lateen.inject.errors import InjectionError
from lateen.inject.proxy_config import parse_annotation
from lateen.inject.quantities import is_quantity

TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))

_INTERFACE = re.compile(r"[a-zA-Z][a-zA-Z0-9_.\-]{0,14}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check(annotations: Labels) -> None:
    """Raises `InjectionError` that names every annotation with an invalid value."""
    problems = [
        f"invalid value '{annotations[name]}' for annotation '{name}': {problem}"
        for name in _CHECKS
        if name in annotations and (problem := problem_with(name, annotations[name]))
    ]
    if problems:
        raise InjectionError("; ".join(problems))


def problem_with(name: str, value: str) -> str:
    """What is wrong with the value of an annotation; empty where nothing is, and for one that injection never reads."""
    return _CHECKS[name](value) if name in _CHECKS else ""


def _mode(text: str) -> str:
    return "" if text in ("REDIRECT", "TPROXY", "NONE") else "interceptionMode invalid: use REDIRECT, TPROXY or NONE"


def _status_port(text: str) -> str:
    return "" if _is_port(text) else "excludeInboundPorts invalid: the status port is a number from 0 to 65535"


def _uint32(text: str) -> str:
    valid = text.isascii() and text.isdigit() and int(text) < 2**32
    return "" if valid else "expected a number of seconds or failures from 0 to 4294967295"


def _ranges(what: str, wildcard: bool) -> Callable[[str], str]:
    def problem(text: str) -> str:
        if text == "" or (text == "*" and wildcard):
            return ""
        wrong = [item for item in text.split(",") if not _is_range(item)]
        return f"{what} invalid: {', '.join(map(repr, wrong))} is not a range such as 10.0.0.0/8" if wrong else ""

    return problem


def _ports(what: str, wildcard: bool) -> Callable[[str], str]:
    def problem(text: str) -> str:
        if text == "" or (text == "*" and wildcard):
            return ""
        wrong = [item for item in text.split(",") if not _is_port(item)]
        return f"{what} invalid: {', '.join(map(repr, wrong))} is not a port from 0 to 65535" if wrong else ""

    return problem


def _interfaces(text: str) -> str:
    wrong = [item for item in text.split(",") if text and not _INTERFACE.fullmatch(item.strip())]
    names = ", ".join(map(repr, wrong))
    return (
        f"{names} is not an interface name: 1 to 15 letters, digits, '_', '.' or '-', a letter first" if wrong else ""
    )


def _boolean(text: str) -> str:
    return "" if text in TRUE | FALSE else "expected true or false"


def _quantity(text: str) -> str:
    valid = is_quantity(text) and not _CONTROL.search(text)
    return "" if valid else "expected a Kubernetes quantity such as 100m or 128Mi"


def _proxy_config(text: str) -> str:
    try:
        parse_annotation(text)
    except InjectionError as error:
        return str(error)
    return ""


def _is_port(text: str) -> bool:
    number = text.strip()
    return number.isascii() and number.isdigit() and int(number) <= 65535


def _is_range(text: str) -> bool:
    address, slash, bits = text.partition("/")
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    strict = bits.isascii() and bits.isdigit() and str(int(bits)) == bits and "%" not in address
    return bool(slash) and strict and int(bits) <= parsed.max_prefixlen


_CHECKS: Mapping[str, Callable[[str], str]] = {
    "sidecar.istio.io/interceptionMode": _mode,
    "status.sidecar.istio.io/port": _status_port,
    "readiness.status.sidecar.istio.io/initialDelaySeconds": _uint32,
    "readiness.status.sidecar.istio.io/periodSeconds": _uint32,
    "readiness.status.sidecar.istio.io/failureThreshold": _uint32,
    "traffic.sidecar.istio.io/includeOutboundIPRanges": _ranges("includeIPRanges", wildcard=True),
    "traffic.sidecar.istio.io/excludeOutboundIPRanges": _ranges("excludeIPRanges", wildcard=False),
    "traffic.sidecar.istio.io/includeInboundPorts": _ports("includeInboundPorts", wildcard=True),
    "traffic.sidecar.istio.io/excludeInboundPorts": _ports("excludeInboundPorts", wildcard=False),
    "traffic.sidecar.istio.io/excludeOutboundPorts": _ports("excludeOutboundPorts", wildcard=False),
    "traffic.sidecar.istio.io/excludeInterfaces": _interfaces,
    "traffic.sidecar.istio.io/kubevirtInterfaces": _interfaces,
    "istio.io/reroute-virtual-interfaces": _interfaces,
    "prometheus.istio.io/merge-metrics": _boolean,
    "proxy.istio.io/config": _proxy_config,
    "sidecar.istio.io/proxyCPU": _quantity,
    "sidecar.istio.io/proxyCPULimit": _quantity,
    "sidecar.istio.io/proxyMemory": _quantity,
    "sidecar.istio.io/proxyMemoryLimit": _quantity,
}
