"""Clients of aggregated discovery over grpcio. Requests are written as in delta; state of the world is made of them."""

import grpc
from envoy.service.discovery.v3.discovery_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
)

from lateen.xds.resource import CLUSTER
from lateen.xds.variant import DELTA, Variant

NODE = "sidecar~10.0.0.1~a.default~default.svc.cluster.local"


def open_call(channel: grpc.aio.Channel, variant: Variant) -> grpc.aio.StreamStreamCall:
    """A stream of that variant."""
    delta = variant is DELTA
    return channel.stream_stream(
        variant.path,
        request_serializer=lambda each: (each if delta else _world(each)).SerializeToString(),
        response_deserializer=(DeltaDiscoveryResponse if delta else DiscoveryResponse).FromString,
    )()


def _world(request: DeltaDiscoveryRequest) -> DiscoveryRequest:
    made = DiscoveryRequest(type_url=request.type_url, response_nonce=request.response_nonce)
    made.resource_names.extend(request.resource_names_subscribe)
    if request.HasField("node"):
        made.node.CopyFrom(request.node)
    if request.HasField("error_detail"):
        made.error_detail.CopyFrom(request.error_detail)
    return made


def request(type_url: str = CLUSTER, node: str = "", nonce: str = "", *subscribe: str) -> DeltaDiscoveryRequest:
    message = DeltaDiscoveryRequest(type_url=type_url, response_nonce=nonce, resource_names_subscribe=subscribe)
    if node:
        message.node.id = node
    return message
