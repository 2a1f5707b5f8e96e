"""What a proxy is offered, in the shape of Envoy's own configuration dump, so that whoever reads that reads this."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from lateen.control_plane.debug.page import later
from lateen.xds.readable import typed
from lateen.xds.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE, Resource
from lateen.xds.wire import version_text

Json = dict[str, Any]


class _Section(NamedTuple):
    message: str
    list_name: str
    entry: Callable[[str, str, Any], Json]
    """Of name, version and message."""


_SECTIONS: Final = {
    CLUSTER: _Section(
        "ClustersConfigDump",
        "dynamic_active_clusters",
        lambda _, version, cluster: {"version_info": version, "cluster": cluster},
    ),
    LISTENER: _Section(
        "ListenersConfigDump",
        "dynamic_listeners",
        lambda name, version, listener: {
            "name": name,
            "active_state": {"version_info": version, "listener": listener},
        },
    ),
    ROUTE: _Section(
        "RoutesConfigDump",
        "dynamic_route_configs",
        lambda _, version, route: {"version_info": version, "route_config": route},
    ),
    ENDPOINT: _Section(
        "EndpointsConfigDump",
        "dynamic_endpoint_configs",
        lambda _, version, endpoint: {"version_info": version, "endpoint_config": endpoint},
    ),
}
"""In Envoy's order. Source: envoy.admin.v3.ConfigDump."""

DUMPED: Final = tuple(_SECTIONS)


def config_dump(resources: Mapping[str, Iterable[Resource]]) -> Json:
    """The dump of resources by type URL. Messages in it are still to be made (see `page`)."""
    return {"configs": [_dumped(section, t, resources[t]) for t, section in _SECTIONS.items() if t in resources]}


def _dumped(section: _Section, type_url: str, resources: Iterable[Resource]) -> Json:
    entries = [
        section.entry(resource.name, version_text(resource.version), later(typed, type_url, resource.body))
        for resource in resources
    ]
    return {"@type": f"type.googleapis.com/envoy.admin.v3.{section.message}", section.list_name: entries}
