import subprocess
import sys
from pathlib import Path

import pytest

from lateen.iptables import __main__ as program
from lateen.iptables.errors import ApplyError, ConfigurationError
from lateen.iptables.planner import Host


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "detect", lambda _: Host())


def test_a_dry_run_prints_the_record_and_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["-n", "-i", "*"], {}) == 0
    assert "-A ISTIO_OUTPUT -j ISTIO_REDIRECT" in capsys.readouterr().out


def test_a_dry_run_with_nft_prints_the_transaction_and_runs_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_programs() -> None:
        raise AssertionError("a dry run must not run programs")

    monkeypatch.setattr(program, "RealPrograms", no_programs)
    assert program.main(["-n", "-i", "*", "--native-nftables"], {}) == 0
    assert "add rule inet istio-proxy-nat istio-output counter jump istio-redirect" in capsys.readouterr().out


def test_exit_codes_and_messages(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert program.main(["--nonsense"], {}) == 255
    assert program.main(["-x", "*"], {}) == 1
    assert "OUTBOUND_IP_RANGES_EXCLUDE" in capsys.readouterr().err

    def without_address(_: object) -> Host:
        raise ConfigurationError("no valid local IP address found")

    monkeypatch.setattr(program, "detect", without_address)
    assert program.main([], {}) == 1


def test_a_mode_that_is_unknown_acts_as_redirect_and_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["-n", "-m", "tproxy"], {}) == 0
    assert "'tproxy' acts as REDIRECT" in capsys.readouterr().err
    assert program.main(["-n", "-m", "TPROXY"], {}) == 0
    assert not capsys.readouterr().err.startswith("warning")


def test_the_record_of_a_dry_run_is_written_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / "record"
    assert program.main(["-n"], {"DRY_RUN_FILE_PATH": str(record)}) == 0
    assert record.read_text() == capsys.readouterr().out

    assert program.main(["-n"], {"DRY_RUN_FILE_PATH": str(tmp_path / "no" / "record")}) == 1
    assert "DRY_RUN_FILE_PATH" in capsys.readouterr().err


def test_a_refusal_names_the_flag_whose_owner_nobody_knows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise ApplyError("nft -f - failed with exit code 1")

    monkeypatch.setattr(program, "apply", refused)
    assert program.main(["-g", "no-such-group"], {}) == 1
    assert "exit code 1; -g (--proxy-gid): there is no group 'no-such-group'" in capsys.readouterr().err


def test_without_mounts_of_its_own_programs_run_plainly_and_that_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []

    def forbidden(_: str) -> None:
        raise PermissionError(1, "unshare: Operation not permitted")

    monkeypatch.setattr(program.namespaces, "enclose_xtables", forbidden)
    monkeypatch.setattr(program, "RealPrograms", lambda *arguments: given.extend(arguments))
    monkeypatch.setattr(program, "apply", lambda *_: None)
    assert program.main(["--cni-mode"], {}) == 0
    assert given == ["the host's file system", {}]
    assert "warning: programs run without mounts of their own" in capsys.readouterr().err


def test_a_network_namespace_that_is_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert program.main(["--network-namespace", str(tmp_path / "none")], {}) == 1
    assert program.main(["--network-namespace", str(tmp_path / "file")], {}) == 1
    missing, other = capsys.readouterr().err.splitlines()
    assert missing.endswith("none: No such file or directory")
    assert "SYS_ADMIN" in other or "expected the file of a network namespace" in other


def test_help_names_the_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--help"], {}) == 0
    assert "--istio-service-cidr" in capsys.readouterr().out


def test_explain_shows_rules_as_packets_meet_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--explain", "-m", "TPROXY", "-b", "*"], {}) == 0
    lines = capsys.readouterr().out.splitlines()
    start = lines.index("table mangle, chain ISTIO_INBOUND")

    assert lines[start + 1] == "  -p tcp -m mark --mark 1337 -j RETURN"
    assert lines[start + 2].strip() == "What is marked already is not captured again."


def test_explain_writes_what_nft_would(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--explain", "--native-nftables", "-i", "*"], {}) == 0
    assert "  counter jump istio-redirect" in capsys.readouterr().out.splitlines()


def test_the_program_imports_nothing_heavy() -> None:
    heavy = "{'msgspec', 'yaml', 'click', 'rich', 'asyncio', 'json', 'ipaddress', 'argparse'}"
    code = f"import sys, lateen.iptables.__main__; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_owner_groups_beside_a_mark_are_told_to_have_no_effect(capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"LATEEN_PROXY_MARK": "1339", "ISTIO_OUTBOUND_OWNER_GROUPS": "7"}
    assert program.main(["-n", "-i", "*", "--native-nftables"], environ) == 0
    shown = capsys.readouterr()
    assert "OWNER_GROUPS have no effect" in shown.err
    assert "skgid" not in shown.out
    assert "mark 1339" in shown.out
