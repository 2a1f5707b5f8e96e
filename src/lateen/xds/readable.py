"""Serialised messages as the JSON that Envoy writes: its field names, `@type` in what is packed."""

from typing import Any

from google.protobuf.descriptor_pool import Default
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass

Json = dict[str, Any]


def readable(type_url: str, body: bytes) -> Json:
    """The message of a type that is imported somewhere, as are all those that it packs."""
    message = GetMessageClass(Default().FindMessageTypeByName(type_url.rpartition("/")[2]))
    found: Json = MessageToDict(message.FromString(body), preserving_proto_field_name=True)
    return found


def typed(type_url: str, body: bytes) -> Json:
    """The same, saying of which type it is, as in a configuration dump."""
    return {"@type": type_url, **readable(type_url, body)}
