"""The two variants of the protocol, and everything in which they differ: how requests read, what responses look like.

    bytes -> Variant.request -> Request -> AdsStream -> Response, its resources encoded by Variant.encoder

*Delta* requests edit a subscription, and responses list what changed and what is removed. *State of the world* requests
give the whole list of names each time. Its responses are everything the client is to have of clusters and listeners;
of other types they carry what changed, since there absence says nothing, and removals cannot be told at all.
"""

from collections import OrderedDict
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol
from weakref import WeakValueDictionary

import msgspec
from envoy.config.core.v3.base_pb2 import Node
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest
from google.protobuf.message import DecodeError

from lateen.xds.grpc.status import CallError, Status
from lateen.xds.resource import WILDCARD_TYPES
from lateen.xds.subscription import NOTHING, Ask, Edit, Names, limit
from lateen.xds.wire import Encoder, delta_resources, world_resources

ADS_SERVICE: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"
_NO_EDIT: Final = Edit()
_END_BYTES: Final = 256


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

    @property
    def encoder(self) -> Encoder:
        """How resources stand in a response."""

    def request(self, message: bytes) -> Request:
        """Read a request. Raises `CallError` if it is none."""

    def removal(self, type_url: str) -> Removal:
        """How removals of that type are told."""


class _Reader:
    """Reads requests, and answers that are equal once: streams in lockstep answer alike.

    Known answers, up to `capacity` bytes of them, are found by length and both ends, one of which has the nonce: to
    hash the thousands of names in each answer of the state of the world would take longer than to compare them.
    """

    def __init__(self, parse: Callable[[bytes], Request], capacity: int = 8 << 20) -> None:
        self._parse = parse
        self._capacity: Final = capacity
        self._used = 0
        self._known: OrderedDict[tuple[int, bytes, bytes], tuple[bytes, Request]] = OrderedDict()

    def __call__(self, message: bytes) -> Request:
        key = len(message), message[:_END_BYTES], message[-_END_BYTES:]
        known = self._known.get(key)
        if known is not None and known[0] == message:
            return known[1]
        request = self._parse(message)
        if known is None and request.nonce and request.node is None:
            self._known[key] = message, request
            self._used += len(message)
            while self._used > self._capacity:
                _, (dropped, _) = self._known.popitem(last=False)
                self._used -= len(dropped)
        return request


class _Delta:
    path = f"/{ADS_SERVICE}/DeltaAggregatedResources"
    encoder: Encoder = staticmethod(delta_resources)

    def __init__(self) -> None:
        self.request = _Reader(self._parse)

    def _parse(self, message: bytes) -> Request:
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


class _World:
    path = f"/{ADS_SERVICE}/StreamAggregatedResources"
    encoder: Encoder = staticmethod(world_resources)

    def __init__(self) -> None:
        self.request = _Reader(self._parse)
        self._names: WeakValueDictionary[int, frozenset[str]] = WeakValueDictionary()

    def _parse(self, message: bytes) -> Request:
        try:
            request = DiscoveryRequest.FromString(message)
        except DecodeError as error:
            raise CallError(Status.INVALID_ARGUMENT, "the message is not a DiscoveryRequest") from error
        limit(request.type_url, len(request.resource_names))  # before so many are looked at
        names = frozenset(request.resource_names) or NOTHING
        return _request(request, Names(self._shared(names), request.version_info))

    def _shared(self, names: frozenset[str]) -> frozenset[str]:
        """An equal set that others have already, if any: the same one is quickly seen to be equal."""
        known = self._names.setdefault(hash(names), names)
        return known if known == names else names

    def removal(self, type_url: str) -> Removal:
        return Removal.BY_ABSENCE if type_url in WILDCARD_TYPES else Removal.UNTOLD


def _request(request: DeltaDiscoveryRequest | DiscoveryRequest, ask: Ask) -> Request:
    error = request.error_detail.message if request.HasField("error_detail") else None
    node = request.node if request.HasField("node") else None
    return Request(request.type_url, ask, request.response_nonce, error, node)


DELTA: Final[Variant] = _Delta()
STATE_OF_THE_WORLD: Final[Variant] = _World()
VARIANTS: Final = (DELTA, STATE_OF_THE_WORLD)
