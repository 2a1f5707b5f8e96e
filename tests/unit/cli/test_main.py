"""The table of commands: help without imports, exit codes, mistyped names."""

import importlib
import subprocess
import sys
from pathlib import Path

import click
import pytest

from lateen.cli.__main__ import PROGRAMS, SECTIONS, main

HEAVY = ("aiohttp", "google.protobuf", "rich", "watchfiles", "yaml", "asyncio", "http.client", "msgspec")


@pytest.mark.parametrize("name", [name for section in SECTIONS.values() for name in section])
def test_every_command_is_where_the_table_says(name: str) -> None:
    row = next(section[name] for section in SECTIONS.values() if name in section)
    command = importlib.import_module(f"lateen.cli.{row.module}").command
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_is_there(name: str) -> None:
    program = PROGRAMS[name]
    assert callable(getattr(importlib.import_module(f"lateen.cli.{program.module}"), program.function))


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from lateen.cli.__main__ import main; main(['--help']); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for section in SECTIONS.values():
        for name, entry in section.items():
            assert name in shown
            assert entry.help in shown
    assert "supervise" not in shown


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "Usage: lateen" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["lgos"], "there is no command 'lgos'. Did you mean logs?"),
        (["ps", "--nonsense"], "No such option"),
        (["ps", "-o", "xml"], "xml"),
        (["logs"], "Missing argument 'POD'"),
        (["up"], "Missing argument 'PATH...'"),
        (["up", "/no/such/path"], "does not exist"),
        (["delete"], "give either -f FILE, or KIND and NAME"),
        (["exec", "web"], "Missing argument"),
    ],
)
def test_wrong_usage_is_64_and_says_what_is_right(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 64
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["ps"], ["logs", "x"], ["exec", "x", "--", "ls"], ["delete", "pod", "x"]])
def test_without_a_mesh_a_command_says_how_to_start_one(
    argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([argv[0], "--state-dir", str(tmp_path), *argv[1:]]) == 1
    assert capsys.readouterr().err == (
        f"Error: no mesh is running here ({tmp_path}/api.sock does not answer); start one with `lateen up PATH`\n"
    )


def test_down_without_a_mesh_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["down", "--state-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"no mesh is running here ({tmp_path})\n"


def test_version_without_a_mesh(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version", "--state-dir", str(tmp_path)]) == 0
    assert "none, as no mesh is running here" in capsys.readouterr().out
