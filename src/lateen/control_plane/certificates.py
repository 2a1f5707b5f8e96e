"""The certificate that the control plane shows, read again whenever its files change: connections from then on see it.

A pair that cannot be used, such as one that is half written, changes nothing.
"""

import asyncio
import contextlib
import logging
import os
import ssl
from typing import Final

from lateen.control_plane.errors import CannotStart
from lateen.control_plane.settings import TlsFiles

_log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 1.0

_Stamps = tuple[tuple[int, int, int] | None, ...]


class ServerCertificate:
    """Makes server contexts, and keeps them up to date."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._stamps = self._stamped()
        self._contexts: list[ssl.SSLContext] = []

    def for_anyone(self) -> ssl.SSLContext:
        """A context that asks clients for nothing. Raises `CannotStart`."""
        self._check_presence()
        context = _empty()
        files = self._files
        try:
            self._load_into(context)
        except OSError as error:
            raise CannotStart(f"--tlsCertFile {files.certificate}, --tlsKeyFile {files.key}: {_said(error)}") from error
        self._contexts.append(context)
        return context

    def for_proxies(self) -> ssl.SSLContext:
        """A context that asks clients for a certificate, where their authorities are known. Raises `CannotStart`."""
        context = self.for_anyone()
        clients = self._files.clients
        if clients is not None:
            context.verify_mode = ssl.CERT_OPTIONAL
            try:
                context.load_verify_locations(clients)
            except OSError as error:
                raise CannotStart(f"--caCertFile {clients}: {_said(error)}") from error
        return context

    async def follow(self) -> None:
        """Look at the files now and then, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            self.refresh()

    def refresh(self) -> bool:
        """Whether a new certificate has been taken over."""
        if (stamps := self._stamped()) == self._stamps:
            return False
        self._stamps = stamps
        try:
            self._load_into(_empty())  # tried first: a context must never have the one without the other
        except OSError as error:
            _log.error("%s: %s; the certificate in use stays", self._files.certificate, _said(error))
            return False
        for context in self._contexts:
            self._load_into(context)
        _log.info("%s: the new certificate is in use", self._files.certificate)
        return True

    def _load_into(self, context: ssl.SSLContext) -> None:
        context.load_cert_chain(self._files.certificate, self._files.key)

    def _check_presence(self) -> None:
        files = self._files
        named = {"tlsCertFile": files.certificate, "tlsKeyFile": files.key, "caCertFile": files.clients}
        for flag, path in named.items():
            if path is not None and not path.is_file():
                raise CannotStart(f"--{flag} {path}: there is no such file")

    def _stamped(self) -> _Stamps:
        """Tells whether a file, or what a link of that name leads to, was written or replaced."""
        found: list[tuple[int, int, int] | None] = []
        for path in (self._files.certificate, self._files.key):
            found.append(None)
            with contextlib.suppress(OSError):
                status = path.stat()
                found[-1] = (status.st_ino, status.st_size, status.st_mtime_ns)
        return tuple(found)


def _empty() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _said(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"cannot be used as PEM: {(error.reason or 'not PEM').replace('_', ' ').lower()}"
    return os.strerror(error.errno) if error.errno else str(error)
