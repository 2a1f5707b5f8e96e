"""The debug pages there are, by path, with a sentence for each. Names and shapes are istiod's where it has the page."""

import asyncio
from collections.abc import Mapping
from difflib import get_close_matches
from html import escape
from typing import Any, Final, NamedTuple

from lateen.control_plane.debug import of_mesh, of_proxies
from lateen.control_plane.debug.page import HTML, Function, Known, PageError, Query, rendered
from lateen.sources.handover import Page

ROOT: Final = "/debug"


class _Entry(NamedTuple):
    sentence: str
    function: Function
    usage: str = ""


PAGES: Final[Mapping[str, _Entry]] = {
    "adsz": _Entry("Connected proxies, and the names that each asks for.", of_proxies.adsz),
    "config_dump": _Entry(
        "What a proxy is offered, as Envoy dumps its configuration.",
        of_proxies.dump,
        "?proxyID=POD.NAMESPACE[&types=cds,lds,rds,eds][&include_eds]",
    ),
    "configz": _Entry("Objects in force; keys of Secrets are not shown.", of_mesh.configz, "[?kind=KIND]"),
    "connections": _Entry("Connected proxies, and since when.", of_proxies.connections),
    "edsz": _Entry("The endpoints that a proxy is offered.", of_proxies.edsz, "?proxyID=POD.NAMESPACE"),
    "endpointShardz": _Entry("Endpoints by service and namespace.", of_mesh.endpoint_shardz),
    "endpointz": _Entry("The same, by its old name.", of_mesh.endpoint_shardz),
    "mesh": _Entry("The mesh's settings that differ from their defaults.", of_mesh.mesh),
    "push_status": _Entry("What is wrong with objects in force, and what proxies refuse.", of_proxies.push_status),
    "registryz": _Entry("Services.", of_mesh.registryz),
    "resourcesz": _Entry("Kinds of objects that are read.", of_mesh.resourcesz),
    "syncz": _Entry("How far each proxy is with what it should have.", of_proxies.syncz, "[?namespace=NAMESPACE]"),
}


async def page(known: Known, path: str, query: str) -> Page:
    """The page at a path under `/debug`. What is costly to write is written in a thread."""
    asked = Query.parse(query)
    name = path.removeprefix(ROOT).strip("/")
    try:
        value = _index() if not name else value_of(known, name, asked)
    except PageError as error:
        return error.page
    return value if isinstance(value, Page) else await asyncio.to_thread(rendered, value, pretty=asked.has("pretty"))


def value_of(known: Known, name: str, query: Query) -> Any:
    """What a page says, with leaves still to be made. Raises `PageError`."""
    if name == "list":
        return [f"{ROOT}/{each}" for each in PAGES]
    entry = PAGES.get(name)
    if entry is None:
        near = get_close_matches(name, PAGES, n=1)
        hint = f"did you mean {ROOT}/{near[0]}?" if near else f"{ROOT} lists those that there are"
        raise PageError(404, f"there is no page {ROOT}/{name}; {hint}")
    return entry.function(known, query)


def _index() -> Page:
    rows = "\n".join(
        f'<tr><td><a href="{ROOT}/{name}">{ROOT}/{name}</a>{escape(entry.usage)}</td><td>{entry.sentence}</td></tr>'
        for name, entry in PAGES.items()
    )
    note = f"With <code>pretty</code> in the query JSON is indented. Names only: {ROOT}/list. Metrics: /metrics."
    head = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Debug pages</title></head>'
    return Page(200, HTML, f"{head}<body><h1>Debug pages</h1><table>\n{rows}\n</table><p>{note}</p></body></html>\n")
