"""Kubernetes' kinds: the few rules that the mesh relies on. An API server checks far more."""

from collections.abc import Iterator

from lateen.config.kinds.config_map import ConfigMap
from lateen.config.kinds.endpoint_slice import EndpointSlice
from lateen.config.kinds.endpoints import Endpoints
from lateen.config.kinds.service import KubernetesService
from lateen.config.mesh import MESH_KEY, is_mesh_config, read_mesh_config
from lateen.config.problems import Problem
from lateen.config.validation import names


def kubernetes_service(found: KubernetesService) -> Iterator[Problem]:
    spec = found.spec
    if spec.type == "ExternalName" and not spec.external_name:
        yield Problem(("spec", "externalName"), "missing; a Service of type ExternalName needs it")
    if spec.cluster_ip not in ("", "None"):
        yield from names.check(("spec", "clusterIP"), names.not_an_address(spec.cluster_ip))
    for position, address in enumerate(spec.cluster_ips):
        if address != "None":
            yield from names.check(("spec", "clusterIPs", position), names.not_an_address(address))
    for position, port in enumerate(spec.ports):
        path = ("spec", "ports", position)
        yield from names.check((*path, "port"), names.not_a_port(port.port))
        if isinstance(port.target_port, int) and port.target_port:
            yield from names.check((*path, "targetPort"), names.not_a_port(port.target_port))
        if port.name:
            yield from names.check((*path, "name"), names.not_a_label(port.name))
        elif len(spec.ports) > 1:
            yield Problem((*path, "name"), "missing; a Service with several ports names each, such as `http-admin`")
    yield from names.duplicates(("spec", "ports"), [port.name for port in spec.ports], "port name", key="name")


def endpoint_slice(found: EndpointSlice) -> Iterator[Problem]:
    """Addresses of a slice of host names (`addressType: FQDN`) are not looked at: such a slice is not used."""
    for position, endpoint in enumerate(found.endpoints):
        path = ("endpoints", position, "addresses")
        if not endpoint.addresses:
            yield Problem(path, "missing; an endpoint has at least one address")
        if found.address_type != "FQDN":
            for n, address in enumerate(endpoint.addresses):
                yield from names.check((*path, n), names.not_an_address(address))
    for position, port in enumerate(found.ports):
        if port.port is not None:
            yield from names.check(("ports", position, "port"), names.not_a_port(port.port))


def endpoints(found: Endpoints) -> Iterator[Problem]:
    for position, subset in enumerate(found.subsets):
        path = ("subsets", position)
        for field, addresses in (
            ("addresses", subset.addresses),
            ("notReadyAddresses", subset.not_ready_addresses),
        ):
            for n, address in enumerate(addresses):
                yield from names.check((*path, field, n, "ip"), names.not_an_address(address.ip))
        for n, port in enumerate(subset.ports):
            yield from names.check((*path, "ports", n, "port"), names.not_a_port(port.port))


def config_map(found: ConfigMap) -> Iterator[Problem]:
    """The mesh's own ConfigMap holds a MeshConfig; all others are free text."""
    if is_mesh_config(found) and isinstance(read := read_mesh_config(found), tuple):
        yield from (Problem(("data", MESH_KEY, *p.path), p.message, p.inner_line) for p in read)
