"""A small service for pods of tests: says what it is and sees, calls others and looks up names when asked to.

    /anything                  what it is (pod, uid, groups) and what the request was
    /call?url=…&host=…         the answer of another service, which it calls as any program would
    /resolve?name=…            the addresses of a name, or the resolver's error
    /slow?seconds=…            an answer that takes its time, begun at once

It listens on the ports given as arguments.
"""

import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


def call(url: str, host: str = "") -> dict[str, object]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=5)
    try:
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        connection.request("GET", target, headers={"host": host} if host else {})
        local = connection.sock.getsockname()
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return {"status": answer.status, "headers": headers, "text": text, "local": local}
    except (OSError, http.client.HTTPException) as error:
        return {"status": 0, "error": f"{type(error).__name__}: {error}"}
    finally:
        connection.close()


def resolve(name: str) -> dict[str, object]:
    begun = time.monotonic()
    try:
        found = socket.getaddrinfo(name, 80, socket.AF_INET, socket.SOCK_STREAM)
        return {"addresses": sorted(str(each[4][0]) for each in found)}
    except socket.gaierror as error:
        return {"error": error.errno, "seconds": time.monotonic() - begun}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
        if path == "/slow":
            self.slow(float(query["seconds"]))
            return
        value = {"/call": call, "/resolve": resolve}.get(path, self.about)(**query)
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def about(self, **_query: str) -> dict[str, object]:
        headers = {name.lower(): value for name, value in self.headers.items()}
        return {
            "pod": socket.gethostname(),
            "uid": os.getuid(),
            "path": self.path,
            "headers": headers,
            "client": self.client_address[0],
            "port": self.server.server_address[1],
        }

    def slow(self, seconds: float) -> None:
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in (b"begun", b"ended"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
            if piece == b"begun":
                time.sleep(seconds)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:
        print(format % args, flush=True)


class Server(ThreadingHTTPServer):
    daemon_threads = False

    def server_bind(self) -> None:
        # Not HTTPServer's, which looks its own address up.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)


def main() -> None:
    servers = [Server(("", int(port)), Handler) for port in sys.argv[1:]]

    def stop(*_: object) -> None:
        for server in servers:
            threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,)) for server in servers]
    for thread in threads:
        thread.start()
    print("listening on", *sys.argv[1:], flush=True)


if __name__ == "__main__":
    main()
