"""One aggregated discovery stream as the control plane sees it: who is there, what to offer, what came of it.

    publisher (AdsService)  <-  opened, subscribed, answered, closed  -  AdsConnection  <-  gRPC call
    publisher               -   offer({type: Offer})  ->                 AdsConnection  ->  gRPC call

Everything happens on the event loop; the callbacks are plain functions that return at once. `offer` may be called at any
time after `opened`, also from inside a callback, and as often as one likes: a stream is level-triggered, so only the
latest offer of a type counts, and what differs from what the client holds is sent as soon as the client can take it.
A type that was never offered is not answered, so offer `EMPTY_OFFER` for a type that is asked for but not served.
"""

import time
from asyncio import TimerHandle, get_running_loop
from collections.abc import Mapping
from typing import Final, Protocol

import msgspec
from envoy.config.core.v3.base_pb2 import Node
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest
from google.protobuf.message import DecodeError

from lateen.xds.grpc.call import Call, Peer
from lateen.xds.grpc.status import CallError, Status
from lateen.xds.resource import Offer
from lateen.xds.stream import Accepted, AdsStream, Refused, Response, Subscribed, TypeStatus
from lateen.xds.update import Updates


class AdsService(Protocol):
    """What the control plane does for its clients. A `CallError` raised by a callback ends that stream with its status."""

    def opened(self, connection: "AdsConnection") -> None:
        """The first message, which names the node, has come. Raise `CallError` for a client that is not to be served."""

    def subscribed(self, connection: "AdsConnection", type_url: str) -> None:
        """The client asks for a type for the first time, or for names it did not ask for before."""

    def answered(self, connection: "AdsConnection", answer: Accepted | Refused) -> None:
        """The client has accepted or refused what it was sent."""

    def closed(self, connection: "AdsConnection") -> None:
        """The stream has ended, whoever ended it. Called once for every connection that was opened."""


class TypeReport(msgspec.Struct, frozen=True):
    """Where one type of one stream stands; `sent_at` is Unix time in seconds, None if nothing was sent."""

    status: TypeStatus
    sent_at: float | None


class AdsConnection(Protocol):
    """One ADS stream, as given to the service."""

    node: Node
    peer: Peer
    opened_at: float

    def offer(self, offers: Mapping[str, Offer]) -> None:
        """Let the client have these, by type URL; types left out stay as they were offered before."""

    def status(self) -> dict[str, TypeReport]:
        """By type URL, every type the client has asked for."""

    def close(self, status: Status, message: str) -> None:
        """End the stream; the client will usually connect again."""
