"""Clusters as rows: SERVICE FQDN, PORT, SUBSET, DIRECTION, TYPE, DESTINATION RULE."""

from collections.abc import Sequence

import msgspec

from lateen.cli.proxy_config.dump import Json, config_of

COLUMNS = ("SERVICE FQDN", "PORT", "SUBSET", "DIRECTION", "TYPE", "DESTINATION RULE")
_NONE = "-"


class ClusterFilter(msgspec.Struct, frozen=True):
    """What to show; None shows all."""

    fqdn: str | None = None
    direction: str | None = None
    subset: str | None = None
    port: int | None = None

    def admits(self, cluster: Json) -> bool:
        direction, port, subset, fqdn = parts(cluster["name"])
        return (
            (self.fqdn is None or fqdn == self.fqdn)
            and (self.direction is None or direction == self.direction)
            and (self.subset is None or subset == self.subset)
            and (self.port is None or port == str(self.port))
        )


def parts(name: str) -> tuple[str, str, str, str]:
    """Direction, port, subset and host of a cluster's name; any other name is all host."""
    pieces = name.split("|")
    if len(pieces) != 4:
        return _NONE, _NONE, _NONE, name
    return pieces[0], pieces[1], pieces[2] or _NONE, pieces[3]


def rows(clusters: Sequence[Json]) -> list[Sequence[str]]:
    """Sorted by host, port, subset."""
    found = []
    for cluster in clusters:
        direction, port, subset, fqdn = parts(cluster["name"])
        kind = cluster.get("type") or cluster.get("cluster_type", {}).get("name", "STATIC")
        found.append((fqdn, port, subset, direction, kind, config_of(cluster)))
    return sorted(found, key=lambda row: (row[0], int(row[1]) if row[1].isdecimal() else -1, row[2]))
