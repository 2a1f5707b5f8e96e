"""Route configurations as rows, one for each route: NAME, VHOST NAME, DOMAINS, MATCH, VIRTUAL SERVICE."""

from collections.abc import Iterator, Sequence

from lateen.cli.proxy_config.dump import Json, config_of

COLUMNS = ("NAME", "VHOST NAME", "DOMAINS", "MATCH", "VIRTUAL SERVICE")
BRIEF_COLUMNS = ("NAME", "VIRTUAL HOSTS")
_SHOWN_DOMAINS = 2


def rows(configurations: Sequence[Json]) -> list[Sequence[str]]:
    """Numbered names first, then the others; virtual hosts by name, routes as Envoy tries them."""
    return [row for configuration in sorted(configurations, key=_by_name) for row in _hosts(configuration)]


def brief_rows(configurations: Sequence[Json]) -> list[Sequence[str]]:
    found = sorted(configurations, key=_by_name)
    return [(each.get("name", ""), str(len(each.get("virtual_hosts", [])))) for each in found]


def _by_name(configuration: Json) -> tuple[bool, int, str]:
    name = str(configuration.get("name", ""))
    return (not name.isdecimal(), int(name) if name.isdecimal() else 0, name)


def _hosts(configuration: Json) -> Iterator[Sequence[str]]:
    name = str(configuration.get("name", ""))
    for host in sorted(configuration.get("virtual_hosts", []), key=lambda host: str(host["name"])):
        domains = _domains(host.get("domains", []))
        if not host.get("routes"):
            yield name, host["name"], domains, "/*", "404"
        for route in host.get("routes", []):
            yield name, host["name"], domains, _match(route.get("match", {})), config_of(route)


def _domains(domains: Sequence[str]) -> str:
    shown = ", ".join(domains[:_SHOWN_DOMAINS])
    more = len(domains) - _SHOWN_DOMAINS
    return f"{shown} + {more} more..." if more > 0 else shown


def _match(match: Json) -> str:
    path = ""
    if "prefix" in match:
        path = f"{match['prefix']}*"
    elif "path_separated_prefix" in match:
        path = f"PathPrefix:{match['path_separated_prefix']}"
    elif "path" in match:
        path = match["path"]
    elif "safe_regex" in match:
        path = f"regex {match['safe_regex'].get('regex', '')}"
    conditions = [_header(header) for header in match.get("headers", [])]
    conditions += [f"?{parameter.get('name', '')}" for parameter in match.get("query_parameters", [])]
    return " ".join([path, *conditions])


def _header(header: Json) -> str:
    match = header.get("string_match", {})
    text = match.get("exact") or (f"{match['prefix']}*" if "prefix" in match else "")
    text = text or (f"~{match['safe_regex'].get('regex', '')}" if "safe_regex" in match else "")
    name = str(header.get("name", ""))
    shown = f"{name}={text}" if text else name
    return f"!{shown}" if header.get("invert_match") else shown
