from collections.abc import Iterator

import pytest

from lateen.envoy.admin import Admin, StartupState, Updates
from lateen.envoy.errors import AdminError
from lateen.proxy_agent.readiness import Readiness, missing

READY = StartupState(True, True, Updates(1), Updates(1))


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (READY, None),
        (READY._replace(clusters=Updates()), "no CDS update from the control plane has been accepted yet"),
        (READY._replace(listeners=Updates(0, 2)),
         "no LDS update from the control plane has been accepted yet; 2 refused by Envoy"),
        (READY._replace(live=False), "Envoy is not live"),
        (READY._replace(workers_started=False), "Envoy's workers have not started"),
    ],
)  # fmt: skip
def test_what_a_start_is_waiting_for(state: StartupState, problem: str | None) -> None:
    assert missing(state) == problem


class ScriptedAdmin(Admin):
    """Answers with the given states in order; a state that is None is an Envoy that cannot be asked."""

    def __init__(self, *states: StartupState | None) -> None:
        super().__init__()
        self.states: Iterator[StartupState | None] = iter(states)

    async def startup_state(self) -> StartupState:
        state = next(self.states)
        if state is None:
            raise AdminError("refused")
        return state


async def test_once_ready_envoy_is_not_asked_again() -> None:
    told: list[str] = []
    readiness = Readiness(ScriptedAdmin(None, READY), lambda: told.append("ready"))
    assert await readiness.problem() == "refused"
    assert await readiness.problem() is None
    assert await readiness.problem() is None
    assert told == ["ready"]


async def test_a_draining_proxy_is_not_ready() -> None:
    readiness = Readiness(ScriptedAdmin(READY), lambda: None)
    assert await readiness.problem() is None
    readiness.drain()
    assert await readiness.problem() == "the proxy is shutting down"
