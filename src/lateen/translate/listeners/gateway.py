"""A gateway's listeners: one for each port that its Gateways open."""

from envoy.config.core.v3.base_pb2 import TrafficDirection
from envoy.config.listener.v3.listener_pb2 import Listener

from lateen.common.ip_families import IpFamilies
from lateen.incremental.engine import query
from lateen.model.mesh import Mesh
from lateen.translate import names
from lateen.translate.access_logs import listener_logs
from lateen.translate.listeners.connection_manager import Side, connection_manager
from lateen.translate.listeners.filter_chains import filter_chain, listen_at
from lateen.translate.messages import as_resource
from lateen.xds.resource import Resource


@query
def gateway_listener(mesh: Mesh, listen: int, bind: str, families: IpFamilies) -> Resource:
    """The listener of the plain HTTP servers of a port; an empty `bind` is every address."""
    addresses = (bind,) if bind else families.any_addresses
    name = names.listener(addresses[0], listen)
    manager = connection_manager(mesh, Side.GATEWAY, f"outbound_{name};", names.gateway_route(listen, bind))
    listener = Listener(
        name=name,
        traffic_direction=TrafficDirection.OUTBOUND,
        filter_chains=[filter_chain([manager])],
        access_log=listener_logs(mesh),
    )
    listen_at(listener, addresses, listen)
    return as_resource(name, listener)
