"""What the control plane knows of its proxies, in the shape of `/debug/syncz`. Source of the shape: Istio."""

from datetime import UTC, datetime
from typing import Any

from lateen.control_plane.audiences import Subscriber
from lateen.control_plane.publisher import Publisher
from lateen.control_plane.refusals import Refusal
from lateen.xds.ads import TypeReport
from lateen.xds.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE

Json = dict[str, Any]

_FIELDS = {CLUSTER: "cluster", LISTENER: "listener", ROUTE: "route", ENDPOINT: "endpoint"}


def sync_status(publisher: Publisher) -> list[Json]:
    """One element for each connected proxy, by name: what was sent and accepted, by type. Empty fields are left out.

    Beyond Istio's shape, each resource type says whether it is `synced`, and a refusal names the objects behind it.
    """
    refusals = {(str(refusal.proxy), refusal.type_url): refusal for refusal in publisher.refusals.standing()}
    return sorted((_element(subscriber, refusals) for subscriber in publisher.subscribers()), key=_name)


def _name(element: Json) -> str:
    return str(element["proxy"])


def _element(subscriber: Subscriber, refusals: dict[tuple[str, str], Refusal]) -> Json:
    name = str(subscriber.proxy.id)
    reports = subscriber.connection.status()
    element: Json = {
        "cluster_id": _metadata(subscriber, "CLUSTER_ID") or "Kubernetes",
        "proxy": name,
        "proxy_type": str(subscriber.proxy.type),
        "istio_version": version_of(subscriber),
        "connected": time_text(subscriber.connection.opened_at),
    }
    for type_url, field in _FIELDS.items():
        if type_url in reports:
            element[f"{field}_sent"] = reports[type_url].status.nonce_sent
            element[f"{field}_acked"] = reports[type_url].status.nonce_accepted
    element["resources"] = {t: _resource(report, refusals.get((name, t))) for t, report in reports.items()}
    return {key: value for key, value in element.items() if value}


def version_of(subscriber: Subscriber) -> str:
    """The version that a proxy says it has; empty if it says nothing."""
    return _metadata(subscriber, "ISTIO_VERSION")


def _metadata(subscriber: Subscriber, name: str) -> str:
    fields = subscriber.connection.node.metadata.fields
    return fields[name].string_value if name in fields else ""


def _resource(report: TypeReport, refusal: Refusal | None) -> Json:
    status = report.status
    result: Json = {
        "sent": status.nonce_sent,
        "acked": status.nonce_accepted,
        "sentTime": time_text(report.sent_at) if report.sent_at is not None else "",
        "lastError": status.error,
        "refused": list(status.refused),
        "causes": [str(ref) for ref in refusal.causes] if refusal is not None else [],
    }
    return {"synced": status.synced} | {key: value for key, value in result.items() if value}


def time_text(unix_s: float) -> str:
    """As RFC 3339 has it."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat().replace("+00:00", "Z")
