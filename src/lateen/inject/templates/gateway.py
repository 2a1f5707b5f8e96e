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
    secrets,
)
from lateen.inject.templates.proxy import proxy, readiness
from lateen.inject.templates.storage import volumes


def gateway(facts: Facts) -> JsonMap:
    """The partial pod."""
    values, settings = facts.values, facts.settings
    container = proxy(facts, Role.GATEWAY)
    if values.lifecycle:
        container["lifecycle"] = dict(values.lifecycle)
    container["readinessProbe"] = readiness(facts)
    container["securityContext"] = {"runAsUser": settings.proxy_uid, "runAsGroup": settings.proxy_gid}
    # Lets the proxy listen on ports such as 80 without a capability.
    low_ports = {"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]}
    return {
        "metadata": {
            "labels": {CANONICAL_NAME: canonical_name(facts), CANONICAL_REVISION: canonical_revision(facts)},
            "annotations": annotations(facts),
        },
        "spec": {
            "securityContext": dict(values.gateway_security_context) or low_ports,
            "containers": [container],
            "volumes": volumes(facts, Role.GATEWAY),
            **secrets(facts),
        },
    }
