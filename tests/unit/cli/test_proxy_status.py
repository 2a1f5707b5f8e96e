from datetime import UTC, datetime, timedelta

import pytest

from lateen.cli.proxy_status import brief_table, refusals, state, verbose_table

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SENT = (NOW - timedelta(seconds=42)).isoformat()
CDS = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
LDS = "type.googleapis.com/envoy.config.listener.v3.Listener"


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (None, "IGNORED"),
        ({"synced": False}, "NOT SENT"),
        ({"synced": True}, "SYNCED"),
        ({"synced": True, "sent": "3", "acked": "3", "sentTime": SENT}, "SYNCED (42s)"),
        ({"synced": False, "sent": "3", "acked": "2", "sentTime": SENT}, "STALE (42s)"),
        ({"synced": False, "sent": "3", "acked": "2", "sentTime": SENT, "lastError": "no"}, "ERROR (42s)"),
    ],
)
def test_states(resource: dict[str, object] | None, expected: str) -> None:
    assert state(resource, NOW) == expected


PROXY = {
    "proxy": "web.default",
    "cluster_id": "Kubernetes",
    "istio_version": "1.30.0",
    "resources": {
        LDS: {
            "sent": "1",
            "sentTime": SENT,
            "lastError": "bad port",
            "refused": ["0.0.0.0_80"],
            "causes": ["Service default/a"],
        },
        CDS: {"synced": True, "sent": "1", "sentTime": SENT},
    },
}


def test_brief_columns() -> None:
    title, row = brief_table([PROXY]).splitlines()
    assert title.split() == ["NAME", "CLUSTER", "ISTIOD", "VERSION", "SUBSCRIBED", "TYPES"]
    assert row.split() == ["web.default", "Kubernetes", "lateen", "1.30.0", "2", "(CDS,LDS)"]


def test_verbose_columns_hold_the_five_types_of_istioctl() -> None:
    title, row = verbose_table([PROXY], NOW).splitlines()
    assert title.split() == ["NAME", "CLUSTER", "CDS", "ECDS", "EDS", "LDS", "RDS", "ISTIOD", "VERSION"]
    assert "SYNCED (42s)   IGNORED   IGNORED   ERROR (42s)   IGNORED" in row


def test_a_refusal_names_the_resource_the_objects_behind_it_and_the_reason() -> None:
    assert refusals([PROXY]) == ["web.default LDS: refused 0.0.0.0_80 (made from Service default/a): bad port"]
