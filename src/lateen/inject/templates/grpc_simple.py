"""The template `grpc-simple`: no proxy and no agent, only a file that tells gRPC where the control plane is."""

from lateen.inject import pods
from lateen.inject.facts import Facts
from lateen.inject.pods import JsonMap
from lateen.inject.templates.environment import from_field
from lateen.inject.templates.grpc_agent import KEEPS_PROBES

_VOLUME = "grpc-io-proxyless-bootstrap"
_MOUNT = {"mountPath": "/var/lib/grpc/data/", "name": _VOLUME}

_WRITE_BOOTSTRAP = """\
NODE_ID="sidecar~${INSTANCE_IP}~${POD_NAME}.${POD_NAMESPACE}~cluster.local"
SERVER_URI="dns:///istiod.${ISTIO_NAMESPACE}.svc:15010"
echo '
{
  "xds_servers": [
    {
      "server_uri": "'${SERVER_URI}'",
      "channel_creds": [{"type": "insecure"}],
      "server_features" : ["xds_v3"]
    }
  ],
  "node": {
    "id": "'${NODE_ID}'",
    "metadata": {
      "GENERATOR": "grpc"
    }
  }
}' > /var/lib/grpc/data/bootstrap.json"""


def grpc_simple(facts: Facts) -> JsonMap:
    """The partial pod."""
    return {
        "metadata": {"annotations": dict(KEEPS_PROBES)},
        "spec": {
            "initContainers": [_init_container(facts)],
            "containers": [_application(container["name"]) for container in pods.containers(facts.pod)],
            "volumes": [{"name": _VOLUME, "emptyDir": {}}],
        },
    }


def _init_container(facts: Facts) -> JsonMap:
    return {
        "name": "grpc-bootstrap-init",
        "image": "busybox:1.28",
        "volumeMounts": [_MOUNT],
        "command": ["sh", "-c", _WRITE_BOOTSTRAP],
        "env": [
            from_field("INSTANCE_IP", "status.podIP"),
            from_field("POD_NAME", "metadata.name"),
            from_field("POD_NAMESPACE", "metadata.namespace"),
            # The newline is the contract's; the shell drops it.
            {"name": "ISTIO_NAMESPACE", "value": facts.values.istio_namespace + "\n"},
        ],
    }


def _application(name: str) -> JsonMap:
    return {
        "name": name,
        "env": [
            {"name": "GRPC_XDS_BOOTSTRAP", "value": "/var/lib/grpc/data/bootstrap.json"},
            {"name": "GRPC_GO_LOG_VERBOSITY_LEVEL", "value": "99"},
            {"name": "GRPC_GO_LOG_SEVERITY_LEVEL", "value": "info"},
        ],
        "volumeMounts": [_MOUNT],
    }
