"""The two variants of the protocol, and everything in which they differ: how requests read, what responses look like.

    bytes -> Variant.request -> Request -> AdsStream -> Response, its resources encoded by Variant.body

*Delta* requests edit a subscription, and responses list what changed and what is removed. *State of the world* requests
give the whole list of names each time. Its responses are everything the client is to have of clusters and listeners;
of other types they carry what changed, since there absence says nothing, and removals cannot be told at all.
"""

from enum import Enum
from typing import Final, Protocol

import msgspec
from envoy.config.core.v3.base_pb2 import Node
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest
from google.protobuf.message import DecodeError

from lateen.xds.grpc.status import CallError, Status
from lateen.xds.resource import WILDCARD_TYPES
from lateen.xds.subscription import NOTHING, Ask, Edit, Names, limit
from lateen.xds.update import Update
from lateen.xds.wire import delta_resources, world_resources

_SERVICE: Final = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
_NO_EDIT: Final = Edit()


class Removal(Enum):
    """How a client learns that a resource is gone."""

    LISTED = "listed"
    BY_ABSENCE = "by absence"
    UNTOLD = "untold"


class Request(msgspec.Struct, frozen=True):
    """A request of either variant. `error` is None where it refuses nothing; `nonce` is empty where it answers nothing.

    `node` is set in the first message of a stream, and perhaps in others.
    """

    type_url: str
    ask: Ask
    nonce: str = ""
    error: str | None = None
    node: Node | None = None


class Variant(Protocol):
    """What the state machine and its driver need to know of a variant."""

    path: str
    """Its gRPC method."""

    def request(self, message: bytes) -> Request:
        """Read a request. Raises `CallError` if it is none."""

    def removal(self, type_url: str) -> Removal:
        """How removals of that type are told."""

    def body(self, update: Update) -> bytes:
        """The changed resources of an update as they stand in a response; the same bytes object each time."""


class _Delta:
    path = _SERVICE + "DeltaAggregatedResources"

    def request(self, message: bytes) -> Request:
        try:
            request = DeltaDiscoveryRequest.FromString(message)
        except DecodeError as error:
            raise CallError(Status.INVALID_ARGUMENT, "the message is not a DeltaDiscoveryRequest") from error
        wanted, unwanted = request.resource_names_subscribe, request.resource_names_unsubscribe
        held = request.initial_resource_versions
        limit(request.type_url, len(wanted) + len(unwanted) + len(held))  # before so many are looked at
        ask = Edit(frozenset(wanted), frozenset(unwanted), dict(held)) if wanted or unwanted or held else _NO_EDIT
        return _request(request, ask)

    def removal(self, _type_url: str) -> Removal:
        return Removal.LISTED

    def body(self, update: Update) -> bytes:
        return update.encoded(delta_resources)


class _World:
    path = _SERVICE + "StreamAggregatedResources"

    def request(self, message: bytes) -> Request:
        try:
            request = DiscoveryRequest.FromString(message)
        except DecodeError as error:
            raise CallError(Status.INVALID_ARGUMENT, "the message is not a DiscoveryRequest") from error
        names = request.resource_names
        limit(request.type_url, len(names))  # before so many are looked at
        return _request(request, Names(frozenset(names) if names else NOTHING, request.version_info))

    def removal(self, type_url: str) -> Removal:
        return Removal.BY_ABSENCE if type_url in WILDCARD_TYPES else Removal.UNTOLD

    def body(self, update: Update) -> bytes:
        return update.encoded(world_resources)


def _request(request: DeltaDiscoveryRequest | DiscoveryRequest, ask: Ask) -> Request:
    error = request.error_detail.message if request.HasField("error_detail") else None
    node = request.node if request.HasField("node") else None
    return Request(request.type_url, ask, request.response_nonce, error, node)


DELTA: Final[Variant] = _Delta()
STATE_OF_THE_WORLD: Final[Variant] = _World()
VARIANTS: Final = (DELTA, STATE_OF_THE_WORLD)
