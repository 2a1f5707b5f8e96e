"""Both ends of gRPC calls for tests: servers that say who they are, and a client that calls what it is told to.

    serve v1=127.0.0.2:7070 v2=…   one server each; without a name it has that of its host
    client 127.0.0.1:8080          calls over HTTP: /call?target=xds:///echo:7070&count=20&timeout=9&header=a:b

Methods: Who answers the server's name; Slow never answers; Flaky fails a call's first attempt; anything else is
unimplemented. The client tells how often each answer and each status came.
"""

import json
import signal
import socket
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import grpc

SERVICE = "/test.Echo/"


class Handler(grpc.GenericRpcHandler):
    def __init__(self, name: str) -> None:
        self.name = name.encode()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        method = {"Who": self.who, "Slow": self.slow, "Flaky": self.flaky}.get(details.method.removeprefix(SERVICE))
        return grpc.unary_unary_rpc_method_handler(method) if method is not None else None

    def who(self, _request: bytes, _context: grpc.ServicerContext) -> bytes:
        return self.name

    def slow(self, _request: bytes, context: grpc.ServicerContext) -> bytes:
        over = threading.Event()
        context.add_callback(over.set)
        over.wait()
        return self.name

    def flaky(self, _request: bytes, context: grpc.ServicerContext) -> bytes:
        if "grpc-previous-rpc-attempts" not in dict(context.invocation_metadata()):
            context.abort(grpc.StatusCode.UNAVAILABLE, "first attempt")
        return self.name


def serve(*places: str) -> None:
    servers = []
    for name, _, address in (place.partition("=") for place in places):
        server = grpc.server(
            ThreadPoolExecutor(8), [Handler(name or socket.gethostname())], options=[("grpc.so_reuseport", 0)]
        )
        server.add_insecure_port(address)
        server.start()
        servers.append(server)
    print("serving", *places, flush=True)
    signal.sigwait([signal.SIGTERM])
    for server in servers:
        server.stop(0)


class Caller(BaseHTTPRequestHandler):
    channels: dict[str, grpc.Channel] = {}

    def do_GET(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        body = json.dumps(self.call(**query)).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def call(
        self, target: str, method: str = "Who", count: str = "1", timeout: str = "10", header: str = ""
    ) -> dict[str, object]:
        if target not in self.channels:
            self.channels[target] = grpc.insecure_channel(target)
        ask = self.channels[target].unary_unary(SERVICE + method)
        name, _, value = header.partition(":")
        answers: Counter[str] = Counter()
        details = ""
        for _ in range(int(count)):
            try:
                answers[ask(b"", timeout=float(timeout), metadata=((name, value),) if name else ()).decode()] += 1
            except grpc.RpcError as error:
                answers[error.code().name] += 1
                details = error.details()
        return {"answers": answers, "details": details}

    def log_message(self, format: str, *args: object) -> None:
        print(format % args, flush=True)


def client(place: str) -> None:
    host, _, port = place.rpartition(":")
    ThreadingHTTPServer((host, int(port)), Caller).serve_forever(0.05)


if __name__ == "__main__":
    {"serve": serve, "client": client}[sys.argv[1]](*sys.argv[2:])
