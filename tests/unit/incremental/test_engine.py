"""The engine against a small world of its own: numbers by name, and queries over them."""

import pytest

from lateen.incremental.engine import CycleError, Engine, query
from lateen.incremental.tables import Change, Index

BY_PARITY = Index(int, keys=lambda n: ["even" if n % 2 == 0 else "odd"])


def put(engine: Engine, **values: int | None) -> None:
    engine.commit(Change(int, name, value) for name, value in values.items())


def settle(engine: Engine) -> list[str]:
    return [repr(node) for node in engine.settle() if node is not None]


@query
def number(engine: Engine, name: str) -> int:
    return engine.get(int, name) or 0


@query
def sign(engine: Engine, name: str) -> int:
    return (number(engine, name) > 0) - (number(engine, name) < 0)


@query
def total(engine: Engine, parity: str) -> int:
    return sum(number(engine, name) for name in engine.find(BY_PARITY, parity))


@query
def described(engine: Engine, name: str) -> str:
    if number(engine, name) < 0:
        engine.note(f"{name} is negative")
    return f"{name} has sign {sign(engine, name)}"


@query
def inverse(engine: Engine, name: str) -> float:
    return 1 / number(engine, name)


@query
def inverses(engine: Engine) -> tuple[float, ...]:
    answers = []
    for name in ("a", "b"):
        try:
            answers.append(inverse(engine, name))
        except ZeroDivisionError:
            continue
    return tuple(answers)


@query
def ping(engine: Engine) -> int:
    return pong(engine)


@query
def pong(engine: Engine) -> int:
    return ping(engine)


def test_an_answer_is_computed_once_and_again_only_when_what_it_read_changed() -> None:
    engine = Engine()
    put(engine, a=1, b=2)
    assert [number(engine, "a"), number(engine, "a")] == [1, 1]
    assert engine.ran[number] == 1
    put(engine, b=3)
    assert number(engine, "a") == 1
    assert engine.ran[number] == 1
    put(engine, a=5)
    assert number(engine, "a") == 5
    assert engine.ran[number] == 2


def test_an_equal_answer_stops_the_change() -> None:
    engine = Engine()
    put(engine, a=1)
    engine.watch(described, "a")
    assert settle(engine) == ["described(a)"]
    engine.ran.clear()
    put(engine, a=2)
    assert settle(engine) == []
    assert dict(engine.ran) == {number: 1, sign: 1, described: 1}  # `described` reads the number itself
    assert described(engine, "a") == "a has sign 1"


def test_absence_is_a_fact() -> None:
    engine = Engine()
    engine.watch(number, "later")
    settle(engine)
    put(engine, later=4)
    assert settle(engine) == ["number(later)"]


def test_a_bucket_wakes_its_readers_when_a_member_comes_goes_or_moves() -> None:
    engine = Engine()
    put(engine, a=1, b=2)
    node = engine.watch(total, "odd")
    settle(engine)
    assert node.value == 1
    put(engine, c=7)
    settle(engine)
    assert node.value == 8
    put(engine, a=2, c=None)
    settle(engine)
    assert node.value == 0
    assert engine.find(BY_PARITY, "even") == ("a", "b")


def test_only_watched_answers_are_settled() -> None:
    engine = Engine()
    put(engine, a=1)
    assert sign(engine, "a") == 1
    put(engine, a=-1)
    engine.ran.clear()
    assert settle(engine) == []
    assert not engine.ran
    assert sign(engine, "a") == -1


def test_a_failure_costs_one_answer_and_the_last_good_one_stays() -> None:
    engine = Engine()
    put(engine, a=2, b=4)
    node = engine.watch(inverses)
    settle(engine)
    assert node.value == (0.5, 0.25)
    put(engine, a=0, b=2)
    settle(engine)
    assert node.value == (0.5, 0.5)
    assert [repr(failed) for failed in engine.failures()] == ["inverse(a)"]
    put(engine, a=1)
    settle(engine)
    assert node.value == (1.0, 0.5)
    assert engine.failures() == []


def test_who_survived_a_failure_is_woken_when_it_is_mended() -> None:
    engine = Engine()
    node = engine.watch(inverses)
    settle(engine)
    assert node.value == ()
    put(engine, a=2)
    settle(engine)
    assert node.value == (0.5,)


def test_reports_are_kept_with_the_answer() -> None:
    engine = Engine()
    put(engine, a=-1)
    engine.watch(described, "a")
    settle(engine)
    put(engine, b=1)
    settle(engine)
    assert engine.reports() == ["a is negative"]
    put(engine, a=1)
    settle(engine)
    assert engine.reports() == []


def test_provenance_names_the_facts_behind_an_answer() -> None:
    engine = Engine()
    put(engine, a=1, b=3)
    node = engine.watch(total, "odd")
    settle(engine)
    assert engine.behind(node) == {(BY_PARITY, "odd"), (int, "a"), (int, "b")}


def test_a_ring_of_queries_is_an_error_that_names_its_members() -> None:
    with pytest.raises(CycleError, match=r"ping\(\) -> pong\(\) -> ping\(\)"):
        ping(Engine())


def test_a_sweep_forgets_what_nothing_watched_rests_on() -> None:
    engine = Engine()
    put(engine, a=1, b=2)
    kept = engine.watch(sign, "a")
    gone = engine.watch(sign, "b")
    settle(engine)
    engine.unwatch(gone)
    assert engine.sweep() == 2
    assert [set(engine.memo[number]), set(engine.memo[sign])] == [{("a",)}, {("a",)}]
    put(engine, a=-3, b=-3)
    assert settle(engine) == ["sign(a)"]
    assert kept.value == -1


def test_a_pause_ends_the_step_and_loses_nothing() -> None:
    engine = Engine()
    put(engine, **{f"n{i}": 2 * i + 1 for i in range(10)})
    node = engine.watch(total, "odd")
    steps = list(engine.settle(pause=lambda: True))
    assert steps.count(None) == 9  # each step but the last answers one number
    assert steps[-1] is node
    assert node.value == sum(2 * i + 1 for i in range(10))
    assert engine.ran[number] == 10


def test_a_commit_between_steps_is_seen() -> None:
    engine = Engine()
    put(engine, **{f"n{i}": 1 for i in range(5)})
    node = engine.watch(total, "odd")
    steps = engine.settle(pause=lambda: True)
    next(steps)
    next(steps)
    put(engine, n0=11, n9=100, n4=3)
    list(steps)
    assert node.value == 11 + 3 * 1 + 3


def test_a_query_must_not_hide_its_arguments() -> None:
    with pytest.raises(TypeError, match="without defaults"):

        @query
        def wrong(engine: Engine, name: str = "a") -> int:
            return number(engine, name)
