"""The template `gateway`: a pod that is nothing but a proxy, at the edge of the mesh."""

from lateen.inject.facts import Facts
from lateen.inject.pods import JsonMap
from lateen.inject.templates.environment import Role
from lateen.inject.templates.metadata import (
    CANONICAL_NAME,
    CANONICAL_REVISION,
    annotations,
    canonical_name,
    canonical_revision,
)
from lateen.inject.templates.proxy import proxy, readiness
from lateen.inject.templates.storage import volumes


def gateway(facts: Facts) -> JsonMap:
    """The partial pod."""
    values, settings = facts.values, facts.settings
    container = proxy(facts, Role.GATEWAY)
    if values.lifecycle:
        container["lifecycle"] = dict(values.lifecycle)
    container["readinessProbe"] = readiness(
        values.readiness_initial_delay_seconds, values.readiness_period_seconds, values.readiness_failure_threshold
    )
    container["securityContext"] = {"runAsUser": settings.proxy_uid, "runAsGroup": settings.proxy_gid}
    # Lets the proxy listen on ports such as 80 without a capability.
    low_ports = {"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]}
    pod: JsonMap = {
        "metadata": {
            "labels": {CANONICAL_NAME: canonical_name(facts), CANONICAL_REVISION: canonical_revision(facts)},
            "annotations": annotations(facts),
        },
        "spec": {
            "securityContext": dict(values.gateway_security_context) or low_ports,
            "containers": [container],
            "volumes": volumes(facts, Role.GATEWAY),
        },
    }
    if secrets := values.image_pull_secrets:
        pod["spec"]["imagePullSecrets"] = [{"name": name} for name in secrets]
    return pod
