"""Listeners as rows, one for each filter chain: ADDRESSES, PORT, MATCH, DESTINATION."""

from collections.abc import Iterator, Sequence

import msgspec

from lateen.cli.proxy_config.dump import Json, socket_addresses

COLUMNS = ("ADDRESSES", "PORT", "MATCH", "DESTINATION")
BRIEF_COLUMNS = ("ADDRESSES", "PORT", "TYPE")

_HTTP = "http_connection_manager"
_TCP = "tcp_proxy"
_DNS = "dns_filter"


class ListenerFilter(msgspec.Struct, frozen=True):
    """What to show; None shows all."""

    address: str | None = None
    port: int | None = None
    type: str | None = None

    def admits(self, listener: Json) -> bool:
        found = list(socket_addresses(listener))
        return (
            (self.address is None or any(address == self.address for address, _ in found))
            and (self.port is None or any(port == self.port for _, port in found))
            and (self.type is None or kind_of(listener) == self.type.upper())
        )


def rows(listeners: Sequence[Json]) -> list[Sequence[str]]:
    """Sorted by port, then address; the chains of a listener in their order."""
    found = [(_place(listener), row) for listener in listeners for row in _chains(listener)]
    return [(*_cells(place), *row) for place, row in sorted(found, key=lambda pair: pair[0])]


def brief_rows(listeners: Sequence[Json]) -> list[Sequence[str]]:
    found = sorted((_place(listener), kind_of(listener)) for listener in listeners)
    return [(*_cells(place), kind) for place, kind in found]


def kind_of(listener: Json) -> str:
    """`HTTP`, `TCP`, `HTTP+TCP` or `UNKNOWN`, by what its chains end in; `DNS` where it has none and answers that."""
    if _known_hosts(listener) is not None:
        return "DNS"
    names = {str(each.get("name", "")) for chain in _all_chains(listener) for each in chain.get("filters", [])}
    kinds = [kind for kind, part in (("HTTP", _HTTP), ("TCP", _TCP)) if any(part in name for name in names)]
    return "+".join(kinds) or "UNKNOWN"


def _place(listener: Json) -> tuple[int, str]:
    found = list(socket_addresses(listener))
    return (found[0][1] if found else 0, ",".join(address for address, _ in found))


def _cells(place: tuple[int, str]) -> tuple[str, str]:
    return place[1], str(place[0])


def _all_chains(listener: Json) -> list[Json]:
    default = listener.get("default_filter_chain")
    return [*listener.get("filter_chains", []), *([default] if default else [])]


def _known_hosts(listener: Json) -> int | None:
    """How many hosts a listener of DNS queries answers for itself; None for other listeners."""
    for each in listener.get("listener_filters", []):
        if _DNS in each.get("name", ""):
            table = each.get("typed_config", {}).get("server_config", {}).get("inline_dns_table", {})
            return len(table.get("virtual_domains", []))
    return None


def _chains(listener: Json) -> Iterator[tuple[str, str]]:
    known = _known_hosts(listener)
    if known is not None:
        yield "Trans: udp", f"DNS of {known} hosts, others: name servers"
    for chain in _all_chains(listener):
        yield _match(chain.get("filter_chain_match", {})), _destination(chain)


def _match(match: Json) -> str:
    ranges = [f"{r['address_prefix']}/{r.get('prefix_len', 0)}" for r in match.get("prefix_ranges", [])]
    conditions = (
        ("Trans", match.get("transport_protocol", "")),
        ("App", ",".join(match.get("application_protocols", []))),
        ("Addr", f"{','.join(ranges)}:{match['destination_port']}" if ranges and "destination_port" in match else ""),
        ("Addr", ",".join(ranges) if "destination_port" not in match else ""),
        ("Addr", f"*:{match['destination_port']}" if "destination_port" in match and not ranges else ""),
        ("SNI", ",".join(match.get("server_names", []))),
    )
    return "; ".join(f"{name}: {value}" for name, value in conditions if value) or "ALL"


def _destination(chain: Json) -> str:
    for each in chain.get("filters", []):
        config = each.get("typed_config", {})
        if _HTTP in each.get("name", ""):
            return _http_destination(config)
        if _TCP in each.get("name", ""):
            weighted = config.get("weighted_clusters", {}).get("clusters", [])
            names = [config["cluster"]] if "cluster" in config else [entry["name"] for entry in weighted]
            return ", ".join(name if "|" not in name else f"Cluster: {name}" for name in names)
    return "Non-HTTP/Non-TCP"


def _http_destination(config: Json) -> str:
    if "rds" in config:
        return f"Route: {config['rds']['route_config_name']}"
    hosts = config.get("route_config", {}).get("virtual_hosts", [])
    paths = [route.get("match", {}) for host in hosts for route in host.get("routes", [])]
    shown = [match.get("path") or f"{match.get('prefix', '')}*" for match in paths]
    return f"Inline Route: {', '.join(shown)}"
