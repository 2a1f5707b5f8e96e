"""Endpoints as rows: live ones with their health, or those of a dump."""

from collections.abc import Iterator, Sequence

import msgspec

from lateen.cli.proxy_config.dump import Json

COLUMNS = ("ENDPOINT", "STATUS", "OUTLIER CHECK", "CLUSTER")
Row = tuple[str, str, str, str]
DUMP_COLUMNS = ("NAME", "STATUS", "LOCALITY", "CLUSTER")


class EndpointFilter(msgspec.Struct, frozen=True):
    """What to show; None shows all."""

    address: str | None = None
    port: int | None = None
    cluster: str | None = None
    status: str | None = None

    def admits(self, address: str, port: int, cluster: str, status: str) -> bool:
        return (
            (self.address is None or address == self.address)
            and (self.port is None or port == self.port)
            and (self.cluster is None or cluster == self.cluster)
            and (self.status is None or status.lower() == self.status.lower())
        )


def live_rows(statuses: Json, wanted: EndpointFilter) -> list[Row]:
    """Rows of `/clusters?format=json`, sorted by endpoint, then cluster."""
    return sorted(_live(statuses, wanted))


def _live(statuses: Json, wanted: EndpointFilter) -> Iterator[Row]:
    for cluster in statuses.get("cluster_statuses", []):
        for host in cluster.get("host_statuses", []):
            address, port, shown = _place(host.get("address", {}))
            health = host.get("health_status", {})
            status = (
                "UNHEALTHY" if health.get("failed_active_health_check") else health.get("eds_health_status", "UNKNOWN")
            )
            outlier = "FAILED" if health.get("failed_outlier_check") else "OK"
            if wanted.admits(address, port, cluster["name"], status):
                yield shown, status, outlier, cluster["name"]


def dump_rows(assignments: Sequence[Json], wanted: EndpointFilter) -> list[Row]:
    """Rows of the load assignments of a dump, sorted by endpoint, then cluster."""
    return sorted(_dumped(assignments, wanted))


def _dumped(assignments: Sequence[Json], wanted: EndpointFilter) -> Iterator[Row]:
    for assignment in assignments:
        for group in assignment.get("endpoints", []):
            place = group.get("locality", {})
            locality = "/".join(place.get(part, "") for part in ("region", "zone", "sub_zone")).strip("/")
            for member in group.get("lb_endpoints", []):
                address, port, shown = _place(member.get("endpoint", {}).get("address", {}))
                status = member.get("health_status", "HEALTHY")
                if wanted.admits(address, port, assignment["cluster_name"], status):
                    yield shown, status, locality, assignment["cluster_name"]


def _place(address: Json) -> tuple[str, int, str]:
    if "pipe" in address:
        path = str(address["pipe"].get("path", ""))
        return path, 0, f"unix://{path}"
    found = address.get("socket_address", {})
    host, port = str(found.get("address", "")), int(found.get("port_value", 0))
    return host, port, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
