"""Which statistics an Envoy keeps, and how their names split into tags: a part of the bootstrap.

Keeping few is what makes a sidecar small: with a thousand clusters all of them are a hundred thousand. Pure.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

INCLUDED_PREFIXES = (
    "reporter=",
    "cluster_manager",
    "listener_manager",
    "server",
    "cluster.xds-grpc",
    "wasm",
    "component",
    "istio",
)
INCLUDED_SUFFIXES = ("rbac.allowed", "rbac.denied", "shadow_allowed", "shadow_denied")
INCLUDED_REGEXES = (r"vhost\..*\.route\..*",)

ACTIVE_CONNECTIONS_SUFFIX = "downstream_cx_active"
"""Needed by an agent that ends only when no connection is active."""

_ADDRESS = r"(?:[_.\d]*|[_\[\]a-fA-F\d]*)"

TAGS: tuple[tuple[str, str], ...] = (
    # The first group is taken out of the name, the second is the tag's value.
    ("cluster_name", r"^cluster(\.(.+);)"),
    ("http_conn_manager_prefix", r"^http(\.(.+?);)"),
    ("thread_name", r"^(?:server|listener_manager)\.((worker_\d+|main_thread)\.)"),
    ("tcp_prefix", r"^tcp\.((.*?)\.)\w+?$"),
    ("response_code", r"_rq(_(\d{3}))$"),
    ("response_code_class", r"_rq(_(\dxx))$"),
    ("http_conn_manager_listener_prefix", r"^listener\..*?\.http(\.(.+?);)"),
    ("listener_address", rf"^listener\.(({_ADDRESS})(?:\.|;))"),
    ("mongo_prefix", r"^mongo\.((.+?)\.)(?:collection|cmd|cx_|op_|delays_|decoding_)"),
    ("cache", r"(cache\.(.+?)\.)"),
    ("component", r"(component\.(.+?)\.)"),
    ("tag", r"(tag\.(.+?);\.)"),
    ("wasm_filter", r"(wasm_filter\.(.+?)\.)"),
    ("authz_enforce_result", r"rbac(\.(allowed|denied))"),
    ("authz_dry_run_action", r"(\.istio_dry_run_(allow|deny)_)"),
    ("authz_dry_run_result", r"(\.shadow_(allowed|denied))"),
)


class StatsSettings(NamedTuple):
    """What a user adds to the statistics always kept. Source: ProxyConfig `proxyStatsMatcher`, `extraStatTags`."""

    prefixes: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    regexes: tuple[str, ...] = ()
    extra_tags: tuple[str, ...] = ()
    active_connections: bool = False


def stats_config(settings: StatsSettings) -> Mapping[str, Any]:
    """Envoy's `StatsConfig` in JSON form."""
    suffixes = INCLUDED_SUFFIXES + ((ACTIVE_CONNECTIONS_SUFFIX,) if settings.active_connections else ())
    patterns = [{"prefix": prefix} for prefix in _each_once(INCLUDED_PREFIXES + settings.prefixes)]
    patterns += [{"suffix": suffix} for suffix in _each_once(suffixes + settings.suffixes)]
    kept: list[Mapping[str, Any]] = [*patterns]
    kept += [{"safe_regex": {"regex": regex}} for regex in _each_once(INCLUDED_REGEXES + settings.regexes)]
    return {
        "use_all_default_tags": False,
        "stats_tags": [{"tag_name": name, "regex": regex} for name, regex in TAGS]
        + [{"tag_name": tag, "regex": rf"({_quoted(tag)}=\.=(.*?);\.)"} for tag in _each_once(settings.extra_tags)],
        "stats_matcher": {"inclusion_list": {"patterns": kept}},
    }


def _each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _quoted(text: str) -> str:
    """The text as a regex that matches itself."""
    return "".join(char if char.isalnum() or char in "_-" else f"\\{char}" for char in text)
