"""The template `grpc-agent`: the agent without Envoy, for applications whose gRPC library speaks xDS itself."""

from collections.abc import Iterator

from lateen.inject import pods
from lateen.inject.errors import InjectionError
from lateen.inject.facts import Facts
from lateen.inject.pods import JsonMap
from lateen.inject.templates.environment import Role
from lateen.inject.templates.metadata import (
    CANONICAL_NAME,
    CANONICAL_REVISION,
    annotations,
    canonical_name,
    canonical_revision,
    secrets,
)
from lateen.inject.templates.proxy import annotated_readiness, proxy, resources
from lateen.inject.templates.storage import USER_MOUNT, credentials, volumes

KEEPS_PROBES = {"sidecar.istio.io/rewriteAppHTTPProbers": "false"}
"""The kubelet reaches the application directly, as nothing is intercepted."""

_AGENT_PORT = 15020


def grpc_agent(facts: Facts) -> JsonMap:
    """The partial pod."""
    return {
        "metadata": {
            "labels": {CANONICAL_NAME: canonical_name(facts), CANONICAL_REVISION: canonical_revision(facts)},
            "annotations": {**annotations(facts), **KEEPS_PROBES},
        },
        "spec": {
            "containers": [_agent(facts), *_applications(facts)],
            "volumes": volumes(facts, Role.GRPC),
            **secrets(facts),
        },
    }


def _agent(facts: Facts) -> JsonMap:
    container = proxy(facts, Role.GRPC)
    container["ports"] = [{"containerPort": _AGENT_PORT, "protocol": "TCP", "name": "mesh-metrics"}]
    wait = ["pilot-agent", "wait", f"--url=http://localhost:{_AGENT_PORT}/healthz/ready"]
    container["lifecycle"] = {"postStart": {"exec": {"command": wait}}}
    if facts.status_port != "0":
        return {**container, "readinessProbe": annotated_readiness(facts, _AGENT_PORT), "resources": resources(facts)}
    if USER_MOUNT in facts.annotations:
        raise InjectionError(f"annotation {USER_MOUNT}: template grpc-agent has no mounts while the status port is 0")
    del container["volumeMounts"]
    return container


def _applications(facts: Facts) -> Iterator[JsonMap]:
    for container in pods.application_containers(facts.pod):
        yield {
            "name": container["name"],
            "env": [
                {"name": "GRPC_XDS_EXPERIMENTAL_SECURITY_SUPPORT", "value": "true"},
                {"name": "GRPC_XDS_BOOTSTRAP", "value": "/etc/istio/proxy/grpc-bootstrap.json"},
            ],
            "volumeMounts": [
                {"mountPath": "/var/lib/istio/data", "name": "istio-data"},
                {"mountPath": "/etc/istio/proxy", "name": "istio-xds"},
                credentials(facts),
            ],
        }
