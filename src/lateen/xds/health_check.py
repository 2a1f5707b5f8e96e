"""One health check of a gRPC server, as a probe makes it: `grpc.health.v1.Health/Check` over plain HTTP/2. Sans-IO.

Imported only where a gRPC probe is asked: h2 is too much to load for nothing.
"""

import asyncio
from typing import Final
from urllib.parse import unquote

import h2.config
import h2.connection
import h2.events
import h2.exceptions

_PATH: Final = "/grpc.health.v1.Health/Check"
_USER_AGENT: Final = "kube-probe/1.36"
_MAX_ANSWER: Final = 4096
_STATUSES: Final = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_UNIMPLEMENTED: Final = "12"
_NOT_FOUND: Final = "5"


class HealthCheck:
    """One call. Send `opening`, then what `receive` gives for each piece that arrives, until `done`."""

    def __init__(self, authority: str, service: str) -> None:
        self.done = False
        self.problem: str | None = "the server closed the connection without an answer"
        """What speaks against the server's health; None once it has said that it serves."""
        self._service = service
        self._silent = True
        self._answer = b""
        self._headers: dict[str, str] = {}
        self._connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self._connection.initiate_connection()
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", _PATH),
            (":authority", authority),
            ("user-agent", _USER_AGENT),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ]
        self._connection.send_headers(1, headers)
        self._connection.send_data(1, _framed(_request(service)), end_stream=True)
        self.opening = self._connection.data_to_send()

    def receive(self, data: bytes) -> bytes:
        """Take bytes of the server; what is to be sent back. Bytes that are no HTTP/2 end the check."""
        if self._silent and data.startswith(b"HTTP/1"):
            self._end("the port speaks HTTP/1, not gRPC")
            return b""
        self._silent = False
        try:
            events = self._connection.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            self._end(f"the port does not speak gRPC: {error}")
            return b""
        for event in events:
            self._hear(event)
        return self._connection.data_to_send()

    def _hear(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived() | h2.events.TrailersReceived():
                for name, value in event.headers or ():
                    self._headers[_text(name)] = _text(value)
            case h2.events.DataReceived():
                self._answer += event.data or b""
                if len(self._answer) > _MAX_ANSWER:
                    self._end("the answer is longer than a health status")
            case h2.events.StreamEnded():
                self._end(self._verdict())
            case h2.events.StreamReset() | h2.events.ConnectionTerminated():
                self._end(f"the server refused the call (HTTP/2 error {event.error_code})")
            case _:
                return

    def _end(self, problem: str | None) -> None:
        if not self.done:
            self.done, self.problem = True, problem

    def _verdict(self) -> str | None:
        code = self._headers.get("grpc-status")
        if code is None:
            return f"the answer is not gRPC's (HTTP status {self._headers.get(':status')})"
        if code == _UNIMPLEMENTED:
            return "the server does not implement grpc.health.v1.Health"
        if code == _NOT_FOUND:
            return f'the server knows no service "{self._service}"'
        if code != "0":
            return f"gRPC status {code} {unquote(self._headers.get('grpc-message', ''))}".rstrip()
        status = _status(self._answer)
        return None if status == "SERVING" else f"the server says {status}"


async def check_health(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, authority: str, service: str
) -> str | None:
    """Ask over a connection, which stays the caller's: what is wrong, or None. OSError passes."""
    check = HealthCheck(authority, service)
    writer.write(check.opening)
    while not check.done and (data := await reader.read(65536)):
        writer.write(check.receive(data))
    return check.problem


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _request(service: str) -> bytes:
    """HealthCheckRequest: field 1 is the service's name."""
    name = service.encode()
    return b"\x0a" + _varint(len(name)) + name if name else b""


def _framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4) + message


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*encoded, number))


def _status(framed: bytes) -> str:
    """The status in a HealthCheckResponse, whose only field is the number 1; a message without it says UNKNOWN."""
    message = framed[5:]
    if len(message) == 2 and message[0] == 0x08 and message[1] < len(_STATUSES):
        return _STATUSES[message[1]]
    return _STATUSES[0]
