"""A client of HTTP/2 in raw frames, for what well-behaved clients cannot be made to do."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator

from hpack import Decoder, Encoder
from hyperframe.frame import DataFrame, Frame, HeadersFrame, SettingsFrame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Raw:
    """A client that writes any frame it likes and reads only when told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.encoder, self.decoder = Encoder(), Decoder()
        self.write(PREFACE, SettingsFrame(0))

    def write(self, *parts: bytes | Frame) -> None:
        self.writer.write(b"".join(part if isinstance(part, bytes) else part.serialize() for part in parts))

    async def drained(self) -> bool:
        """False when the server takes no more."""
        try:
            await asyncio.wait_for(self.writer.drain(), 5)
        except (ConnectionError, TimeoutError):
            return False
        return not self.writer.is_closing()

    def headers(self, stream_id: int, path: str, **more: str) -> HeadersFrame:
        fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x")]
        fields += [("content-type", "application/grpc"), *((k.replace("_", "-"), v) for k, v in more.items())]
        return HeadersFrame(stream_id, self.encoder.encode(fields), flags=["END_HEADERS"])

    @staticmethod
    def message(stream_id: int, body: bytes) -> DataFrame:
        return DataFrame(stream_id, struct.pack("!BI", 0, len(body)) + body)

    async def frames(self) -> AsyncIterator[Frame]:
        """What the server sends, until it closes the connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                frame, length = Frame.parse_frame_header(memoryview(await self.reader.readexactly(9)))
                frame.parse_body(memoryview(await self.reader.readexactly(length)))
                yield frame

    async def until_closed(self) -> list[Frame]:
        async with asyncio.timeout(10):
            return [frame async for frame in self.frames()]

    async def trailers(self) -> dict[str, str]:
        async with asyncio.timeout(10):
            async for frame in self.frames():
                if isinstance(frame, HeadersFrame):
                    fields = dict(self.decoder.decode(frame.data))
                    if "grpc-status" in fields:
                        return fields
        raise AssertionError("the connection was closed without a status")
