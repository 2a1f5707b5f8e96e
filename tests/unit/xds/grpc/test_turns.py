"""Who may write when many could at once."""

import asyncio
from collections.abc import Callable

from lateen.xds.grpc.turns import Turns


class Writers:
    """Each write takes a second of a clock of its own; `rounds` are what was written in each round of the loop."""

    def __init__(self, length_s: float) -> None:
        self.now = 0.0
        self.written: list[str] = []
        self.turns = Turns(length_s, lambda: self.now)

    def writer(self, name: str, again: int = 0) -> Callable[[], None]:
        left = again

        def write() -> None:
            nonlocal left
            self.now += 1.0
            self.written.append(name)
            if left:
                left -= 1
                self.turns.ask(write)

        return write

    async def rounds(self) -> list[str]:
        found = []
        while True:
            await asyncio.sleep(0)
            if not self.written:
                return found
            found.append("".join(self.written))
            self.written.clear()


async def test_a_round_of_the_event_loop_ends_when_its_time_is_over() -> None:
    writers = Writers(length_s=2.0)
    for name in "abcde":
        writers.turns.ask(writers.writer(name))
    assert await writers.rounds() == ["ed", "cb", "a"]


async def test_what_is_begun_is_finished_first() -> None:
    writers = Writers(length_s=2.0)
    for name in "ab":
        writers.turns.ask(writers.writer(name, again=2))
    assert await writers.rounds() == ["bb", "ba", "aa"]
    writers.turns.ask(writers.writer("c", again=4))
    assert await writers.rounds() == ["cc", "cc", "c"]


async def test_who_asks_twice_has_one_turn() -> None:
    writers = Writers(length_s=9.0)
    write = writers.writer("a")
    writers.turns.ask(write)
    writers.turns.ask(write)
    assert await writers.rounds() == ["a"]
