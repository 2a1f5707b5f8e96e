"""What /etc/resolv.conf says, as far as it is asked. Source: resolv.conf(5)."""


def name_servers(text: str) -> tuple[str, ...]:
    """The name servers as written, in order, without the zone of an IPv6 address."""
    words = [line.split() for line in text.splitlines()]
    return tuple(line[1].partition("%")[0] for line in words if len(line) > 1 and line[0] == "nameserver")
