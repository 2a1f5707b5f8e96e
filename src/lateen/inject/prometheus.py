"""Merging metrics: the proxy's agent serves the application's metrics with its own, and the pod says so."""

import re
from collections.abc import Mapping

import msgspec

from lateen.common.labels import Labels
from lateen.inject.annotation_checks import FALSE, TRUE
from lateen.inject.encoding import compact_json
from lateen.inject.errors import InjectionError
from lateen.inject.pods import JsonMap

_SCRAPE, _PORT, _PATH, _TARGETS = (
    "prometheus_io_scrape",
    "prometheus_io_port",
    "prometheus_io_path",
    "prometheus_istio_io_scrape_targets",
)
_ALL = (_SCRAPE, _PORT, _PATH, _TARGETS)
_SECURE_PORT = "prometheus_istio_io_secure_port"
_MERGE = "prometheus.istio.io/merge-metrics"
_RESERVED = frozenset((15000, 15001, 15004, 15006, 15008, 15020, 15021, 15053, 15090))
VARIABLE = "ISTIO_PROMETHEUS_ANNOTATIONS"


class Merged(msgspec.Struct, frozen=True):
    """What merging changes: the pod's annotations, and the entry that tells the agent where the application's are."""

    annotations: Labels
    variable: JsonMap | None


def merged(annotations: Labels, enabled: bool, status_port: int) -> Merged | None:
    """The pod's metrics served by the agent on `status_port`; None where they are left alone.

    Raises `InjectionError` for a port that cannot be scraped.
    """
    found = _by_meaning(annotations)
    scrape, port = found.get(_SCRAPE, ""), found.get(_PORT, "")
    refused = any(_meaning(name) == _SCRAPE and value in FALSE for name, value in annotations.items())
    if refused or port == str(status_port) or not _enabled(annotations, enabled):
        return None
    targets = _targets(found.get(_TARGETS, ""))
    path = found.get(_PATH, "")
    if targets:
        port, path = targets[0]["port"], targets[0]["path"]
    for number in dict.fromkeys([*(target["port"] for target in targets), *([port] if port else [])]):
        _check_port(number, status_port)
    variable = None
    if scrape or path or port or targets:
        told: JsonMap = {"scrape": scrape, "path": path, "port": port}
        text = "{" + ",".join(f'"{key}":{compact_json("", value)}' for key, value in told.items())
        if targets:
            items = (f'{{"port":{compact_json("", t["port"])},"path":{compact_json("", t["path"])}}}' for t in targets)
            text += f',"targets":[{",".join(items)}]'
        variable = {"name": VARIABLE, "value": text + "}"}
    kept = without(annotations)
    own = {"scrape": "true", "port": str(status_port), "path": "/stats/prometheus"}
    return Merged({**kept, **{f"prometheus.io/{name}": value for name, value in own.items()}}, variable)


def without(annotations: Labels) -> dict[str, str]:
    """The annotations without those that tell where metrics are, however they are spelled."""
    return {name: value for name, value in annotations.items() if _meaning(name) not in _ALL}


def points_to(annotations: Labels, port: int) -> bool:
    """Whether the pod says that its metrics are on this port."""
    return _by_meaning(annotations).get(_PORT) == str(port)


def names_secure_port(annotations: Labels) -> bool:
    """Whether the pod says where its metrics are served with TLS."""
    return _SECURE_PORT in _by_meaning(annotations)


def _enabled(annotations: Labels, default: bool) -> bool:
    stated = annotations.get(_MERGE, "")
    return stated in TRUE if stated in TRUE | FALSE else default


def _meaning(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)


def _by_meaning(annotations: Labels) -> Mapping[str, str]:
    return {_meaning(name): value for name, value in annotations.items()}


def _targets(text: str) -> list[dict[str, str]]:
    """`8080:/metrics,9100`; a list with an entry that has no port counts as none."""
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    pairs = [entry.partition(":") for entry in entries]
    if any(not port.strip() for port, _, _ in pairs):
        return []
    return [{"port": port.strip(), "path": path.strip() or "/metrics"} for port, _, path in pairs]


def _check_port(text: str, status_port: int) -> None:
    valid = text.isascii() and text.isdigit() and 1 <= int(text) <= 65535
    if not valid:
        raise InjectionError(f"prometheus port {text!r}: expected a number from 1 to 65535")
    if int(text) == status_port or int(text) in _RESERVED:
        raise InjectionError(
            f"prometheus port {text}: this port is the proxy's own; name the application's metrics port"
        )
