"""Protobuf messages of gRPC's own services, declared here because no package that we need brings them.

They live in a pool of their own, so that another library in the process may bring the same ones.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

POOL: Final = DescriptorPool()


class Field(msgspec.Struct, frozen=True):
    """A field: its number, and its type: `string`, `bytes`, `int32`, or the name of a message or enum of the file."""

    number: int
    type: str
    repeated: bool = False
    oneof: str = ""


Fields = Mapping[str, Field]
_SCALARS: Final = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "int32": FieldDescriptorProto.TYPE_INT32,
}


def file(
    name: str,
    package: str,
    messages: Mapping[str, Fields],
    service: str,
    methods: Mapping[str, tuple[str, str, bool, bool]],
    enums: Mapping[str, tuple[str, tuple[str, ...]]] | None = None,
) -> None:
    """Add a file to the pool. A method is request, response, and which of them are streams.

    An enum is named after the message that it is in, given with its values from 0 on.
    """
    declared = FileDescriptorProto(name=name, package=package, syntax="proto3")
    for message_name, fields in messages.items():
        message = declared.message_type.add(name=message_name)
        inner = {}
        if enums and message_name in enums:
            enum_name, values = enums[message_name]
            enum = message.enum_type.add(name=enum_name)
            for number, value in enumerate(values):
                enum.value.add(name=value, number=number)
            inner[enum_name] = f".{package}.{message_name}.{enum_name}"
        for field_name, field in fields.items():
            _add_field(message, field_name, field, package, inner)
    offered = declared.service.add(name=service)
    for method, (request, response, client_streaming, server_streaming) in methods.items():
        offered.method.add(
            name=method,
            input_type=f".{package}.{request}",
            output_type=f".{package}.{response}",
            client_streaming=client_streaming,
            server_streaming=server_streaming,
        )
    POOL.Add(declared)


def _add_field(message: DescriptorProto, name: str, field: Field, package: str, enums: Mapping[str, str]) -> None:
    labels = FieldDescriptorProto.LABEL_REPEATED, FieldDescriptorProto.LABEL_OPTIONAL
    added = message.field.add(name=name, number=field.number, label=labels[0] if field.repeated else labels[1])
    if field.type in _SCALARS:
        added.type = _SCALARS[field.type]
    elif field.type in enums:
        added.type, added.type_name = FieldDescriptorProto.TYPE_ENUM, enums[field.type]
    else:
        added.type, added.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{package}.{field.type}"
    if field.oneof:
        names = [oneof.name for oneof in message.oneof_decl]
        if field.oneof not in names:
            message.oneof_decl.add(name=field.oneof)
            names.append(field.oneof)
        added.oneof_index = names.index(field.oneof)


def message_class(full_name: str) -> type[Any]:
    """The class of a message in the pool. Its fields are known at run time only."""
    found: type[Message] = GetMessageClass(POOL.FindMessageTypeByName(full_name))
    return found
