"""A small service for pods of tests: says what it is and sees, calls others and looks up names when asked to.

    /anything                  what it is (pod, uid, groups) and what the request was
    /call?url=…&host=…         the answer of another service, which it calls as any program would
    /resolve?name=…&family=…   the addresses of a name, or the resolver's error; family AF_INET unless another is named
    /ask?name=…&kind=…         what its first name server answers: response code and addresses; over TCP with tcp=yes
    /slow?seconds=…            an answer that takes its time, begun at once

It listens on the ports given as arguments.
"""

import http.client
import json
import os
import signal
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
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


def resolve(name: str, family: str = "AF_INET") -> dict[str, object]:
    begun = time.monotonic()
    try:
        found = socket.getaddrinfo(name, 80, getattr(socket, family), socket.SOCK_STREAM)
        return {"addresses": sorted(str(each[4][0]) for each in found)}
    except socket.gaierror as error:
        return {"error": error.errno, "seconds": time.monotonic() - begun}


def ask(name: str, kind: str = "A", tcp: str = "") -> dict[str, object]:
    lines = Path("/etc/resolv.conf").read_text().splitlines()
    server = next(line.split()[1] for line in lines if line.startswith("nameserver"))
    number, size = {"A": (1, 4), "AAAA": (28, 16), "SRV": (33, 0)}[kind]
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = struct.pack("!6H", 4711, 0x100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, number, 1)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as connection:
        connection.settimeout(5)
        connection.connect((server, 53))
        connection.sendall(struct.pack("!H", len(query)) + query if tcp else query)
        answer = connection.recv(4096)
    answer = answer[2:] if tcp else answer
    count, at = struct.unpack_from("!H", answer, 6)[0], len(query)
    found = []
    for _ in range(count):
        at += 2 if answer[at] >= 0xC0 else answer.index(0, at) - at + 1
        kind_found, _, _, length = struct.unpack_from("!HHIH", answer, at)
        at += 10
        if kind_found == number and length == size:
            found.append(socket.inet_ntop(socket.AF_INET if size == 4 else socket.AF_INET6, answer[at : at + size]))
        at += length
    return {"code": answer[3] & 15, "records": count, "addresses": sorted(found)}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
        if path == "/slow":
            self.slow(float(query["seconds"]))
            return
        value = {"/call": call, "/resolve": resolve, "/ask": ask}.get(path, self.about)(**query)
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


class IPv6Server(Server):
    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()


def main() -> None:
    kinds = (Server, IPv6Server) if Path("/proc/net/if_inet6").exists() else (Server,)
    servers = [kind(("", int(port)), Handler) for port in sys.argv[1:] for kind in kinds]

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
