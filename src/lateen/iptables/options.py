"""The program's options: flags, environment variables and defaults, read into one frozen value.

One table says everything about every flag. Precedence: command line, then the alias variable, then the variable named
after the flag, then the default. A malformed variable is ignored; a malformed or unknown flag is a usage error. Written
without a parser library because every pod pays for what is imported here.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from lateen.common import proxy_mark
from lateen.iptables.errors import UsageError
from lateen.iptables.value import Value

Texts = tuple[str, ...]


class Options(Value):
    """What to intercept and how; field names are the flags' long names without Istio's prefixes.

    Lists hold the items as written, without empty ones; a list that is exactly `("*",)` means all.
    """

    proxy_port: str = "15001"
    inbound_capture_port: str = "15006"
    inbound_tunnel_port: str = "15008"
    proxy_uids: Texts = ()
    proxy_gids: Texts = ()
    inbound_mode: str = ""
    inbound_ports: Texts = ()
    inbound_ports_exclude: Texts = ()
    interfaces_exclude: Texts = ()
    outbound_cidrs: Texts = ()
    outbound_cidrs_exclude: Texts = ()
    outbound_ports: Texts = ()
    outbound_ports_exclude: Texts = ()
    virtual_interfaces: Texts = ()
    tproxy_mark: str = "1337"
    tproxy_route_table: str = "133"
    dry_run: bool = False
    probe_port: int = 15002
    probe_timeout_seconds: float = 5.0
    skip_rule_apply: bool = False
    run_validation: bool = False
    redirect_dns: bool = False
    capture_all_dns: bool = False
    drop_invalid: bool = False
    dual_stack: bool = False
    network_namespace: str = ""
    cni_mode: bool = False
    reconcile: bool = False
    cleanup_only: bool = False
    force_apply: bool = False
    native_nftables: bool = False
    force_iptables_binary: str = ""
    explain: bool = False
    why: str | None = None
    live: bool = False
    output: str = "text"
    owner_groups: Texts = ("*",)
    owner_groups_exclude: Texts = ()
    loopback_cidr: str = "127.0.0.1/32"
    envoy_user: str = "istio-proxy"
    dry_run_file: str = ""
    proxy_mark: str = ""
    """By what the proxy is known instead of users and groups: the mark of what it sends."""
    help: bool = False

    @property
    def transparent(self) -> bool:
        """Whether inbound connections are handed over by TPROXY; every other mode acts as REDIRECT."""
        return self.inbound_mode == "TPROXY"


class _Flag(NamedTuple):
    """How one option is written."""

    name: str
    option: str
    read: Callable[[str], Any]
    short: str = ""
    alias: str = ""
    meaning: str = ""
    in_environment: bool = True

    @property
    def variable(self) -> str:
        return self.name.upper().replace("-", "_")


_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


def _boolean(text: str) -> bool:
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("expected true or false")


def _items(text: str) -> Texts:
    return tuple(item for item in (part.strip() for part in text.split(",")) if item)


def _port_number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise ValueError("expected a number from 0 to 65535")
    return int(text)


def _output(text: str) -> str:
    if text not in ("text", "json"):
        raise ValueError("expected text or json")
    return text


_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def _seconds(text: str) -> float:
    """A duration such as `5s` or `1m30s`."""
    total, number, rest = 0.0, "", text
    while rest:
        if rest[0].isdigit() or rest[0] == ".":
            number, rest = number + rest[0], rest[1:]
            continue
        unit = next((u for u in ("ns", "us", "µs", "ms", "s", "m", "h") if rest.startswith(u)), "")
        if not unit or not number:
            raise ValueError("expected a duration such as 5s or 1m30s")
        total, number, rest = total + float(number) * _UNITS[unit], "", rest[len(unit) :]
    if number not in ("", "0") or not text:
        raise ValueError("expected a duration such as 5s or 1m30s")
    return total


_FLAGS = (
    _Flag(
        "envoy-port", "proxy_port", str, "p", meaning="port that captured outbound TCP goes to", in_environment=False
    ),
    _Flag("inbound-capture-port", "inbound_capture_port", str, "z", meaning="port that captured inbound TCP goes to"),
    _Flag("inbound-tunnel-port", "inbound_tunnel_port", str, "e", meaning="tunnel port, never captured"),
    _Flag("proxy-uid", "proxy_uids", _items, "u", meaning="users whose traffic is not captured"),
    _Flag("proxy-gid", "proxy_gids", _items, "g", meaning="groups whose traffic is not captured"),
    _Flag("istio-inbound-interception-mode", "inbound_mode", str, "m", meaning="TPROXY; all else acts as REDIRECT"),
    _Flag("istio-inbound-ports", "inbound_ports", _items, "b", meaning="inbound ports to capture, * for all"),
    _Flag("istio-local-exclude-ports", "inbound_ports_exclude", _items, "d", meaning="inbound ports left alone"),
    _Flag("istio-exclude-interfaces", "interfaces_exclude", _items, "c", meaning="interfaces left alone"),
    _Flag("istio-service-cidr", "outbound_cidrs", _items, "i", meaning="destinations to capture, * for all"),
    _Flag("istio-service-exclude-cidr", "outbound_cidrs_exclude", _items, "x", meaning="destinations left alone"),
    _Flag("istio-outbound-ports", "outbound_ports", _items, "q", meaning="destination ports always captured"),
    _Flag("istio-local-outbound-ports-exclude", "outbound_ports_exclude", _items, "o", meaning="ports never captured"),
    _Flag("kube-virt-interfaces", "virtual_interfaces", _items, "k", meaning="interfaces of virtual machines"),
    _Flag("istio-inbound-tproxy-mark", "tproxy_mark", str, "t", meaning="packet mark for TPROXY"),
    _Flag("istio-inbound-tproxy-route-table", "tproxy_route_table", str, "r", meaning="routing table for TPROXY"),
    _Flag("dry-run", "dry_run", _boolean, "n", meaning="change nothing, record the commands"),
    _Flag("iptables-probe-port", "probe_port", _port_number, meaning="port of the self-test"),
    _Flag("probe-timeout", "probe_timeout_seconds", _seconds, meaning="time limit of the self-test"),
    _Flag("skip-rule-apply", "skip_rule_apply", _boolean, meaning="do not touch rules or routes"),
    _Flag("run-validation", "run_validation", _boolean, meaning="run the self-test"),
    _Flag("redirect-dns", "redirect_dns", _boolean, alias="ISTIO_META_DNS_CAPTURE", meaning="capture DNS"),
    _Flag("capture-all-dns", "capture_all_dns", _boolean, meaning="capture DNS to any server"),
    _Flag("drop-invalid", "drop_invalid", _boolean, alias="INVALID_DROP", meaning="drop packets without a connection"),
    _Flag("dual-stack", "dual_stack", _boolean, alias="ISTIO_DUAL_STACK", meaning="IPv6 rules if any address is IPv6"),
    _Flag("network-namespace", "network_namespace", str, meaning="network namespace path"),
    _Flag("cni-mode", "cni_mode", _boolean, meaning="host file system, network namespace of a pod"),
    _Flag("reconcile", "reconcile", _boolean, meaning="replace existing rules that differ"),
    _Flag("cleanup-only", "cleanup_only", _boolean, meaning="remove the rules, apply nothing"),
    _Flag("force-apply", "force_apply", _boolean, meaning="apply even if the rules are in force"),
    _Flag("native-nftables", "native_nftables", _boolean, meaning="use nft instead of iptables"),
    _Flag("force-iptables-binary", "force_iptables_binary", str, meaning="legacy or nft"),
    _Flag("explain", "explain", _boolean, meaning="print each rule with what it is for", in_environment=False),
    _Flag(
        "why", "why", str, meaning="tell where a packet goes: 'out tcp 10.96.0.10:80 uid=1000'", in_environment=False
    ),
    _Flag("live", "live", _boolean, meaning="with --why or --explain: the rules in force", in_environment=False),
    _Flag("output", "output", _output, meaning="of --why: text or json", in_environment=False),
    _Flag("help", "help", _boolean, "h", meaning="show this text", in_environment=False),
)

_BY_NAME = {flag.name: flag for flag in _FLAGS}
_BY_SHORT = {flag.short: flag for flag in _FLAGS if flag.short}

_VARIABLES_ONLY: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "ISTIO_OUTBOUND_OWNER_GROUPS": ("owner_groups", lambda text: _items(text) or ("",)),
    "ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE": ("owner_groups_exclude", _items),
    "ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR": ("loopback_cidr", str),
    "ENVOY_USER": ("envoy_user", str),
    "DRY_RUN_FILE_PATH": ("dry_run_file", str),
    proxy_mark.VARIABLE: ("proxy_mark", str),
}
"""Settings without a flag; an owner group list that is set but empty is a list of one empty name."""


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Options:
    """The options of one run. Raises `UsageError` for a command line that cannot be read."""
    return Options(**{**_from_environment(environ), **_from_command_line(argv)})


def usage() -> str:
    """The help text: every flag with its environment variable, default and meaning."""
    lines = ["Usage: lateen iptables [flags]", "", "Programs traffic interception in this network namespace.", ""]
    for flag in _FLAGS:
        default = getattr(Options, flag.option)
        shown = ",".join(default) if isinstance(default, tuple) else default
        note = f" (default {shown})" if shown not in ("", False, None) else ""
        variable = f" [{flag.variable}]" if flag.in_environment else ""
        short = f"-{flag.short}, " if flag.short else "    "
        lines.append(f"  {short}--{flag.name:<36} {flag.meaning}{note}{variable}")
    return "\n".join(lines)


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for flag in _FLAGS:
        for variable in (flag.alias, flag.variable):
            text = environ.get(variable, "") if flag.in_environment else ""
            if not text:
                continue
            try:
                found[flag.option] = flag.read(text)
            except ValueError:
                continue
            break
    for variable, (option, read) in _VARIABLES_ONLY.items():
        if variable in environ:
            found[option] = read(environ[variable])
    return found


def _from_command_line(argv: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word.startswith("--log_"):
            if "=" not in word and word != "--log_as_json" and rest:
                rest.pop(0)
        elif word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            flag = _BY_NAME.get(name)
            if flag is None:
                raise UsageError(f"unknown flag: --{name}; see lateen iptables --help")
            found[flag.option] = _value(flag, f"--{name}", value if equals else None, rest)
        elif word.startswith("-") and len(word) > 1 and word != "--":
            _read_short(word, rest, found)
        else:
            raise UsageError(f"unexpected argument {word!r}: every option is a flag; see lateen iptables --help")
    return found


def _read_short(word: str, rest: list[str], found: dict[str, Any]) -> None:
    """`-p 15001`, `-p15001`, `-p=15001`, `-n`, and booleans run together with a last flag: `-np 15001`."""
    letters = word[1:]
    while letters:
        flag = _BY_SHORT.get(letters[0])
        if flag is None:
            raise UsageError(f"unknown flag: -{letters[0]} in {word!r}; see lateen iptables --help")
        attached = letters[1:]
        if flag.read is _boolean and not attached.startswith("="):
            found[flag.option], letters = True, attached
            continue
        value = attached.removeprefix("=") if attached else None
        found[flag.option] = _value(flag, f"-{flag.short}", value, rest)
        return


def _value(flag: _Flag, written: str, value: str | None, rest: list[str]) -> Any:
    if value is None and flag.read is _boolean:
        return True
    if value is None:
        if not rest:
            raise UsageError(f"flag {written} (--{flag.name}) needs a value")
        value = rest.pop(0)
    try:
        return flag.read(value)
    except ValueError as error:
        raise UsageError(f"invalid value {value!r} for flag {written} (--{flag.name}): {error}") from None
