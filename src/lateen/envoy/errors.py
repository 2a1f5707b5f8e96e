"""What can go wrong between us and an Envoy.

EnvoyError
├── BinaryNotFound    no Envoy at the places where one is looked for
├── StartFailed       the binary is there, but the kernel would not execute it
├── AdminError        the admin interface could not be reached, or refused
└── HttpError         an HTTP/1.1 peer could not be reached, took too long, or answered with something else
"""


class EnvoyError(Exception):
    """Any failure of this room; the text is meant for a person."""


class BinaryNotFound(EnvoyError):
    """No Envoy binary; the text names the places searched and how to get one."""


class StartFailed(EnvoyError):
    """Envoy could not be executed; the text names the binary and the reason."""


class AdminError(EnvoyError):
    """Envoy's admin interface did not do what was asked; the text names the request."""


class HttpError(EnvoyError):
    """No usable HTTP answer; the text names the peer and the reason."""
