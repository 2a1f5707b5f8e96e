"""Checks on option values, all reported at once, and their canonical form.

The contract checks owner groups, the forced binary, ranges and the loopback range. Ports, interfaces and owners are
checked here too: the tools would refuse such text themselves, but after one family's rules are already in force, and
with an error that does not name the flag. What the tools accept is accepted: names of ports, users and groups, ranges.
"""

from collections.abc import Callable, Iterator

from lateen.common import proxy_mark
from lateen.iptables.errors import ConfigurationError
from lateen.iptables.options import Options, Texts
from lateen.iptables.planner import SELF_CALL_MARK

MAX_OWNER_GROUPS = 64

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-+*@:$")
_ID_CHARACTERS = frozenset("0123456789-")

_PORTS = (
    ("inbound_ports", "-b (--istio-inbound-ports)"),
    ("inbound_ports_exclude", "-d (--istio-local-exclude-ports)"),
    ("outbound_ports", "-q (--istio-outbound-ports)"),
    ("outbound_ports_exclude", "-o (--istio-local-outbound-ports-exclude)"),
)
_SINGLE_PORTS = (
    ("proxy_port", "-p (--envoy-port)"),
    ("inbound_capture_port", "-z (--inbound-capture-port)"),
    ("inbound_tunnel_port", "-e (--inbound-tunnel-port)"),
)
_INTERFACES = (
    ("interfaces_exclude", "-c (--istio-exclude-interfaces)"),
    ("virtual_interfaces", "-k (--kube-virt-interfaces)"),
)
_OWNERS = (
    ("proxy_uids", "-u (--proxy-uid)"),
    ("proxy_gids", "-g (--proxy-gid)"),
    ("owner_groups", "ISTIO_OUTBOUND_OWNER_GROUPS"),
    ("owner_groups_exclude", "ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE"),
)


def validated(options: Options) -> Options:
    """The options with their ranges in canonical form. Raises `ConfigurationError` naming every wrong value."""
    problems = [*_wrong_texts(options), *_wrong_settings(options)]
    ranges: dict[str, Texts] = {}
    for option, flag in (("outbound_cidrs", "-i (--istio-service-cidr)"), ("outbound_cidrs_exclude", "-x")):
        written: Texts = getattr(options, option)
        if written == ("*",) and option == "outbound_cidrs":
            continue
        if "*" in written and option == "outbound_cidrs_exclude":
            problems.append("invalid value for OUTBOUND_IP_RANGES_EXCLUDE: * cannot be excluded (-x)")
            continue
        ranges[option] = tuple(_canonical(cidr, flag, problems) for cidr in written)
    loopback = options.loopback_cidr
    if loopback != "127.0.0.1/32":
        canonical = _as_range(loopback)
        if canonical is None or not canonical.startswith("127.") or int(canonical.partition("/")[2]) < 8:
            problems.append(
                f"invalid value {loopback!r} for ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: "
                "expected an IPv4 loopback range with a prefix from /8 to /32"
            )
        loopback = canonical or loopback
    if problems:
        raise ConfigurationError("; ".join(problems))
    return options.replaced(
        loopback_cidr=loopback,
        outbound_cidrs=ranges.get("outbound_cidrs", options.outbound_cidrs),
        outbound_cidrs_exclude=ranges.get("outbound_cidrs_exclude", options.outbound_cidrs_exclude),
    )


def _wrong_texts(options: Options) -> Iterator[str]:
    def wrong(option: str, flag: str, accepts: Callable[[str], bool], expected: str) -> Iterator[str]:
        value: Texts | str = getattr(options, option)
        for text in (value,) if isinstance(value, str) else value:
            if not accepts(text):
                yield f"invalid value {text!r} for {flag}: expected {expected}"

    for option, flag in _SINGLE_PORTS:
        yield from wrong(option, flag, _is_port, "a port from 0 to 65535, or the name of one")
    for option, flag in _PORTS:
        if option == "inbound_ports" and options.inbound_ports == ("*",):
            continue
        yield from wrong(
            option, flag, _is_port_or_range, "a port from 0 to 65535, the name of one, or a range FIRST:LAST"
        )
    for option, flag in _INTERFACES:
        yield from wrong(option, flag, _is_interface, "an interface name of 1 to 15 characters")
    for option, flag in _OWNERS:
        if not option.startswith("owner_groups") or getattr(options, option) not in (("*",), ("",)):
            yield from wrong(option, flag, _is_owner, "a number or a name")


def _wrong_settings(options: Options) -> Iterator[str]:
    groups = options.owner_groups
    if len(groups) > MAX_OWNER_GROUPS:
        yield f"ISTIO_OUTBOUND_OWNER_GROUPS: at most {MAX_OWNER_GROUPS} owner groups can be included, got {len(groups)}"
    if options.force_iptables_binary not in ("", "legacy", "nft"):
        yield (
            f"invalid value {options.force_iptables_binary!r} for --force-iptables-binary: "
            "expected legacy, nft or nothing"
        )
    if options.proxy_mark and not _is_mark(options.proxy_mark, options):
        yield (
            f"invalid value {options.proxy_mark!r} for {proxy_mark.VARIABLE}: expected a number from 1 to 4294967295 "
            "that TPROXY does not use"
        )
    if options.transparent:
        for value, flag in ((options.tproxy_mark, "-t"), (options.tproxy_route_table, "-r")):
            if not (value.isascii() and value.isdigit()):
                yield f"invalid value {value!r} for {flag}: expected a number"


def _is_mark(text: str, options: Options) -> bool:
    used = (options.tproxy_mark, SELF_CALL_MARK) if options.transparent else ()
    return text.isascii() and text.isdigit() and 0 < int(text) < 1 << 32 and text not in used


def port_number(text: str) -> int:
    """The number of a port, written as a number or as a service's name. Raises `ValueError` for anything else."""
    if text.isascii() and text.isdigit():
        number = int(text)
    else:
        from socket import getservbyname

        try:
            number = getservbyname(text)
        except OSError:
            number = -1
    if not 0 <= number <= 65535:
        raise ValueError(f"{text!r} is no port")
    return number


def unknown_owners(options: Options) -> list[str]:
    """What is wrong with users and groups that are named and that this system does not know; said after a refusal.

    Not an error by itself: the tool that reads the rules may know them.
    """
    from grp import getgrnam
    from pwd import getpwnam

    problems = []
    for option, flag in _OWNERS:
        kind, look_up = ("user", getpwnam) if option == "proxy_uids" else ("group", getgrnam)
        for name in getattr(options, option):
            if name in ("", "*") or set(name) <= _ID_CHARACTERS:
                continue
            try:
                look_up(name)
            except KeyError:
                problems.append(f"{flag}: there is no {kind} {name!r} here, use its number")
    return problems


def _is_port(text: str) -> bool:
    try:
        port_number(text)
    except ValueError:
        return False
    return True


def _is_port_or_range(text: str) -> bool:
    """Either end of a range may be left out."""
    first, colon, last = text.partition(":")
    if not colon or text == ":":
        return _is_port(text)
    return (not first or _is_port(first)) and (not last or _is_port(last))


def _is_name(text: str) -> bool:
    return bool(text) and set(text) <= _NAME_CHARACTERS and not text.startswith("-")


def _is_owner(text: str) -> bool:
    """A name, a number of 32 bits, or a range of such numbers."""
    if not set(text) <= _ID_CHARACTERS:
        return _is_name(text)
    first, dash, last = text.partition("-")
    return all(id.isdigit() and int(id) < 2**32 for id in ((first, last) if dash else (first,)))


def _is_interface(text: str) -> bool:
    return len(text) <= 15 and _is_name(text)


def _canonical(cidr: str, flag: str, problems: list[str]) -> str:
    found = _as_range(cidr)
    if found is None:
        problems.append(f"invalid value {cidr!r} for {flag}: expected a range such as 10.0.0.0/8")
    return found or cidr


def _as_range(cidr: str) -> str | None:
    """The range with its address in canonical form, host bits kept; None for anything else."""
    # Imported here: the default command has no range, and every pod pays for what is loaded.
    from ipaddress import ip_address

    address, _, bits = cidr.partition("/")
    well_formed = bits.isascii() and bits.isdigit() and str(int(bits)) == bits and "%" not in address
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return f"{parsed}/{bits}" if well_formed and int(bits) <= parsed.max_prefixlen else None
