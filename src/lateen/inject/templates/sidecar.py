"""The template `sidecar`: an init container that programs interception, and the proxy beside the application."""

from lateen.inject.facts import REROUTED_INTERFACES, TPROXY_ID, TRAFFIC, Facts
from lateen.inject.images import init_image
from lateen.inject.pods import INIT, VALIDATION, JsonMap
from lateen.inject.templates.environment import Role, proxy_metadata
from lateen.inject.templates.metadata import (
    CANONICAL_NAME,
    CANONICAL_REVISION,
    annotations,
    canonical_name,
    canonical_revision,
    secrets,
    shortened,
)
from lateen.inject.templates.multus import networks
from lateen.inject.templates.proxy import annotated_readiness, proxy, resources, startup
from lateen.inject.templates.storage import volumes


def sidecar(facts: Facts) -> JsonMap:
    """The partial pod."""
    intercepting = [_init_container(facts)] if facts.mode != "NONE" else []
    own = _proxy(facts)
    places = {"initContainers": [*intercepting, own]} if facts.native else _classic(intercepting, own)
    return {
        "metadata": {"labels": _labels(facts), "annotations": _annotations(facts)},
        "spec": {**places, "volumes": volumes(facts, Role.SIDECAR), **secrets(facts)},
    }


def _classic(intercepting: list[JsonMap], own: JsonMap) -> JsonMap:
    return {"initContainers": intercepting, "containers": [own]} if intercepting else {"containers": [own]}


def interception_arguments(facts: Facts) -> list[str]:
    """The command line of istio-iptables."""
    values, mesh = facts.values, facts.settings.mesh
    excluded = facts.exclude_inbound_ports
    found = ["istio-iptables", "-p", str(mesh.proxy_listen_port), "-z", str(mesh.proxy_inbound_listen_port)]
    found += ["-u", str(TPROXY_ID if facts.transparent else facts.settings.proxy_uid), "-m", facts.mode]
    found += ["-i", facts.include_ip_ranges, "-x", facts.exclude_ip_ranges, "-b", facts.include_inbound_ports]
    found += ["-d", f"15090,15021,{excluded}" if excluded else "15090,15021"]
    for flag, value in (
        ("-q", facts.include_outbound_ports),
        ("-o", facts.exclude_outbound_ports),
        ("-k", facts.virtual_interfaces),
        ("-c", facts.exclude_interfaces),
    ):
        if value is not None:
            found += [flag, value]
    found.append(f"--log_output_level={facts.agent_log_level}")
    if values.log_as_json:
        found.append("--log_as_json")
    if values.cni_enabled:
        found += ["--run-validation", "--skip-rule-apply"]
    elif values.force_apply_iptables:
        found.append("--force-apply")
    if values.native_nftables:
        found.append("--native-nftables")
    return found


def _init_container(facts: Facts) -> JsonMap:
    values = facts.values
    container: JsonMap = {
        "name": VALIDATION if values.cni_enabled else INIT,
        "image": init_image(values, facts.annotations),
        "args": interception_arguments(facts),
        "resources": resources(facts),
        "securityContext": _init_security(facts),
    }
    if values.image_pull_policy:
        container["imagePullPolicy"] = values.image_pull_policy
    if env := proxy_metadata(facts):
        container["env"] = env
    return container


def _init_security(facts: Facts) -> JsonMap:
    values, settings = facts.values, facts.settings
    capabilities: JsonMap = {"drop": ["ALL"]}
    security: JsonMap = {
        "allowPrivilegeEscalation": values.privileged,
        "privileged": values.privileged,
        "capabilities": capabilities,
    }
    if values.cni_enabled:
        user, group = (TPROXY_ID, TPROXY_ID) if facts.transparent else (settings.proxy_uid, settings.proxy_gid)
        security |= {"readOnlyRootFilesystem": True, "runAsGroup": group, "runAsUser": user, "runAsNonRoot": True}
    else:
        capabilities["add"] = ["NET_ADMIN", "NET_RAW"]
        security |= {"readOnlyRootFilesystem": False, "runAsGroup": 0, "runAsNonRoot": False, "runAsUser": 0}
    if values.seccomp_profile:
        security["seccompProfile"] = dict(values.seccomp_profile)
    return security


def _proxy(facts: Facts) -> JsonMap:
    container = proxy(facts, Role.SIDECAR)
    if facts.native:
        container["restartPolicy"] = "Always"
    if lifecycle := _lifecycle(facts):
        container["lifecycle"] = lifecycle
    if facts.status_port != "0":
        if facts.values.startup_probe:
            container["startupProbe"] = startup(facts)
        container["readinessProbe"] = annotated_readiness(facts)
    container["securityContext"] = _security(facts)
    container["resources"] = resources(facts)
    return container


def _lifecycle(facts: Facts) -> JsonMap:
    if facts.values.lifecycle:
        return dict(facts.values.lifecycle)
    if facts.native:
        drain = ["pilot-agent", "request", f"--debug-port={facts.status_port.rstrip()}", "POST", "drain"]
        return {"preStop": {"exec": {"command": drain}}}
    if facts.holds_application:
        return {"postStart": {"exec": {"command": ["pilot-agent", "wait"]}}}
    return {}


def _security(facts: Facts) -> JsonMap:
    values, settings = facts.values, facts.settings
    privileged, added = values.privileged, list[str]()
    root, user, group = False, settings.proxy_uid, settings.proxy_gid
    if facts.config.metadata.get("IPTABLES_TRACE_LOGGING") == "true":
        privileged, added, root, user = True, ["NET_ADMIN"], True, 0
    elif facts.transparent or facts.binds_low_ports:
        added = ["NET_ADMIN"] if facts.transparent else []
        added += ["NET_BIND_SERVICE"] if facts.binds_low_ports else []
        root, user, group = True, 0, TPROXY_ID
    capabilities: JsonMap = {"add": added, "drop": ["ALL"]} if added else {"drop": ["ALL"]}
    security: JsonMap = {
        "allowPrivilegeEscalation": privileged,
        "capabilities": capabilities,
        "privileged": privileged,
        "readOnlyRootFilesystem": True,
        "runAsGroup": group,
        "runAsNonRoot": not root,
        "runAsUser": user,
    }
    if values.seccomp_profile:
        security["seccompProfile"] = dict(values.seccomp_profile)
    return security


def _labels(facts: Facts) -> dict[str, str]:
    found = {"security.istio.io/tlsMode": facts.labels.get("security.istio.io/tlsMode") or "istio"}
    if facts.config.metadata.get("ISTIO_META_ENABLE_HBONE") == "true":
        found["networking.istio.io/tunnel"] = facts.labels.get("networking.istio.io/tunnel") or "http"
    found[CANONICAL_NAME] = shortened(canonical_name(facts))
    found[CANONICAL_REVISION] = canonical_revision(facts)
    return found


def _annotations(facts: Facts) -> dict[str, str]:
    found = annotations(facts)
    if not facts.values.cni_enabled:
        return found
    if facts.values.cni_provider == "multus":
        found["k8s.v1.cni.cncf.io/networks"] = networks(facts.annotations.get("k8s.v1.cni.cncf.io/networks", ""))
    found["sidecar.istio.io/interceptionMode"] = facts.mode
    found[TRAFFIC + "includeInboundPorts"] = facts.include_inbound_ports
    found[TRAFFIC + "excludeInboundPorts"] = facts.exclude_inbound_ports
    optional = {
        "includeOutboundIPRanges": facts.include_ip_ranges or None,
        "excludeOutboundIPRanges": facts.exclude_ip_ranges or None,
        "includeOutboundPorts": facts.include_outbound_ports,
        "excludeOutboundPorts": facts.exclude_outbound_ports,
        "kubevirtInterfaces": facts.annotations.get(TRAFFIC + "kubevirtInterfaces") or None,
        "excludeInterfaces": facts.exclude_interfaces or None,
    }
    found |= {TRAFFIC + name: value for name, value in optional.items() if value is not None}
    if rerouted := facts.annotations.get(REROUTED_INTERFACES):
        found[REROUTED_INTERFACES] = rerouted
    return found
