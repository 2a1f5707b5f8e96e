"""The HTTP/2 engine in pure Python, over hyper-h2.

What hyper-h2 does not do is here: it does not limit resets and pings; it looks at a frame's length only when the whole
frame is there; and after a GOAWAY it takes the whole connection for closed.
"""

import contextlib
from collections import deque
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from lateen.xds.grpc.engine import EngineError, EngineSink, Headers, Limits, Reset

_PREFACE: Final = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
_FRAME_HEADER: Final = 9
_DEFAULT_WINDOW: Final = 65_535
_MOST_UNTAKEN: Final = 1 << 20
"""Answers to a flood of pings and settings that a client does not read end the connection."""
_MOST_RESETS: Final = 1000
"""Resets by the client on one connection; more is taken for an attack (rapid reset)."""


class _Body:
    """What waits to be sent of one response."""

    __slots__ = ("pieces", "size", "trailers")

    def __init__(self) -> None:
        self.pieces: deque[bytes | memoryview] = deque()
        self.size = 0
        self.trailers: Headers | None = None


class _Frames:
    """Follows where frames begin, and refuses those that are too long as soon as their length is known."""

    __slots__ = ("_begun", "_left")

    def __init__(self) -> None:
        self._left = _PREFACE
        self._begun = b""

    def follow(self, data: bytes, longest: int) -> bool:
        """False if a frame that begins in these bytes is longer than that."""
        at = 0
        while True:
            if self._left:
                passed = min(self._left, len(data) - at)
                self._left -= passed
                at += passed
            if self._left or at == len(data):
                return True
            taken = data[at : at + _FRAME_HEADER - len(self._begun)]
            self._begun += taken
            at += len(taken)
            if len(self._begun) < _FRAME_HEADER:
                return True
            self._left = int.from_bytes(self._begun[:3], "big")
            self._begun = b""
            if self._left > longest:
                return False


class H2Engine:
    """`Engine` by hyper-h2, which leaves it to its user to cut bodies to what the client's windows allow."""

    __slots__ = ("_bodies", "_closed", "_connection", "_failure", "_frames", "_out", "_resets", "_sink")

    def __init__(self, sink: EngineSink, limits: Limits) -> None:
        self._sink = sink
        self._bodies: dict[int, _Body] = {}
        self._out = bytearray()
        self._closed = False
        self._failure = ""
        self._resets = 0
        self._frames = _Frames()
        self._connection = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self._connection.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: limits.max_concurrent_streams,
                SettingCodes.INITIAL_WINDOW_SIZE: limits.stream_window,
                SettingCodes.MAX_HEADER_LIST_SIZE: limits.max_header_bytes,
            },
        )
        self._connection.decoder.max_header_list_size = limits.max_header_bytes  # also before the client has agreed
        self._connection.initiate_connection()
        self._connection.increment_flow_control_window(limits.connection_window - _DEFAULT_WINDOW)

    def receive(self, data: bytes) -> None:
        """See `Engine`."""
        if not self._frames.follow(data, self._connection.max_inbound_frame_size):
            raise self._end(ErrorCodes.FRAME_SIZE_ERROR, "a frame is too long")
        try:
            events = self._connection.receive_data(data)
        except H2Error as error:
            self._closed, self._failure = True, str(error) or type(error).__name__
            raise EngineError(self._failure) from error
        self._out += self._connection.data_to_send()
        if len(self._out) > _MOST_UNTAKEN:
            raise self._end(ErrorCodes.ENHANCE_YOUR_CALM, "too many answers wait to be read")
        for event in events:
            self._tell(event)

    def _tell(self, event: Event) -> None:
        match event:
            case DataReceived():
                size = event.flow_controlled_length
                self._sink.body(event.stream_id, event.data, size, False)
            case RequestReceived():
                self._sink.request(event.stream_id, event.headers, False)
            case StreamEnded():
                self._sink.body(event.stream_id, b"", 0, True)
            case StreamReset():
                self._bodies.pop(event.stream_id, None)
                self._sink.reset(event.stream_id)
                self._resets += 1
                if self._resets > _MOST_RESETS:
                    raise self._end(ErrorCodes.ENHANCE_YOUR_CALM, "too many resets")
            case _:
                pass  # settings, pings and windows are the engine's own business; trailers come with StreamEnded

    def _end(self, code: ErrorCodes, why: str) -> EngineError:
        self._connection.close_connection(code)
        self._closed, self._failure = True, why
        return EngineError(why)

    def take(self, limit: int) -> bytes:
        """See `Engine`."""
        for stream_id in list(self._bodies):
            if len(self._out) >= limit:
                break
            self._fill(stream_id, limit)
        self._out += self._connection.data_to_send()
        taken = bytes(self._out[:limit])
        del self._out[:limit]
        return taken

    def _fill(self, stream_id: int, limit: int) -> None:
        """Move what the windows allow of one body to the output."""
        body = self._bodies[stream_id]
        try:
            while body.pieces and len(self._out) < limit:
                room = min(
                    self._connection.local_flow_control_window(stream_id), self._connection.max_outbound_frame_size
                )
                if room <= 0:
                    return
                piece = body.pieces.popleft()
                if len(piece) > room:
                    body.pieces.appendleft(memoryview(piece)[room:])
                    piece = memoryview(piece)[:room]
                body.size -= len(piece)
                self._connection.send_data(stream_id, bytes(piece))
                self._out += self._connection.data_to_send()
            if body.pieces:
                return
            if body.trailers is not None:
                self._connection.send_headers(stream_id, list(body.trailers), end_stream=True)
        except H2Error:
            pass  # the stream is over
        del self._bodies[stream_id]

    def respond(self, stream_id: int, headers: Headers, end: bool) -> None:
        """See `Engine`."""
        with contextlib.suppress(H2Error):
            self._connection.send_headers(stream_id, list(headers), end_stream=end)

    def send(self, stream_id: int, data: bytes | memoryview) -> None:
        """See `Engine`."""
        body = self._bodies.setdefault(stream_id, _Body())
        body.pieces.append(data)
        body.size += len(data)

    def queued(self, stream_id: int) -> int:
        """See `Engine`."""
        body = self._bodies.get(stream_id)
        return 0 if body is None else body.size

    def trailers(self, stream_id: int, headers: Headers) -> None:
        """See `Engine`."""
        self._bodies.setdefault(stream_id, _Body()).trailers = headers

    def reset(self, stream_id: int, reason: Reset) -> None:
        """See `Engine`."""
        self._bodies.pop(stream_id, None)
        with contextlib.suppress(H2Error):
            self._connection.reset_stream(stream_id, reason)

    def consumed(self, stream_id: int, size: int) -> None:
        """See `Engine`."""
        with contextlib.suppress(H2Error):
            self._connection.acknowledge_received_data(size, stream_id)

    def refuse_new(self) -> None:
        """See `Engine`."""
        self._out += self._connection.data_to_send()
        self._out += GoAwayFrame(last_stream_id=self._connection.highest_inbound_stream_id).serialize()

    def ping(self) -> None:
        """See `Engine`."""
        with contextlib.suppress(H2Error):
            self._connection.ping(bytes(8))

    def leave(self) -> None:
        """See `Engine`."""
        del self._sink

    @property
    def failure(self) -> str:
        """See `Engine`."""
        return self._failure

    @property
    def finished(self) -> bool:
        """See `Engine`."""
        return self._closed and not self._out
