"""How messages become resources: packed into one another, and serialised the same way every time."""

from datetime import timedelta

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from lateen.xds.resource import Resource

_PREFIX = "type.googleapis.com/"


def packed(message: Message) -> Any:
    """The message as an Any; equal messages give equal bytes."""
    return Any(type_url=_PREFIX + message.DESCRIPTOR.full_name, value=message.SerializeToString(deterministic=True))


def as_resource(name: str, message: Message) -> Resource:
    """The message as a resource; equal messages give equal versions."""
    return Resource(name, (message.SerializeToString(deterministic=True),))


def duration(span: timedelta) -> Duration:
    result = Duration()
    result.FromTimedelta(span)
    return result
