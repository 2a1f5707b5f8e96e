"""A connection on a transport that goes nowhere."""

import asyncio
import gc
import weakref

import pytest

from lateen.xds.grpc.connection import GrpcConnection
from lateen.xds.grpc.engine import EngineKind, Limits
from lateen.xds.grpc.turns import Turns


class Nowhere(asyncio.Transport):
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def is_closing(self) -> bool:
        return False


@pytest.mark.parametrize("kind", list(EngineKind))
def test_what_a_lost_connection_held_is_free_at_once(kind: EngineKind) -> None:
    connection = GrpcConnection({}, kind, Limits(), Turns(), lambda _: None, lambda _: None)
    connection.connection_made(Nowhere())
    connection.data_received(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
    connection.connection_lost(None)
    held = weakref.ref(connection)
    gc.disable()  # so that only references count
    try:
        del connection
        assert held() is None
    finally:
        gc.enable()
