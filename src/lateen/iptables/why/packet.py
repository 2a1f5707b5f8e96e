"""A packet as `--why` is asked about it, and how its words on the command line are read."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from lateen.iptables.errors import UsageError
from lateen.iptables.planner import INBOUND_PASSTHROUGH, family_of
from lateen.iptables.rules import Direction, Family, Transport
from lateen.iptables.value import Value

EXAMPLE = "out tcp 10.96.0.10:80 from 10.0.0.5 uid=1000"
STATES = ("NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED")
_FIRST_EPHEMERAL_PORT = 32768
_PASSTHROUGH = frozenset(cidr.partition("/")[0] for cidr in INBOUND_PASSTHROUGH.values())


class Packet(Value):
    """One packet of a connection, at the hook where this host sees it first.

    No source is one of the host's addresses that is not a loopback one. No user or group is one that no rule names.
    Marks are numbers, 0 is none.
    """

    direction: Direction
    transport: Transport
    destination: str
    destination_port: int
    interface: str
    source: str | None = None
    source_port: int = _FIRST_EPHEMERAL_PORT
    uid: int | None = None
    gid: int | None = None
    mark: int = 0
    connection_mark: int = 0
    state: str = "NEW"

    @property
    def family(self) -> Family:
        return family_of(self.destination)


def parse_packet(text: str, own_addresses: Sequence[str] = ()) -> Packet:
    """The packet of words such as `in tcp 10.0.0.5:8080 from 10.0.0.9:40000`.

    `own_addresses` are the host's; what is sent to one of them, or from and to the same address, leaves by `lo`.
    Raises `UsageError` that names the wrong word.
    """
    words = text.split()
    if len(words) < 3:
        raise UsageError(f"{text!r} does not describe a packet: expected words such as {EXAMPLE!r}")
    direction = _one_of(Direction, words[0], "the direction")
    transport = _one_of(Transport, words[1], "the transport")
    destination, port = _endpoint(words[2])
    if port is None:
        raise UsageError(f"{words[2]!r} has no port: expected a destination such as 10.96.0.10:80 or [fd00::1]:80")
    details = _details(words[3:])
    source, source_port = details.pop("from", (None, None))
    if source is not None and family_of(source) is not family_of(destination):
        raise UsageError(f"from {source} to {destination}: both addresses must be of one IP family")
    if direction is Direction.IN and ("uid" in details or "gid" in details):
        raise UsageError("uid= and gid= are of a sending process of this host: they go with 'out'")
    if source_port is not None:
        details["source_port"] = source_port
    local = direction is Direction.OUT and _stays_here(destination, source, own_addresses)
    if source is None and direction is Direction.OUT:
        source = _usual_source(destination, local, own_addresses)
    details.setdefault("interface", "lo" if local else "eth0")
    return Packet(direction, transport, destination, port, source=source, **details)


_Word = TypeVar("_Word", Direction, Transport)


def _one_of(kind: type[_Word], word: str, what: str) -> _Word:
    if word not in tuple(kind):
        raise UsageError(f"{word!r} is not {what} of a packet: expected {' or '.join(kind)}, as in {EXAMPLE!r}")
    return kind(word)


def _endpoint(word: str) -> tuple[str, int | None]:
    """The address in its canonical form, and the port where there is one."""
    from ipaddress import ip_address

    if word.startswith("["):
        address, _, rest = word[1:].partition("]")
        port = rest.removeprefix(":") if rest else None
    elif word.count(":") == 1:
        address, _, port = word.partition(":")
    else:
        address, port = word, None
    try:
        parsed = ip_address(address)
    except ValueError:
        raise UsageError(f"{word!r} is not an address: expected 10.0.0.5:80, or [fd00::1]:80 for IPv6") from None
    return str(parsed), None if port is None else _number(port, 65535, f"the port of {word!r}")


def _details(words: Sequence[str]) -> dict[str, Any]:
    """What follows the destination, as fields of `Packet`; the source under `from`, with its port or None."""
    found: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in ("from", "via"):
            if not rest:
                raise UsageError(
                    f"{word!r} is the last word: expected {'an address' if word == 'from' else 'eth0 or lo'}"
                )
            value = rest.pop(0)
            found |= {"from": _endpoint(value)} if word == "from" else {"interface": value}
            continue
        name, equals, value = word.partition("=")
        if not equals or name not in _NAMED:
            raise UsageError(
                f"{word!r} is not known of a packet: expected from ADDRESS, via INTERFACE, "
                + ", ".join(f"{known}=" for known in _NAMED)
            )
        field, read = _NAMED[name]
        found[field] = read(value)
    return found


def _number(text: str, largest: int, what: str) -> int:
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= largest:
        raise UsageError(f"{text!r} is not {what}: expected a number from 0 to {largest}")
    return number


def _mark(text: str) -> int:
    return _number(text, 0xFFFFFFFF, "a mark")


def _state(text: str) -> str:
    if text.upper() not in STATES:
        raise UsageError(f"{text!r} is not a state of connection tracking: expected one of {', '.join(STATES)}")
    return text.upper()


def _user(text: str) -> int:
    from pwd import getpwnam

    try:
        return int(text) if text.isdecimal() else getpwnam(text).pw_uid
    except KeyError:
        raise UsageError(f"uid={text}: no such user here; expected a number or a user's name") from None


def _group(text: str) -> int:
    from grp import getgrnam

    try:
        return int(text) if text.isdecimal() else getgrnam(text).gr_gid
    except KeyError:
        raise UsageError(f"gid={text}: no such group here; expected a number or a group's name") from None


_NAMED: dict[str, tuple[str, Callable[[str], int | str]]] = {
    "uid": ("uid", _user),
    "gid": ("gid", _group),
    "mark": ("mark", _mark),
    "connmark": ("connection_mark", _mark),
    "state": ("state", _state),
}


def is_loopback(address: str) -> bool:
    """Whether the address is on `lo` of every pod: loopback, or where the proxy delivers from."""
    return address.startswith("127.") or address == "::1" or address in _PASSTHROUGH


def _stays_here(destination: str, source: str | None, own: Collection[str]) -> bool:
    return is_loopback(destination) or destination in (*own, source) or (source is not None and is_loopback(source))


def _usual_source(destination: str, local: bool, own: Sequence[str]) -> str | None:
    """What the kernel takes where the sender has not bound its socket: the address itself for one of this host's."""
    if local:
        loopback = "::1" if ":" in destination else "127.0.0.1"
        return loopback if is_loopback(destination) else destination
    alike = (address for address in own if family_of(address) is family_of(destination) and not is_loopback(address))
    return next(alike, None)
