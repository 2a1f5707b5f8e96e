"""A client of the API server over its unix socket, for the command line: synchronous, and cheap to import."""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

Json = dict[str, Any]
Query = Mapping[str, str | int | bool | Sequence[str]]

_READ: Final = 64 * 1024
TIMEOUT_SECONDS: Final = 30.0
"""How long the server may be silent, unless said otherwise."""


class ApiFailure(Exception):
    """A request that the server refused: its Status, whose message is the text."""

    def __init__(self, status: Json) -> None:
        self.status = status
        super().__init__(str(status.get("message") or status.get("reason") or "the request failed"))

    @property
    def code(self) -> int:
        return int(self.status.get("code") or 0)


class NotRunning(Exception):
    """Nobody answers on the socket; the message says how to start a mesh."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"no mesh is running here ({path} does not answer); start one with `lateen up PATH`")


class ApiClient:
    """Requests to one server, over one connection that is opened when it is first needed and kept. Not for threads."""

    def __init__(self, path: Path, timeout: float = TIMEOUT_SECONDS) -> None:
        self.path = path
        self._timeout = timeout
        self._connection: _UnixConnection | None = None

    def get(self, path: str, query: Query | None = None) -> Json:
        return self.request("GET", path, query)

    def request(
        self, method: str, path: str, query: Query | None = None, body: object = None, content_type: str = ""
    ) -> Json:
        """The answer as a mapping (a list is under `items`). Raises `ApiFailure` or `NotRunning`."""
        connection = self._connection or _UnixConnection(self.path, self._timeout)
        self._connection = None
        try:
            answer = _ask(connection, method, path, query, body, content_type)
            text = answer.read()
        except (http.client.HTTPException, ConnectionError) as error:
            connection.close()
            raise NotRunning(self.path) from error
        self._connection = connection
        value = json.loads(text) if text else {}
        if answer.status >= 400:
            raise ApiFailure(value)
        return value if isinstance(value, dict) else {"items": value}

    def stream(self, path: str, query: Query | None = None) -> Iterator[bytes]:
        """The answer in pieces as they come, for as long as it takes. Raises `ApiFailure` or `NotRunning`."""
        connection = _UnixConnection(self.path, None)
        try:
            answer = _ask(connection, "GET", path, query, None, "")
            if answer.status >= 400:
                raise ApiFailure(json.loads(answer.read()))
            while piece := answer.read1(_READ):
                yield piece
        except (http.client.HTTPException, ConnectionError) as error:
            raise NotRunning(self.path) from error
        finally:
            connection.close()

    def watch(self, path: str, query: Query | None = None) -> Iterator[Json]:
        """Events of a watch, each `{"type": …, "object": …}`, until the server ends it."""
        rest = b""
        for piece in self.stream(path, {**(query or {}), "watch": True}):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield json.loads(line)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def object_path(api_version: str, plural: str, namespace: str = "", name: str = "", part: str = "") -> str:
    """The path of a collection, an object, or a part of one, in the API's shape."""
    pieces = ["apis" if "/" in api_version else "api", *api_version.split("/")]
    if namespace:
        pieces += ["namespaces", namespace]
    pieces += [each for each in (plural, name, part) if each]
    return "/" + "/".join(quote(each, safe=":") for each in pieces)


def _ask(
    connection: "_UnixConnection", method: str, path: str, query: Query | None, body: object, content_type: str
) -> http.client.HTTPResponse:
    text = {key: str(value).lower() if isinstance(value, bool) else value for key, value in (query or {}).items()}
    target = f"{path}?{urlencode(text, doseq=True)}" if text else path
    data = None if body is None else json.dumps(body, default=str).encode()
    headers = {} if data is None else {"Content-Type": content_type or "application/json"}
    connection.request(method, target, body=data, headers=headers)
    return connection.getresponse()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._path))
        except FileNotFoundError as error:
            self.sock.close()
            raise NotRunning(self._path) from error
        except PermissionError as error:
            self.sock.close()
            message = f"{self._path} may only be used by its owner: use the user (or sudo) that started the mesh"
            raise ApiFailure({"message": message, "code": 403}) from error
