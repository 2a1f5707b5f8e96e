"""Durations as Istio's API writes them."""

from datetime import timedelta

import pytest

from lateen.config.values import Duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("1.5s", 1.5), ("250ms", 0.25), ("1h30m", 5400), ("0s", 0), ("0", 0), ("-0s", 0), ("500us", 0.0005)],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert Duration.parse(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "s", "10 s", "1d", "ten", "1s2", "--1s", "1s."])
def test_what_is_no_duration_is_an_error_that_shows_one(text: str) -> None:
    with pytest.raises(ValueError, match="10s"):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("-1s", "below zero"),
        ("-1ms", "below zero"),
        ("9223372036s", "at most `9223372035s`"),
        ("9999999999999h", "at most"),
        ("9" * 400 + "h", "at most"),
    ],
)
def test_a_duration_out_of_range_is_an_error_that_names_the_bound(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Duration.parse(text)


def test_the_longest_duration_is_what_envoy_takes() -> None:
    assert Duration.parse("9223372035s") == timedelta(seconds=9223372035)


def test_a_duration_is_written_as_seconds() -> None:
    assert [str(Duration(seconds=s)) for s in (10, 1.5, 0, 0.000001, 3600)] == [
        "10s",
        "1.5s",
        "0s",
        "0.000001s",
        "3600s",
    ]
