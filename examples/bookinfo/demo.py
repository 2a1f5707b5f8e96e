"""Brings bookinfo up, switches its routing while requests run, and leaves it running. `make demo` runs it.

Everything it does is a `lateen` command that it prints first, so that you can do the same by hand.
"""

import json
import socket
import subprocess
import sys
import time
from collections import Counter
from http.client import HTTPConnection, HTTPException
from pathlib import Path

HERE = Path(__file__).resolve().parent
LATEEN = Path(sys.executable).with_name("lateen")
ADDRESS = "127.0.0.1"
FIRST_PORT = 8080
SHOWN = Path("examples/bookinfo")
SERVICES_PATH = "/api/v1/products/0/reviews"
CHANGE_TIMEOUT_S = 10.0
BAR_WIDTH = 40


def lateen(*arguments: str) -> None:
    """Run a lateen command, shown with the paths a reader would type. Ends the demonstration where it fails."""
    shown = " ".join(argument.replace(str(HERE), str(SHOWN)) for argument in arguments)
    print(f"\n$ lateen {shown}", flush=True)
    finished = subprocess.run([LATEEN, *arguments], check=False)
    if finished.returncode:
        sys.exit(finished.returncode)


def free_port() -> int:
    """The first port that nobody listens on; the mesh's usual one unless it is taken."""
    for port in range(FIRST_PORT, FIRST_PORT + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ADDRESS, port))
            except OSError:
                continue
            return port
    sys.exit(f"no free port between {FIRST_PORT} and {FIRST_PORT + 99} on {ADDRESS}")


def answering_version(connection: HTTPConnection) -> str:
    """Send one request through the gateway; which version of reviews answered, or what went wrong."""
    try:
        connection.request("GET", SERVICES_PATH)
        response = connection.getresponse()
        body = response.read()
        return str(json.loads(body)["version"]) if response.status == 200 else f"HTTP {response.status}"
    except (OSError, HTTPException, ValueError, KeyError) as error:
        connection.close()
        return type(error).__name__


def show_versions(port: int, requests: int = 50) -> None:
    """Send requests and draw which version of reviews answered how often."""
    connection = HTTPConnection(ADDRESS, port, timeout=5)
    counted = Counter(answering_version(connection) for _ in range(requests))
    connection.close()
    print(f"\n{requests} requests through the gateway; reviews answered from")
    for version, count in sorted(counted.items()):
        print(f"  {version:<4} {'█' * round(BAR_WIDTH * count / requests):<{BAR_WIDTH}} {count}")


def await_versions(port: int, wanted: set[str], since: float) -> None:
    """Wait until only wanted versions answer, and say how long that took."""
    connection = HTTPConnection(ADDRESS, port, timeout=5)
    in_a_row = 0
    first = since
    while in_a_row < 10:
        if time.monotonic() > since + CHANGE_TIMEOUT_S:
            sys.exit(f"after {CHANGE_TIMEOUT_S:.0f} s other versions than {', '.join(sorted(wanted))} still answer")
        asked = time.monotonic()
        if answering_version(connection) in wanted:
            first = asked if in_a_row == 0 else first
            in_a_row += 1
        else:
            in_a_row = 0
    connection.close()
    print(f"in force {max(0.0, first - since) * 1000:.0f} ms after the command had ended")


def switch(port: int, title: str, file: str, wanted: set[str]) -> None:
    print(f"\n── {title}")
    lateen("apply", "-f", str(HERE / "routing" / file))
    await_versions(port, wanted, time.monotonic())
    show_versions(port)


def main() -> None:
    started = time.monotonic()
    port = free_port()
    publish = [] if port == FIRST_PORT else ["--publish", str(port)]
    print("── Bookinfo: four services, each with an Envoy beside it, and a gateway in front")
    lateen("up", "-d", str(HERE / "manifests"), "--images", str(HERE / "images.yaml"), *publish)
    print(f"\nup after {time.monotonic() - started:.1f} s; the page is http://{ADDRESS}:{port}/productpage")
    print("\n── No routing rules yet: any version of reviews may answer")
    show_versions(port)
    switch(port, "All requests to version 3", "all-v3.yaml", {"v3"})
    switch(port, "Four in five to version 1, the fifth to version 2", "80-20.yaml", {"v1", "v2"})
    print(f"""
── Now it is yours
  The page                    http://{ADDRESS}:{port}/productpage
  Route by who is signed in   {LATEEN.name} apply -f {SHOWN}/routing/by-user.yaml   (sign in as jason)
  The pods                    {LATEEN.name} ps
  A sidecar's access log      {LATEEN.name} logs -f deploy/productpage-v1 -c istio-proxy
  Its routes                  {LATEEN.name} proxy-config route deploy/productpage-v1 --name 9080
  A shell beside it           {LATEEN.name} exec -it deploy/productpage-v1 -- sh
  Stop it                     {LATEEN.name} down

The command is {LATEEN}{"" if port == FIRST_PORT else f"; port {FIRST_PORT} was taken, so the page is on {port}"}.""")


if __name__ == "__main__":
    main()
