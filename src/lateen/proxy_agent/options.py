"""The arguments of `proxy`, `request` and `wait`: those of Istio's agent. Pure.

Not by a library: importing one costs more than all the rest of an agent's start before Envoy runs.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lateen.proxy_agent.errors import AgentError
from lateen.proxy_agent.log import level_of


class Flags(NamedTuple):
    """Arguments split: `--name=value` and `--name value` by name, and all others in order."""

    values: Mapping[str, str]
    positional: tuple[str, ...]


class ProxyOptions(NamedTuple):
    """`proxy sidecar|router …`."""

    kind: str
    domain: str = ""
    concurrency: int | None = None
    log_level: str = "warning"
    component_log_level: str = ""
    output_level: str = "info"
    log_as_json: bool = False
    outlier_log_path: str = ""
    service_cluster: str = ""
    unknown: tuple[str, ...] = ()
    """Flags of Istio's agent, or of nobody, that have no effect here."""


PROXY_KINDS = ("sidecar", "router")

_SWITCHES = frozenset({"log_as_json", "profiling", "log_stacktrace"})
"""Flags that take a value only after `=`."""


def split_flags(arguments: Sequence[str]) -> Flags:
    """Splits arguments. A flag takes the next argument as its value, unless it has one after `=` or is a switch.

    After `--` nothing is a flag. Raises `AgentError` for a flag whose value is missing.
    """
    values: dict[str, str] = {}
    positional: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            positional += rest
            break
        if not argument.startswith("--"):
            positional.append(argument)
            continue
        name, separator, value = argument[2:].partition("=")
        if not separator:
            value = "true" if name in _SWITCHES else next(rest, "")
            if not value:
                raise AgentError(f"flag --{name} needs a value, as in --{name}=VALUE")
        values[name] = value
    return Flags(values, tuple(positional))


def proxy_options(arguments: Sequence[str]) -> ProxyOptions:
    """Reads what follows `proxy`. Raises `AgentError`."""
    flags, positional = split_flags(arguments)
    if len(positional) != 1 or positional[0] not in PROXY_KINDS:
        given = " ".join(positional) or "nothing"
        raise AgentError(f"proxy takes one of {', '.join(PROXY_KINDS)}, as in 'proxy sidecar'; it got {given}")
    known = {
        "domain", "concurrency", "proxyLogLevel", "proxyComponentLogLevel", "log_output_level", "log_as_json",
        "outlierLogPath", "serviceCluster",
    }  # fmt: skip
    try:
        level = level_of(flags.get("log_output_level", "info"))
    except ValueError as error:
        raise AgentError(f"flag --log_output_level: {error}") from error
    return ProxyOptions(
        kind=positional[0],
        domain=flags.get("domain", ""),
        concurrency=integer(flags, "concurrency", None),
        log_level=flags.get("proxyLogLevel", "warning"),
        component_log_level=flags.get("proxyComponentLogLevel", ""),
        output_level=level,
        log_as_json=flags.get("log_as_json", "false") == "true",
        outlier_log_path=flags.get("outlierLogPath", ""),
        service_cluster=flags.get("serviceCluster", ""),
        unknown=tuple(sorted(set(flags) - known)),
    )


def integer(flags: Mapping[str, str], name: str, default: int | None) -> int | None:
    """The flag's value as a number that is not negative. Raises `AgentError`."""
    text = flags.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()):
        raise AgentError(f"flag --{name}: {text!r} is not a number")
    return int(text)
