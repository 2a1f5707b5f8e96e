"""What an Envoy has beside what it is offered."""

from typing import Any

from lateen.cli.proxy_config.comparison import compared

Json = dict[str, Any]


def dump(clusters: list[Json], listeners: list[Json], routes: list[Json], updated: str = "") -> Json:
    stamp = {"last_updated": updated} if updated else {}
    return {
        "configs": [
            {"@type": "x.ClustersConfigDump", "dynamic_active_clusters": [{"cluster": each} for each in clusters]},
            {
                "@type": "x.ListenersConfigDump",
                "dynamic_listeners": [{"name": each["name"], "active_state": {"listener": each}} for each in listeners],
            },
            {
                "@type": "x.RoutesConfigDump",
                "dynamic_route_configs": [{"route_config": each, **stamp} for each in routes],
            },
        ]
    }


A, B, ROUTE = {"name": "a", "type": "EDS"}, {"name": "b"}, {"name": "80"}


def test_what_is_equal_matches_whatever_its_order_and_what_envoy_has_of_its_own() -> None:
    offered, held = dump([A, B], [A], [ROUTE]), dump([B, A], [A], [ROUTE], "2026-01-02T03:04:05.678Z")
    held["configs"][0]["static_clusters"] = [{"cluster": {"name": "xds-grpc"}}]
    assert compared(offered, held) == (
        "Clusters Match\nListeners Match\nRoutes Match (RDS last loaded at 2026-01-02T03:04:05.678Z)"
    )


def test_what_differs_is_shown_by_name() -> None:
    offered, held = dump([A, B], [], []), dump([{**A, "type": "STATIC"}], [{"name": "c"}], [])
    told = compared(offered, held).splitlines()
    assert told[0] == "Clusters Don't Match"
    assert told[1:3] == ["--- Lateen Clusters a", "+++ Envoy Clusters a"]
    assert '-  "type": "EDS"' in told
    assert '+  "type": "STATIC"' in told
    assert "--- Lateen Clusters b" in told  # Envoy does not have it
    assert told[told.index("Listeners Don't Match") + 2] == "+++ Envoy Listeners c"
    assert told[-1] == "Routes Match"


def test_a_route_that_envoy_did_not_ask_for_is_no_difference_but_another_is() -> None:
    assert compared(dump([], [], [ROUTE, {"name": "81"}]), dump([], [], [ROUTE])).endswith("Routes Match")
    assert "Routes Don't Match" in compared(dump([], [], []), dump([], [], [ROUTE]))
