"""The parts of the proxy container that templates share."""

from typing import Any

from lateen.inject.facts import Facts
from lateen.inject.images import proxy_image
from lateen.inject.merge import without_nulls
from lateen.inject.pods import PROXY, JsonMap
from lateen.inject.templates.environment import Role, environment
from lateen.inject.templates.storage import mounts

_REQUESTS = {"cpu": "sidecar.istio.io/proxyCPU", "memory": "sidecar.istio.io/proxyMemory"}
_LIMITS = {"cpu": "sidecar.istio.io/proxyCPULimit", "memory": "sidecar.istio.io/proxyMemoryLimit"}
_READINESS = "readiness.status.sidecar.istio.io/"
_HEALTH_PORT = 15021


def proxy(facts: Facts, role: Role) -> JsonMap:
    """The container as the templates have it; each adds its own fields."""
    container: JsonMap = {
        "name": PROXY,
        "image": proxy_image(facts.values, facts.config, facts.annotations),
        "ports": [{"containerPort": 15090, "protocol": "TCP", "name": "http-envoy-prom"}],
        "args": arguments(facts, role),
        "env": environment(facts, role),
        "volumeMounts": mounts(facts, role),
    }
    if facts.values.image_pull_policy:
        container["imagePullPolicy"] = facts.values.image_pull_policy
    return container


def arguments(facts: Facts, role: Role) -> list[str]:
    """The agent's command line."""
    values, annotations = facts.values, facts.annotations
    level = annotations.get("sidecar.istio.io/logLevel", values.log_level)
    component_level = annotations.get("sidecar.istio.io/componentLogLevel", values.component_log_level)
    found = [
        "proxy",
        "router" if role is Role.GATEWAY else "sidecar",
        "--domain",
        f"$(POD_NAMESPACE).svc.{values.cluster_domain}",
        f"--proxyLogLevel={level}",
        f"--proxyComponentLogLevel={component_level}",
        f"--log_output_level={facts.agent_log_level}",
    ]
    if values.sts_port:
        found.append(f"--stsPort={values.sts_port}")
    if values.log_as_json:
        found.append("--log_as_json")
    if values.outlier_log_path and role is Role.SIDECAR:
        found.append(f"--outlierLogPath={values.outlier_log_path}")
    return found


def resources(facts: Facts) -> JsonMap:
    """What annotations ask for, and nothing else where there is one; else the settings' without empty entries."""
    asked = [_annotated(facts, _REQUESTS), _annotated(facts, _LIMITS)]
    if any(asked):
        return {name: found for name, found in zip(("requests", "limits"), asked, strict=True) if found}
    default: JsonMap = without_nulls(dict(facts.values.resources))
    return default


def readiness(facts: Facts) -> JsonMap:
    """The probe that Envoy answers, by the settings alone."""
    values = facts.values
    delay, period = values.readiness_initial_delay_seconds, values.readiness_period_seconds
    return _probe(_HEALTH_PORT, delay, period, values.readiness_failure_threshold)


def annotated_readiness(facts: Facts, port: int = _HEALTH_PORT) -> JsonMap:
    """The probe by the pod's annotations, else by the settings."""
    values, stated = facts.values, facts.annotations.get
    return _probe(
        port,
        int(stated(_READINESS + "initialDelaySeconds", values.readiness_initial_delay_seconds)),
        int(stated(_READINESS + "periodSeconds", values.readiness_period_seconds)),
        int(stated(_READINESS + "failureThreshold", values.readiness_failure_threshold)),
    )


def startup(facts: Facts) -> JsonMap:
    """The probe that covers the time until the first configuration has arrived."""
    return _probe(_HEALTH_PORT, 0, 1, facts.values.startup_failure_threshold)


def _probe(port: int, initial_delay: int, period: int, failures: int) -> JsonMap:
    return {
        "httpGet": {"path": "/healthz/ready", "port": port},
        "initialDelaySeconds": initial_delay,
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def _annotated(facts: Facts, names: dict[str, str]) -> dict[str, Any]:
    annotations = facts.annotations
    return {resource: annotations[name] for resource, name in names.items() if name in annotations}
