"""What an Envoy has beside what it is offered, told in istioctl's words."""

import json
from collections.abc import Mapping
from difflib import unified_diff
from typing import Any

from lateen.cli.proxy_config import dump

Json = dict[str, Any]


def compared(offered: Json, held: Json) -> str:
    """For clusters, listeners and routes a line that says whether they match, and the difference where they do not.

    Both are configuration dumps. A route configuration that the Envoy has not asked for is no difference.
    """
    theirs = dump.offered(held)
    told = []
    for title, ours in dump.offered(offered).items():
        if title == "Routes":
            ours = {name: route for name, route in ours.items() if name in theirs[title]}
        differing = _difference(title, ours, theirs[title])
        loaded = dump.routes_loaded(held) if title == "Routes" else ""
        match = f"{title} Match (RDS last loaded at {loaded})" if loaded else f"{title} Match"
        told.append(f"{title} Don't Match\n{differing}" if differing else match)
    return "\n".join(told)


def _difference(title: str, ours: Mapping[str, Json], theirs: Mapping[str, Json]) -> str:
    lines: list[str] = []
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            sides = (f"Lateen {title} {name}", f"Envoy {title} {name}")
            lines += unified_diff(_lines(ours.get(name)), _lines(theirs.get(name)), *sides, lineterm="")
    return "\n".join(lines)


def _lines(message: Json | None) -> list[str]:
    return [] if message is None else json.dumps(message, indent=2, sort_keys=True).splitlines()
