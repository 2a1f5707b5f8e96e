"""The cluster of a pod's own name servers, for DNS over TCP that its sidecar has captured."""

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_components_pb2 import Endpoint, LbEndpoint, LocalityLbEndpoints
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment

from lateen.incremental.engine import query
from lateen.model import mesh_config
from lateen.model.mesh import Mesh
from lateen.translate import names
from lateen.translate.listeners.dns import DNS_PORT
from lateen.translate.listeners.filter_chains import socket_address
from lateen.translate.messages import as_resource, duration
from lateen.xds.resource import Resource


@query
def name_servers_cluster(mesh: Mesh, name_servers: tuple[str, ...]) -> Resource:
    """The name servers, in turn."""
    name = names.NAME_SERVERS_CLUSTER
    endpoints = [LbEndpoint(endpoint=Endpoint(address=socket_address(server, DNS_PORT))) for server in name_servers]
    cluster = Cluster(
        name=name,
        alt_stat_name=names.alternative_stat_name(name),
        type=Cluster.STATIC,
        connect_timeout=duration(mesh_config.connect_timeout(mesh)),
        load_assignment=ClusterLoadAssignment(
            cluster_name=name, endpoints=[LocalityLbEndpoints(lb_endpoints=endpoints)]
        ),
    )
    return as_resource(name, cluster)
