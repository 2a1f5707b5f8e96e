"""The environment of the proxy container, in the order in which the contract lists it."""

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from lateen.inject import pods
from lateen.inject.encoding import compact_json
from lateen.inject.errors import InjectionError
from lateen.inject.facts import INTERCEPTION_MODE, Facts
from lateen.inject.pods import JsonMap
from lateen.inject.telemetry_attributes import attributes

BOOTSTRAP_OVERRIDE = "sidecar.istio.io/bootstrapOverride"


class Role(StrEnum):
    """Which template the proxy is for."""

    SIDECAR = "sidecar"
    GATEWAY = "gateway"
    GRPC = "grpc-agent"


def environment(facts: Facts, role: Role) -> list[JsonMap]:
    """Every entry of the proxy's environment."""
    return [*_identity(facts, role), *_workload(facts, role), *_mesh(facts, role)]


def proxy_metadata(facts: Facts) -> list[JsonMap]:
    """The entries that `proxyMetadata` asks for, sorted by name."""
    return [_text(name, value) for name, value in facts.config.metadata.items()]


def _identity(facts: Facts, role: Role) -> Iterator[JsonMap]:
    values = facts.values
    if role is Role.GRPC:
        yield _text("ISTIO_META_GENERATOR", "grpc")
        yield _text("OUTPUT_CERTS", "/var/lib/istio/data")
    if facts.settings.mesh.inbound_to_localhost and role is not Role.GATEWAY:
        yield _text("REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION", "true")
    if values.certificate_provider:
        revision = f"-{values.revision}" if values.revision else ""
        yield _text("PILOT_CERT_PROVIDER", values.certificate_provider)
        yield _text("CA_ADDR", values.ca_address or f"istiod{revision}.{values.istio_namespace}.svc:15012")
    yield from_field("POD_NAME", "metadata.name")
    yield from_field("POD_NAMESPACE", "metadata.namespace")
    yield from_field("INSTANCE_IP", "status.podIP")
    yield from_field("SERVICE_ACCOUNT", "spec.serviceAccountName")
    yield from_field("HOST_IP", "status.hostIP")


def _workload(facts: Facts, role: Role) -> Iterator[JsonMap]:
    names = ",".join(container["name"] for container in pods.application_containers(facts.pod))
    if role is not Role.GRPC:
        yield _limit("ISTIO_CPU_LIMIT", "limits.cpu")
    yield _text("PROXY_CONFIG", facts.config.json() + "\n")
    yield _text("ISTIO_META_POD_PORTS", _ports(facts))
    if role is not Role.GATEWAY:
        yield _text("ISTIO_META_APP_CONTAINERS", names)
    if role is Role.GRPC:
        return
    yield _limit("GOMEMLIMIT", "limits.memory")
    if facts.settings.compliance_policy:
        yield _text("COMPLIANCE_POLICY", facts.settings.compliance_policy)
        if facts.settings.compliance_policy == "fips-140-3":
            yield _text("GODEBUG", "fips140=only")
    if role is Role.GATEWAY:
        yield _text("ISTIO_META_APP_CONTAINERS", names)


def _mesh(facts: Facts, role: Role) -> Iterator[JsonMap]:
    values, mesh, owner = facts.values, facts.settings.mesh, facts.owner
    sidecar = role is Role.SIDECAR
    annotated_mode = facts.annotations.get(INTERCEPTION_MODE, "") if sidecar else ""
    labelled_name = facts.labels.get("service.istio.io/workload-name", "") if sidecar else ""
    trust_domain = mesh.trust_domain or values.trust_domain
    yield _text("ISTIO_META_CLUSTER_ID", values.cluster_name or "Kubernetes")
    yield from_field("ISTIO_META_NODE_NAME", "spec.nodeName")
    if role is not Role.GRPC:
        yield _text("ISTIO_META_INTERCEPTION_MODE", annotated_mode or facts.config.interception_mode)
    if values.network:
        yield _text("ISTIO_META_NETWORK", values.network)
    if name := labelled_name or owner.name:
        yield _text("ISTIO_META_WORKLOAD_NAME", name)
    if owner.path:
        yield _text("ISTIO_META_OWNER", owner.path)
    if BOOTSTRAP_OVERRIDE in facts.annotations and role is not Role.GRPC:
        yield _text("ISTIO_BOOTSTRAP_OVERRIDE", "/etc/istio/custom-bootstrap/custom_bootstrap.json")
    if mesh_id := values.mesh_id or trust_domain:
        yield _text("ISTIO_META_MESH_ID", mesh_id)
    if trust_domain:
        yield _text("TRUST_DOMAIN", trust_domain)
    if sidecar and values.tracer == "datadog":
        for name, value in sorted(_json_annotation(facts, "apm.datadoghq.com/env").items()):
            yield _text(name, value if isinstance(value, str) else compact_json("", value))
    if sidecar and mesh.otel_semantic_conventions:
        found = attributes(facts.annotations, facts.labels, pods.containers(facts.pod), owner.namespace)
        yield _text("OTEL_RESOURCE_ATTRIBUTES", found)
    yield from proxy_metadata(facts)
    if role is Role.GRPC:
        yield _text("ISTIO_META_DNS_CAPTURE", "false")
        yield _text("DISABLE_ENVOY", "true")


def _ports(facts: Facts) -> str:
    ports = [port for container in pods.containers(facts.pod) for port in container.get("ports") or ()]
    lines = [f"    {',' if place else ''}{compact_json('ports', port)}" for place, port in enumerate(ports)]
    return "\n".join(["[", *lines, "]"])


def _json_annotation(facts: Facts, name: str) -> JsonMap:
    return json_object(facts.annotations.get(name, "{}"), name)


def json_object(text: str, annotation: str) -> dict[str, Any]:
    """The object that an annotation holds as JSON. Raises `InjectionError` naming the annotation."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InjectionError(f"annotation {annotation}: not JSON: {error}") from error
    if not isinstance(found, dict):
        raise InjectionError(f"annotation {annotation}: expected a JSON object, not {text!r}")
    return found


def _text(name: str, value: str) -> JsonMap:
    return {"name": name, "value": value}


def from_field(name: str, path: str) -> JsonMap:
    """An entry that has the value of a field of the pod."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _limit(name: str, resource: str) -> JsonMap:
    return {"name": name, "valueFrom": {"resourceFieldRef": {"divisor": "1", "resource": resource}}}
