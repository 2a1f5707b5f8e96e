"""The HTTP/2 engine over libnghttp2."""

import contextlib

import ngh2

from lateen.xds.grpc.engine import EngineError, EngineSink, Headers, Limits, Reset


class Ngh2Engine:
    """`Engine` by libnghttp2, which also limits resets, pings, settings and continuation frames."""

    __slots__ = ("_broken", "_connection", "_failure", "_sink")

    def __init__(self, sink: EngineSink, limits: Limits) -> None:
        self._sink = sink
        self._broken = False
        self._failure = ""
        self._connection = ngh2.Connection(
            ngh2.Role.SERVER,
            ngh2.Configuration(
                auto_window_update=False,
                max_inbound_header_list_size=limits.max_header_bytes,
                max_deflate_dynamic_table_size=0,  # our headers are few, and a table costs memory on each connection
            ),
        )
        self._connection.initiate_connection(
            {
                int(ngh2.Setting.MAX_CONCURRENT_STREAMS): limits.max_concurrent_streams,
                int(ngh2.Setting.INITIAL_WINDOW_SIZE): limits.stream_window,
                int(ngh2.Setting.MAX_HEADER_LIST_SIZE): limits.max_header_bytes,
            }
        )
        self._connection.set_local_window_size(limits.connection_window)

    def receive(self, data: bytes) -> None:
        """See `Engine`."""
        try:
            self._connection.receive_data(data)
        except ngh2.NGH2Error as error:
            self._broken, self._failure = True, str(error)
            raise EngineError(str(error)) from error
        finally:
            for event in self._connection.events():
                self._tell(event)

    def _tell(self, event: ngh2.Event) -> None:
        match event:
            case ngh2.DataReceived():
                data = event.data
                self._sink.body(event.stream_id, data, len(data), event.end_stream)
            case ngh2.RequestReceived():
                self._sink.request(event.stream_id, event.headers, event.end_stream)
            case ngh2.TrailersReceived():
                self._sink.body(event.stream_id, b"", 0, True)
            case ngh2.StreamReset() | ngh2.StreamClosed():
                self._sink.reset(event.stream_id)
            case ngh2.ConnectionClosed() if event.error_code:
                self._failure = event.debug_data.decode(errors="replace") or ngh2.ErrorCode(event.error_code).name
            case _:
                pass  # settings, pings and windows are the engine's own business

    def take(self, limit: int) -> bytes:
        """See `Engine`."""
        try:
            return self._connection.data_to_send(limit)
        except ngh2.NGH2Error:
            self._broken = True
            return b""

    def respond(self, stream_id: int, headers: Headers, end: bool) -> None:
        """See `Engine`."""
        with contextlib.suppress(ngh2.NGH2Error):
            self._connection.send_response(stream_id, headers, end_stream=end)

    def send(self, stream_id: int, data: bytes | memoryview) -> None:
        """See `Engine`."""
        try:  # costs nothing, unlike a context manager, and this happens with every message
            self._connection.send_data(stream_id, data)
        except ngh2.NGH2Error:
            return

    def queued(self, stream_id: int) -> int:
        """See `Engine`."""
        try:
            return self._connection.queued_body_size(stream_id)
        except ngh2.NGH2Error:
            return 0

    def trailers(self, stream_id: int, headers: Headers) -> None:
        """See `Engine`."""
        with contextlib.suppress(ngh2.NGH2Error):
            self._connection.send_trailers(stream_id, headers)

    def reset(self, stream_id: int, reason: Reset) -> None:
        """See `Engine`."""
        with contextlib.suppress(ngh2.NGH2Error):
            self._connection.reset_stream(stream_id, int(reason))

    def consumed(self, stream_id: int, size: int) -> None:
        """See `Engine`."""
        try:
            self._connection.acknowledge_received_data(size, stream_id)
        except ngh2.NGH2Error:
            return

    def refuse_new(self) -> None:
        """See `Engine`."""
        with contextlib.suppress(ngh2.NGH2Error):
            self._connection.send_goaway()

    def ping(self) -> None:
        """See `Engine`."""
        with contextlib.suppress(ngh2.NGH2Error):
            self._connection.ping()

    def leave(self) -> None:
        """See `Engine`."""
        del self._sink

    @property
    def failure(self) -> str:
        """See `Engine`."""
        for event in self._connection.events():  # some errors are told only when the client's GOAWAY has been taken
            self._tell(event)
        return self._failure

    @property
    def finished(self) -> bool:
        """See `Engine`."""
        return self._broken or not (self._connection.want_read or self._connection.want_write)
