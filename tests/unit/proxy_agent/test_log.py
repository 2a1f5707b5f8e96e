import json

import pytest

from lateen.proxy_agent.log import Log, level_of


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("default:info", "info"),
        ("debug", "debug"),
        ("default:warning,xds:debug", "warn"),
        ("xds:debug", "info"),
        ("all:none", "none"),
    ],
)
def test_the_agent_takes_the_level_of_its_scope(text: str, level: str) -> None:
    assert level_of(text) == level


def test_lower_levels_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log("warn")
    log.info("no")
    log.error("yes")
    assert capsys.readouterr().err.endswith("\terror\tyes\n")


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    Log("info", as_json=True).warn('a "b"')
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["msg"]) == ("warn", 'a "b"')
