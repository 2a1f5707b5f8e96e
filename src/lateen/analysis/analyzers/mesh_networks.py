"""MeshNetworks: the registries that its networks name."""

from collections.abc import Iterator
from typing import Final

from lateen.analysis.analyzer import Message
from lateen.analysis.catalogue import MessageType
from lateen.analysis.resources import each, mapping
from lateen.analysis.view import View

_REGISTRIES: Final = ("Mock", "Kubernetes", "External")


def registries(view: View) -> Iterator[Message]:
    """Source: Istio's `meshnetworks.MeshNetworksAnalyzer`."""
    known = set(_REGISTRIES)
    for secret in view.all(("", "Secret")):
        if secret.labels.get("istio/multiCluster") == "true":
            known |= {*mapping(secret.raw, "data"), *mapping(secret.raw, "stringData")}
    for networks in view.mesh_networks:
        for name, network in mapping(networks.raw, "networks").items():
            for inner, endpoint in each(network, "endpoints"):
                registry = endpoint.get("fromRegistry")
                if registry and registry not in known:
                    text = (
                        f"network {name} has endpoints of the registry {registry}, which is unknown, so it has none of "
                        f"them; name {', '.join(_REGISTRIES)} or a cluster that has a multi-cluster secret"
                    )
                    path = ("networks", name, *inner, "fromRegistry")
                    yield Message(MessageType.UnknownMeshNetworksServiceRegistry, networks, path, text)
