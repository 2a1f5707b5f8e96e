"""TLS between a transport and a connection, in small pieces, so that a thousand connections stay small.

    transport  <->  TlsConnection (SSLObject and two MemoryBIOs)  <->  GrpcConnection, which takes it for its transport

The event loop's own TLS keeps large buffers for each connection; this one encrypts and decrypts at most `_PIECE` bytes
at a time, and what it has encrypted is given to the transport at once.
"""

import asyncio
import logging
import ssl
from typing import Any, Final

_log = logging.getLogger(__name__)

_PIECE: Final = 16 << 10
_HANDSHAKE_SECONDS: Final = 10.0


class TlsConnection(asyncio.Protocol, asyncio.Transport):
    """The server's side of TLS for one protocol, which is connected once the handshake is done."""

    def __init__(self, context: ssl.SSLContext, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._protocol = protocol
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._connected = False

    # as the transport's protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's are transports without being of the class
        self._deadline = asyncio.get_running_loop().call_later(_HANDSHAKE_SECONDS, self.abort)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        view = memoryview(data)
        for start in range(0, len(view), _PIECE):
            self._incoming.write(view[start : start + _PIECE])
            try:
                if self._connected or self._shaken():
                    self._read()
            except ssl.SSLError as error:
                _log.info("%s: TLS error, closing: %s", self.get_extra_info("peername"), error.reason)
                self._flush()
                self.close()
                return

    def eof_received(self) -> bool:
        """See `asyncio.Protocol`."""
        return False

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        if self._connected:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        if self._connected:
            self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._transport = None
        self._established()
        if self._connected:
            self._connected = False
            self._protocol.connection_lost(exc)

    def _shaken(self) -> bool:
        """True once the handshake is done."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        self._flush()
        self._established()
        if self._tls.selected_alpn_protocol() != "h2":
            self.close()
            return False
        self._connected = True
        self._protocol.connection_made(self)
        return True

    def _established(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _read(self) -> None:
        while self._connected:
            try:
                data = self._tls.read(_PIECE)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                data = b""
            if not data:
                self.close()
                return
            self._protocol.data_received(data)
        if self._outgoing.pending:
            self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending and self._transport is not None:
            self._transport.write(self._outgoing.read())

    # as the protocol's transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See `asyncio.Transport`."""
        if self._transport is None or self._transport.is_closing():
            return
        view = memoryview(data)
        for start in range(0, len(view), _PIECE):
            self._tls.write(view[start : start + _PIECE])
            self._flush()

    def close(self) -> None:
        """See `asyncio.Transport`."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._connected:
            try:
                self._tls.unwrap()
            except ssl.SSLError:
                pass  # the client's own goodbye is not waited for
            self._flush()
        self._transport.close()

    def abort(self) -> None:
        """See `asyncio.Transport`."""
        if self._transport is not None:
            self._transport.abort()

    def is_closing(self) -> bool:
        """See `asyncio.Transport`."""
        return self._transport is None or self._transport.is_closing()

    def pause_reading(self) -> None:
        """See `asyncio.Transport`."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """See `asyncio.Transport`."""
        if self._transport is not None:
            self._transport.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See `asyncio.Transport`."""
        if self._transport is not None:
            self._transport.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See `asyncio.Transport`; `ssl_object` is what knows the client's certificate."""
        if name == "ssl_object":
            return self._tls
        return default if self._transport is None else self._transport.get_extra_info(name, default)
