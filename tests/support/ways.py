"""Workloads whose connections come to their sidecars in every way there is: namespace `ways`.

All are the echo service, with a Service `http` (80) and `tcp-raw` (9000); a third port is not declared.
"""

from typing import Any

from support.lab import PORT, SERVICE_FILE, TCP_PORT, UNDECLARED_PORT

Json = dict[str, Any]

NAMESPACE = "ways"
MODE = "sidecar.istio.io/interceptionMode"
TRAFFIC = "traffic.sidecar.istio.io/"
CONFIG = "proxy.istio.io/config"

GUEST = """
unshare --net sleep infinity & guest=$!
sleep 0.2
ip link add vm0 type veth peer name guest0 netns $guest
ip address add 192.0.2.1/24 dev vm0
ip link set vm0 up
nsenter --net=/proc/$guest/ns/net sh -c '
    ip link set lo up
    ip address add 192.0.2.2/24 dev guest0
    ip link set guest0 up
    ip route add default via 192.0.2.1'
echo $guest > /tmp/guest
wait
"""
"""A virtual machine's network: a namespace behind an interface of the pod."""


def _object(kind: str, name: str, api: str = "v1", **fields: Any) -> Json:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, **fields}


def echo(
    name: str, *beside: Json, labels: Json | None = None, families: Json | None = None, **annotations: str
) -> list[Json]:
    """A Deployment of the echo service, with more containers beside it, and its Service."""
    app = {
        "name": "app",
        "image": "python:3",
        "args": ["/srv/echo/echo_service.py", *map(str, (PORT, UNDECLARED_PORT, TCP_PORT))],
        "ports": [{"containerPort": port} for port in (PORT, TCP_PORT)],
        "volumeMounts": [{"name": "program", "mountPath": "/srv/echo"}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": PORT}, "periodSeconds": 1},
    }
    template = {
        "metadata": {"labels": {"app": name, **(labels or {})}, "annotations": annotations},
        "spec": {
            "containers": [app, *beside],
            "volumes": [{"name": "program", "configMap": {"name": "echo-program"}}],
        },
    }
    deployment = {"selector": {"matchLabels": {"app": name}}, "template": template}
    return [_object("Deployment", name, "apps/v1", spec=deployment), service(name, name, **(families or {}))]


def service(name: str, app: str, **spec: Any) -> Json:
    ports = [
        {"name": "http", "port": 80, "targetPort": PORT},
        {"name": "tcp-raw", "port": 9000, "targetPort": TCP_PORT},
    ]
    return _object("Service", name, spec={"selector": {"app": app}, "ports": ports, **spec})


def proxy_metadata(**variables: str) -> str:
    """The annotation `proxy.istio.io/config` with these."""
    lines = "".join(f'\n  {name}: "{value}"' for name, value in variables.items())
    return f"proxyMetadata:{lines}"


def asking(**variables: str) -> dict[str, str]:
    """Annotations of a pod whose DNS is captured, and counted."""
    captured = proxy_metadata(ISTIO_META_DNS_CAPTURE="true", **variables)
    return {CONFIG: captured, "sidecar.istio.io/statsInclusionPrefixes": "dns_filter"}


def manifests() -> list[Json]:
    """All objects."""
    outside = {"sidecar.istio.io/inject": "false"}
    guest = {
        "name": "guest",
        "image": "busybox",
        "command": ["sh", "-c", GUEST],
        "securityContext": {"runAsUser": 0, "capabilities": {"add": ["NET_ADMIN", "SYS_ADMIN"]}},
    }
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        _object("ConfigMap", "echo-program", data={"echo_service.py": SERVICE_FILE.read_text()}),
        *echo("echo"),
        *echo("bare", labels=outside),
        *echo("transparent", **{MODE: "TPROXY"}),
        *echo("unintercepted", **{MODE: "NONE"}),
        *echo(
            "including",
            **{
                TRAFFIC + "includeOutboundIPRanges": "198.19.0.0/16",
                TRAFFIC + "includeOutboundPorts": str(UNDECLARED_PORT),
                TRAFFIC + "includeInboundPorts": str(PORT),
            },
        ),
        *echo(
            "excluding",
            **{
                TRAFFIC + "excludeOutboundIPRanges": "198.18.0.0/16",
                TRAFFIC + "excludeOutboundPorts": "9000",
                TRAFFIC + "excludeInboundPorts": str(UNDECLARED_PORT),
            },
        ),
        *echo("unplugged", **{TRAFFIC + "excludeInterfaces": "eth0"}),
        *echo("asking", **asking()),
        *echo("never-asking", **asking(CAPTURE_ALL_DNS="true")),
        service("headless", "echo", clusterIP="None"),
        _object(
            "Service", "alias", spec={"type": "ExternalName", "externalName": f"echo.{NAMESPACE}.svc.cluster.local"}
        ),
        *echo(
            "dual", **{CONFIG: proxy_metadata(ISTIO_DUAL_STACK="true")}, families={"ipFamilyPolicy": "RequireDualStack"}
        ),
        *echo(
            "both-transparent",
            **{CONFIG: proxy_metadata(ISTIO_DUAL_STACK="true"), MODE: "TPROXY"},
            families={"ipFamilyPolicy": "PreferDualStack"},
        ),
        service("six", "dual", ipFamilies=["IPv6"]),
        service("dual-headless", "dual", clusterIP="None", ipFamilyPolicy="RequireDualStack"),
        *echo("host-of-guests", guest, **{TRAFFIC + "kubevirtInterfaces": "vm0"}),
    ]
