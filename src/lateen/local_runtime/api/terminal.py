"""Descriptors a command inside a pod runs with, and reading and writing our ends of them without blocking the loop."""

import asyncio
import errno
import fcntl
import os
import pty
import struct
import termios
from collections.abc import Callable
from typing import Any, Final

_CHUNK: Final = 32 * 1024


class Streams:
    """Pipes, or one terminal, between a command and the server.

    `stdin`, `stdout` and `stderr` are the command's ends; the server writes `to_stdin` and reads `from_stdout` and
    `from_stderr` (None with a terminal, which has one stream for both).
    """

    def __init__(self, *, tty: bool, with_stdin: bool) -> None:
        self._open: set[int] = set()
        self.to_stdin: int | None = None
        self.from_stderr: int | None = None
        if tty:
            master, slave = self._keep(*pty.openpty())
            self.stdin = self.stdout = self.stderr = slave
            self.from_stdout = master
            self.to_stdin = master
            self._master: int | None = master
        else:
            self._master = None
            if with_stdin:
                self.stdin, self.to_stdin = self._keep(*os.pipe())
            else:
                (self.stdin,) = self._keep(os.open(os.devnull, os.O_RDONLY))
            self.from_stdout, self.stdout = self._keep(*os.pipe())
            self.from_stderr, self.stderr = self._keep(*os.pipe())
        for ours in (self.to_stdin, self.from_stdout, self.from_stderr):
            if ours is not None:
                os.set_blocking(ours, False)

    def resize(self, columns: int, rows: int) -> None:
        """Tell the terminal its size; nothing without one."""
        if self._master in self._open:
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def end_input(self) -> None:
        """No more input: the end of a pipe, or the end-of-file character on a terminal."""
        if self._master is not None:
            if self._master in self._open:
                os.write(self._master, b"\x04")
        elif self.to_stdin is not None:
            self._close(self.to_stdin)

    def close_command_ends(self) -> None:
        """Once the command has ended, so that reading its output comes to an end."""
        for fd in {self.stdin, self.stdout, self.stderr}:
            self._close(fd)

    def close(self) -> None:
        for fd in list(self._open):
            self._close(fd)

    def is_open(self, fd: int) -> bool:
        return fd in self._open

    def _keep(self, *fds: int) -> tuple[int, ...]:
        self._open.update(fds)
        return fds

    def _close(self, fd: int) -> None:
        if fd in self._open:
            self._open.discard(fd)
            os.close(fd)


async def read_chunk(fd: int) -> bytes:
    """What a non-blocking descriptor has next; empty at its end, which for a terminal is that nobody else holds it."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return os.read(fd, _CHUNK)
        except BlockingIOError:
            await _ready(fd, loop.add_reader, loop.remove_reader)
        except OSError as error:
            if error.errno == errno.EIO:
                return b""
            raise


async def write_all(fd: int, data: bytes) -> None:
    """Write everything to a non-blocking descriptor. Raises `BrokenPipeError` when nobody reads any more."""
    loop = asyncio.get_running_loop()
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:
            await _ready(fd, loop.add_writer, loop.remove_writer)


async def _ready(fd: int, add: Callable[..., Any], remove: Callable[[int], Any]) -> None:
    ready = asyncio.get_running_loop().create_future()
    add(fd, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        remove(fd)
