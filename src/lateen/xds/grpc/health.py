"""The standard health service, `grpc.health.v1.Health`: Check, and Watch, which tells of every change.

The server as a whole is the service of the empty name.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from google.protobuf.message import DecodeError

from lateen.xds.grpc.call import Call, Handler, HandlerFactory, unary
from lateen.xds.grpc.message import Message
from lateen.xds.grpc.schema import Field, file, message_class
from lateen.xds.grpc.status import CallError, Status

SERVICE: Final = "grpc.health.v1.Health"

file(
    "grpc/health/v1/health.proto",
    "grpc.health.v1",
    {
        "HealthCheckRequest": {"service": Field(1, "string")},
        "HealthCheckResponse": {"status": Field(1, "ServingStatus")},
    },
    "Health",
    {
        "Check": ("HealthCheckRequest", "HealthCheckResponse", False, False),
        "Watch": ("HealthCheckRequest", "HealthCheckResponse", False, True),
    },
    {"HealthCheckResponse": ("ServingStatus", ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"))},
)
_Request: Final = message_class("grpc.health.v1.HealthCheckRequest")
_Response: Final = message_class("grpc.health.v1.HealthCheckResponse")


class Serving(IntEnum):
    """Whether a service can be used."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


class Health:
    """What is known of each service's health. `handlers` serve it."""

    def __init__(self) -> None:
        self._known: dict[str, Serving] = {}
        self._watchers: dict[str, set[_Watcher]] = {}

    def set(self, service: str, serving: Serving) -> None:
        """Note a service's health and tell those who watch it."""
        if self._known.get(service) is serving:
            return
        self._known[service] = serving
        for watcher in tuple(self._watchers.get(service, ())):
            watcher.tell(serving)

    def handlers(self) -> Mapping[str, HandlerFactory]:
        """The methods, by path."""
        return {f"/{SERVICE}/Check": unary(self._check), f"/{SERVICE}/Watch": self._watch}

    def _check(self, message: bytes, _call: Call) -> bytes:
        service = _service(message)
        serving = self._known.get(service)
        if serving is None:
            raise CallError(Status.NOT_FOUND, f"unknown service {service!r}")
        return _response(serving)

    def _watch(self, call: Call) -> Handler:
        return _Watcher(self, call)

    def join(self, service: str, watcher: "_Watcher") -> Serving:
        """Have a watcher told of changes; returns what it is to be told first."""
        self._watchers.setdefault(service, set()).add(watcher)
        return self._known.get(service, Serving.SERVICE_UNKNOWN)

    def leave(self, service: str, watcher: "_Watcher") -> None:
        """Tell a watcher no more."""
        watchers = self._watchers.get(service, set())
        watchers.discard(watcher)
        if not watchers:
            self._watchers.pop(service, None)


class _Watcher:
    """A Watch call: one request, then a response at each change."""

    def __init__(self, health: Health, call: Call) -> None:
        self._health = health
        self._call = call
        self._service: str | None = None

    def received(self, message: bytes) -> None:
        if self._service is not None:
            raise CallError(Status.INTERNAL, "more than one message in a call that takes one")
        self._service = _service(message)
        self.tell(self._health.join(self._service, self))

    def tell(self, serving: Serving) -> None:
        self._call.send(Message(_response(serving)))

    def ended(self) -> None:
        if self._service is None:
            raise CallError(Status.INTERNAL, "no message in a call that takes one")

    def lost(self) -> None:
        if self._service is not None:
            self._health.leave(self._service, self)


def _service(message: bytes) -> str:
    try:
        return str(_Request.FromString(message).service)
    except DecodeError as error:
        raise CallError(Status.INVALID_ARGUMENT, "the message is not a HealthCheckRequest") from error


def _response(serving: Serving) -> bytes:
    return bytes(_Response(status=int(serving)).SerializeToString())
