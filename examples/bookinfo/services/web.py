"""What the bookinfo services share: a small HTTP server, and calls to other services that carry the request's context.

Only the standard library, so that they start quickly and run wherever Python does.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PORT = int(os.environ.get("PORT", "9080"))
CALL_TIMEOUT_S = 3.0

# A mesh can follow a request through services, and route it by user, only if each passes these on.
PROPAGATED = (
    "x-request-id",
    "traceparent",
    "tracestate",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "x-ot-span-context",
    "end-user",
    "user-agent",
    "cookie",
    "authorization",
)


@dataclass
class Request:
    """One request; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def form(self) -> dict[str, str]:
        """The fields of a posted form."""
        return {name: values[0] for name, values in parse_qs(self.body.decode(errors="replace")).items()}

    def cookie(self, name: str) -> str:
        """A cookie's value, or nothing."""
        try:
            found = SimpleCookie(self.headers.get("cookie", "")).get(name)
        except CookieError:
            return ""
        return found.value if found is not None else ""

    @property
    def context(self) -> dict[str, str]:
        """The headers to send along when this request leads to others."""
        return {name: self.headers[name] for name in PROPAGATED if name in self.headers}


@dataclass
class Answer:
    """A status, a body and headers."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)


def json_answer(value: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value, indent=1).encode() + b"\n", "application/json")


@dataclass
class Reply:
    """What another service answered; status 0 means that nobody did, and `error` says why."""

    status: int
    value: dict[str, object]
    error: str = ""


def call(service: str, path: str, context: Mapping[str, str]) -> Reply:
    """Ask another service of the mesh by its name, as any program would."""
    connection = HTTPConnection(service, PORT, timeout=CALL_TIMEOUT_S)
    try:
        connection.request("GET", path, headers=dict(context))
        response = connection.getresponse()
        text = response.read()
        if response.status != 200:
            return Reply(response.status, {}, text.decode(errors="replace").strip() or response.reason)
        return Reply(response.status, json.loads(text))
    except (OSError, HTTPException, ValueError) as error:
        return Reply(0, {}, str(error) or type(error).__name__)
    finally:
        connection.close()


def serve(name: str, version: str, handle: Callable[[Request], Answer]) -> None:
    """Answer requests until the process is told to end. Every answer says which version gave it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {key.lower(): value for key, value in self.headers.items()}
            request = Request(self.command, urlsplit(self.path).path, headers, self.rfile.read(length))
            result = Answer(200, b"ok\n") if request.path == "/health" else handle(request)
            self.send_response(result.status)
            self.send_header("content-type", result.content_type)
            self.send_header("content-length", str(len(result.body)))
            self.send_header("x-bookinfo-version", f"{name}-{version}")
            for key, value in result.headers.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(result.body)

        do_GET = do_POST = do_HEAD = answer

        def log_message(self, format: str, *args: object) -> None:
            print(f"{name}-{version}: {format % args}", flush=True)

    server = ThreadingHTTPServer(("", PORT), Handler)
    server.daemon_threads = True
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"{name}-{version}: listening on port {PORT}", flush=True)
    server.serve_forever(poll_interval=0.1)
    sys.exit(0)
