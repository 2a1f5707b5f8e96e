"""The standard reflection service, v1 and v1alpha: what `grpcurl` and its like ask for services and their messages.

Descriptors come from the messages that Envoy's API packages bring. Those of a file are imported when somebody asks for
it, and only files that those packages have are ever imported.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, files
from typing import Any, Final

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import DecodeError

from lateen.xds.grpc.call import Call, HandlerFactory
from lateen.xds.grpc.message import Message
from lateen.xds.grpc.schema import POOL, Field, file, message_class
from lateen.xds.grpc.status import CallError, Status

_VERSIONS: Final = ("v1", "v1alpha")
_API_PACKAGE: Final = "xds-protos"
_REQUEST: Final = {
    "host": Field(1, "string"),
    "file_by_filename": Field(3, "string", oneof="message_request"),
    "file_containing_symbol": Field(4, "string", oneof="message_request"),
    "file_containing_extension": Field(5, "ExtensionRequest", oneof="message_request"),
    "all_extension_numbers_of_type": Field(6, "string", oneof="message_request"),
    "list_services": Field(7, "string", oneof="message_request"),
}
_RESPONSE: Final = {
    "valid_host": Field(1, "string"),
    "original_request": Field(2, "ServerReflectionRequest"),
    "file_descriptor_response": Field(4, "FileDescriptorResponse", oneof="message_response"),
    "all_extension_numbers_response": Field(5, "ExtensionNumberResponse", oneof="message_response"),
    "list_services_response": Field(6, "ListServiceResponse", oneof="message_response"),
    "error_response": Field(7, "ErrorResponse", oneof="message_response"),
}

for _version in _VERSIONS:
    file(
        f"grpc/reflection/{_version}/reflection.proto",
        f"grpc.reflection.{_version}",
        {
            "ServerReflectionRequest": _REQUEST,
            "ExtensionRequest": {"containing_type": Field(1, "string"), "extension_number": Field(2, "int32")},
            "ServerReflectionResponse": _RESPONSE,
            "FileDescriptorResponse": {"file_descriptor_proto": Field(1, "bytes", repeated=True)},
            "ExtensionNumberResponse": {
                "base_type_name": Field(1, "string"),
                "extension_number": Field(2, "int32", repeated=True),
            },
            "ListServiceResponse": {"service": Field(1, "ServiceResponse", repeated=True)},
            "ServiceResponse": {"name": Field(1, "string")},
            "ErrorResponse": {"error_code": Field(1, "int32"), "error_message": Field(2, "string")},
        },
        "ServerReflection",
        {"ServerReflectionInfo": ("ServerReflectionRequest", "ServerReflectionResponse", True, True)},
    )


def reflection_handlers(paths: Iterable[str]) -> Mapping[str, HandlerFactory]:
    """The methods of both versions, by path; `paths` are those of the other methods that the server has."""
    own = [f"grpc.reflection.{version}.ServerReflection" for version in _VERSIONS]
    services = sorted({path.split("/")[1] for path in paths}.union(own))

    def factory(version: str) -> HandlerFactory:
        return lambda call: _Reflection(call, services, f"grpc.reflection.{version}")

    return {f"/{service}/ServerReflectionInfo": factory(service.split(".")[2]) for service in own}


class _Reflection:
    """A call: a response to each request. Files are sent with all that they import, each once."""

    def __init__(self, call: Call, services: list[str], package: str) -> None:
        self._call = call
        self._services = services
        self._request = message_class(f"{package}.ServerReflectionRequest")
        self._response = message_class(f"{package}.ServerReflectionResponse")
        self._sent: set[str] = set()

    def received(self, message: bytes) -> None:
        try:
            request = self._request.FromString(message)
        except DecodeError as error:
            raise CallError(Status.INVALID_ARGUMENT, "the message is not a ServerReflectionRequest") from error
        response = self._response(valid_host=request.host, original_request=request)
        try:
            self._answer(request, response)
        except (KeyError, TypeError) as error:  # what descriptor pools raise for what they do not know
            response.error_response.error_code = int(Status.NOT_FOUND)
            response.error_response.error_message = f"not found: {error}"
        self._call.send(Message(response.SerializeToString()))

    def ended(self) -> None:
        self._call.finish()

    def lost(self) -> None:
        pass

    def _answer(self, request: Any, response: Any) -> None:
        match request.WhichOneof("message_request"):
            case "list_services":
                for service in self._services:
                    response.list_services_response.service.add(name=service)
            case "file_by_filename":
                self._add_file(response, _file(request.file_by_filename))
            case "file_containing_symbol":
                self._add_file(response, _file_of(request.file_containing_symbol))
            case "file_containing_extension":
                wanted = request.file_containing_extension
                pool = _file_of(wanted.containing_type).pool
                extended = pool.FindMessageTypeByName(wanted.containing_type)
                extension: Any = pool.FindExtensionByNumber(extended, wanted.extension_number)
                self._add_file(response, extension.file)
            case "all_extension_numbers_of_type":
                name = request.all_extension_numbers_of_type
                pool = _file_of(name).pool
                found = pool.FindAllExtensions(pool.FindMessageTypeByName(name))
                response.all_extension_numbers_response.base_type_name = name
                response.all_extension_numbers_response.extension_number.extend(sorted(e.number for e in found))
            case _:
                raise CallError(Status.INVALID_ARGUMENT, "the request asks for nothing")

    def _add_file(self, response: Any, found: FileDescriptor) -> None:
        wanted = [found]
        for each in wanted:
            wanted += [other for other in each.dependencies if other not in wanted]
        added = [each for each in wanted if each is found or each.name not in self._sent]
        self._sent.update(each.name for each in added)
        response.file_descriptor_response.file_descriptor_proto.extend(each.serialized_pb for each in added)


def _file(name: str) -> FileDescriptor:
    module = name.removesuffix(".proto") + "_pb2.py"
    if module in _api_modules():
        import_module(module.removesuffix(".py").replace("/", "."))
    for pool in (POOL, descriptor_pool.Default()):
        try:
            return pool.FindFileByName(name)
        except KeyError:
            pass
    raise KeyError(f"file {name}")


def _file_of(symbol: str) -> FileDescriptor:
    """The file that declares a symbol. The package of a symbol is the folder of its file."""
    found = _known(symbol)
    if found is None:
        parts = symbol.split(".")
        folders = {"/".join(parts[:end]) for end in range(1, len(parts))}
        for module in _api_modules():
            if module.rpartition("/")[0] in folders:
                import_module(module.removesuffix(".py").replace("/", "."))
        found = _known(symbol)
    if found is None:
        raise KeyError(f"symbol {symbol}")
    return found


def _known(symbol: str) -> FileDescriptor | None:
    """Among what is imported. Pools do not find methods, but the services that have them."""
    for name in (symbol, symbol.rpartition(".")[0]):
        for pool in (POOL, descriptor_pool.Default()):
            try:
                return pool.FindFileContainingSymbol(name)
            except KeyError:
                pass
    return None


@lru_cache(maxsize=1)
def _api_modules() -> frozenset[str]:
    """The message modules of Envoy's API packages, as file names."""
    try:
        known = files(_API_PACKAGE) or ()
    except PackageNotFoundError:
        return frozenset()
    return frozenset(str(each) for each in known if each.name.endswith("_pb2.py"))
