"""Tables, ages and formats."""

from datetime import UTC, datetime, timedelta

import pytest
import yaml

from lateen.cli.output import Format, age, rendered, table

NOW = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (150, "2m30s"),
        (599, "9m59s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (10 * 3600, "10h"),
        (47 * 3600, "47h"),
        (48 * 3600, "2d"),
        (-5, "0s"),
    ],
)
def test_ages_are_kubectls(seconds: int, text: str) -> None:
    assert age((NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ"), NOW) == text


def test_an_unknown_age() -> None:
    assert age("", NOW) == "<unknown>"


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table(["NAME", "X"], [["a-long-name", "1"], ["b", ""]]) == "NAME          X\na-long-name   1\nb"


def test_formats_say_the_same() -> None:
    value = {"b": [1, {"a": "no"}], "a": None}
    assert yaml.safe_load(rendered(value, Format.YAML)) == value
    assert yaml.safe_load(rendered(value, Format.JSON)) == value
    assert list(yaml.safe_load(rendered(value, Format.YAML))) == ["b", "a"]
