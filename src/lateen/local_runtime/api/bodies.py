"""Bodies of requests and answers: bytes to mappings and back."""

from typing import Any, Final

import msgspec
import yaml
from aiohttp import web

from lateen.local_runtime.api.statuses import ApiError, bad_request

Json = dict[str, Any]

MAX_BYTES: Final = 3 << 20
"""The largest body taken, as Kubernetes has it."""

_ENCODER: Final = msgspec.json.Encoder(enc_hook=str)


def encode(value: Any) -> bytes:
    """JSON bytes. A date that YAML made of a string goes out as one."""
    return _ENCODER.encode(value)


def answer(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=encode(value), status=status, content_type="application/json")


async def read(request: web.Request) -> Any:
    """The body as a value: JSON, or YAML where the content type says so. Raises `ApiError`."""
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise ApiError(413, "RequestEntityTooLarge", f"the limit is {MAX_BYTES} bytes") from error
    try:
        if "yaml" in request.content_type:
            return yaml.load(body, Loader=yaml.CSafeLoader)
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise bad_request(f"the body cannot be read: {error}") from error


async def read_object(request: web.Request) -> Json:
    """The body as a mapping. Raises `ApiError`."""
    body = await read(request)
    if not isinstance(body, dict):
        raise bad_request("the body must be an object")
    return body
