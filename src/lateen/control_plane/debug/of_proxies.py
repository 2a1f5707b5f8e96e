"""Pages about connected proxies: what they ask for, what they are offered, and what became of it."""

from difflib import get_close_matches
from typing import Any, Final

from lateen.control_plane.audiences import Subscriber
from lateen.control_plane.debug.config_dump import DUMPED, config_dump
from lateen.control_plane.debug.page import Json, Known, PageError, Query, later
from lateen.control_plane.debug.sync_status import sync_status, time_text
from lateen.xds.readable import readable
from lateen.xds.resource import EMPTY_OFFER, ENDPOINT, SHORT_NAMES, Resource

_MOST_NAMES: Final = 20

_TYPES: Final = {short.lower(): type_url for type_url, short in SHORT_NAMES.items()} | {
    name: type_url for type_url in DUMPED for name in (type_url, type_url.removeprefix("type.googleapis.com/"))
}


def syncz(known: Known, query: Query) -> list[Json]:
    """See `sync_status`."""
    found = sync_status(known.publisher)
    namespace = query.get("namespace")
    return [each for each in found if not namespace or each["proxy"].endswith(f".{namespace}")]


def connections(known: Known, _query: Query) -> Json:
    """Who is connected, in the order of connection."""
    found = [_connection(each) for each in known.publisher.subscribers()]
    return {"totalClients": len(found), "clients": found}


def adsz(known: Known, _query: Query) -> Json:
    """Who is connected, and the names that each asks for; `*` is everything."""
    found = [_connection(each) | {"watches": _watches(each)} for each in known.publisher.subscribers()]
    return {"totalClients": len(found), "clients": found}


def _connection(subscriber: Subscriber) -> Json:
    connection = subscriber.connection
    return {
        "connectionId": f"{subscriber.proxy.id}-{subscriber.number}",
        "connectedAt": time_text(connection.opened_at),
        "address": str(connection.peer),
    }


def _watches(subscriber: Subscriber) -> Json:
    return {
        type_url: [*(["*"] if subscription.wildcard else []), *sorted(subscription.names)]
        for type_url, subscription in subscriber.connection.subscriptions().items()
    }


def dump(known: Known, query: Query) -> Json:
    """What the proxy is offered. `types`: which, as in `cds,lds`; endpoints only if named there or by `include_eds`."""
    proxy = _proxy(known, query)
    wanted = _types(query.get("types"))
    if not wanted:
        wanted = [type_url for type_url in DUMPED if type_url != ENDPOINT or query.has("include_eds")]
    return config_dump({type_url: _offered(proxy, type_url) for type_url in wanted})


def edsz(known: Known, query: Query) -> list[Any]:
    """The load assignments that the proxy is offered."""
    return [later(readable, ENDPOINT, each.body) for each in _offered(_proxy(known, query), ENDPOINT)]


def push_status(known: Known, _query: Query) -> Json:
    """What is wrong with objects in force, by code, then by object and field."""
    found: dict[str, dict[str, Json]] = {}
    for each in [*known.publisher.refusals.diagnostics(), *known.publisher.mesh.diagnostics()]:
        place = f"{each.ref} {each.path}" if each.path else str(each.ref)
        found.setdefault(each.code or "other", {})[place] = {"message": each.message}
    return found


def _proxy(known: Known, query: Query) -> Subscriber:
    """The newest connection of the proxy that is named."""
    name = query.get("proxyID")
    by_name = {str(each.proxy.id): each for each in known.publisher.subscribers()}
    if not name:
        raise PageError(400, f"name a proxy, as in ?proxyID=POD.NAMESPACE; {_connected(list(by_name))}")
    found = by_name.get(name)
    if found is None:
        near = get_close_matches(name, by_name, n=3) or [each for each in by_name if each.startswith(name)][:3]
        hint = f"did you mean {' or '.join(near)}?" if near else _connected(list(by_name))
        raise PageError(404, f"there is no proxy {name!r}; {hint}")
    return found


def _connected(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:_MOST_NAMES]) or "none"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"connected are: {shown}{more}"


def _types(text: str) -> list[str]:
    wanted = [part.strip() for part in text.split(",") if part.strip()]
    for part in wanted:
        if _TYPES.get(part.lower(), _TYPES.get(part)) not in DUMPED:
            known = ", ".join(SHORT_NAMES[type_url].lower() for type_url in DUMPED)
            raise PageError(400, f"types: {part!r} is not one of {known}")
    return [_TYPES.get(part.lower()) or _TYPES[part] for part in wanted]


def _offered(subscriber: Subscriber, type_url: str) -> list[Resource]:
    offer = subscriber.connection.offered.get(type_url, EMPTY_OFFER)
    return sorted(offer.by_name().values(), key=lambda each: each.name)
