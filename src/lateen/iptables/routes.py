"""What packets need beside rules: the address that the proxy delivers from, and for TPROXY a way to this host."""

from collections.abc import Iterator, Sequence

from lateen.iptables.errors import ApplyError
from lateen.iptables.options import Options
from lateen.iptables.planner import Host
from lateen.iptables.programs import Programs
from lateen.iptables.rules import Family

_ALREADY_THERE = ("File exists", "already assigned")
"""What `ip` says of an address, rule or route that is there; the words depend on the kernel."""


def add(options: Options, host: Host, programs: Programs) -> None:
    """Adds what is not there yet. Raises `ApplyError`; what was added by then stays: without rules it does nothing."""
    for where, what in _wanted(options, host):
        # Some kernels take the same policy rule twice, so it is looked for first.
        if where[2] == "rule" and programs.run([*where, "show", *_as_shown(what)]).strip():
            continue
        try:
            programs.run([*where, "add", *what])
        except ApplyError as error:
            if not any(words in str(error) for words in _ALREADY_THERE):
                raise


def remove(options: Options, host: Host, programs: Programs) -> None:
    """Takes away what `add` adds for these options, as far as it is there."""
    for where, what in _wanted(options, host):
        try:
            programs.run([*where, "del", *what])
        except ApplyError:
            continue


def _wanted(options: Options, host: Host) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Commands of `ip` without their verb: what stands before it, and what after."""
    if host.ipv6:
        yield ("ip", "-6", "addr"), ("::6/128", "dev", "lo")
    if not options.transparent or not options.inbound_ports:
        return
    mark, table = options.tproxy_mark, options.tproxy_route_table
    for family in host.families:
        version = "-4" if family is Family.IPV4 else "-6"
        yield ("ip", version, "rule"), ("fwmark", mark, "lookup", table)
        yield ("ip", version, "route"), ("local", "default", "dev", "lo", "table", table)


def _as_shown(what: Sequence[str]) -> Sequence[str]:
    return ["table" if word == "lookup" else word for word in what]
