"""Lists of ports as texts with commas."""


def with_port(listed: str, port: str) -> str:
    """The list with a port at its end. It stays as it is where it has the port, or the port is empty or `0`."""
    port = port.strip()
    if port in ("", "0") or port in listed.split(","):
        return listed
    return ",".join([*filter(None, map(str.strip, listed.split(","))), port])
