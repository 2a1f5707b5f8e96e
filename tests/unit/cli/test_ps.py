import pytest

from lateen.cli.ps import sync_state

SYNCED = {"sent": "1", "acked": "1", "synced": True}
RESUMED = {"synced": True}
"""It had all that it asked for from an earlier stream, so that nothing was sent."""
STALE = {"sent": "2", "acked": "1", "synced": False}
NOTHING = {"synced": False}
ERROR = {"sent": "2", "acked": "1", "synced": False, "lastError": "no"}


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ((), "NOT SENT"),
        ((NOTHING,), "NOT SENT"),
        ((SYNCED, RESUMED), "SYNCED"),
        ((RESUMED,), "SYNCED"),
        ((SYNCED, NOTHING), "SYNCED"),
        ((SYNCED, STALE), "STALE"),
        ((STALE, ERROR), "ERROR"),
    ],
)
def test_the_state_of_a_proxy_is_that_of_its_worst_type(types: tuple[dict[str, object], ...], expected: str) -> None:
    assert sync_state({"resources": {str(n): each for n, each in enumerate(types)}}) == expected
