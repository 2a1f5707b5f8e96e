import json

import pytest

from lateen.iptables import __main__ as program
from lateen.iptables.options import parse
from lateen.iptables.plan import plan
from lateen.iptables.planner import Host
from lateen.iptables.rules import Family, Verdict
from lateen.iptables.why import answer
from lateen.iptables.why.canonical import Unmodelled
from lateen.iptables.why.packet import parse_packet
from lateen.iptables.why.ruleset import BaseChain, Entry, Hook, Nothing, Ruleset, planned_iptables
from lateen.iptables.why.walk import walk

COMMAND = ["-b", "*", "-d", "15090", "-i", "*"]
TOLD = """\
OUTPUT  nat OUTPUT          -j ISTIO_OUTPUT                      What processes of this pod send is looked at here.
OUTPUT  nat ISTIO_OUTPUT    -j ISTIO_REDIRECT                    Everything else that is sent by TCP is captured.
OUTPUT  nat ISTIO_REDIRECT  -p tcp -j REDIRECT --to-ports 15001  Captured outbound connections go to the proxy.
redirected to port 15001 of this host: nat ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001 \
(Captured outbound connections go to the proxy.)
"""


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "detect", lambda _: Host(ipv6=True))


def test_the_rules_that_had_a_say_and_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--why", "out tcp 10.96.0.10:80", *COMMAND], {}) == 0
    assert capsys.readouterr().out == TOLD


def test_marks_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--why", "in tcp 10.0.0.5:80", "-m", "TPROXY", *COMMAND], {}) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(
        "handed to the transparent socket on port 15006 of this host, mark 1337: mangle ISTIO_TPROXY"
    )


def test_json_has_every_rule_that_was_asked(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--why", "in tcp [fd00::5]:15090", "--output", "json", "--native-nftables"]
    assert program.main([*words, *COMMAND], {}) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["landing"] == {"kind": "leftAlone"}
    assert found["packet"]["destinationPort"] == 15090
    assert [step["matched"] for step in found["steps"]] == ["yes", "no", "yes"]
    assert found["decidedBy"]["why"] == "Inbound port 15090 is excluded from interception."


def test_what_is_wrongly_asked_is_told_and_changes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_programs() -> None:
        raise AssertionError("no program may be run")

    monkeypatch.setattr(answer, "in_force", no_programs)
    monkeypatch.setattr(program, "apply", no_programs)
    for arguments, code in (
        (["--live"], 1),
        (["--output", "yaml", "--why", "in tcp 1.1.1.1:1"], 255),
        (["--why", ""], 255),
        (["--output", "json"], 1),
    ):
        assert program.main(arguments, {}) == code
    told = capsys.readouterr().err
    assert "--why or --explain" in told
    assert "--output goes with --why" in told


def test_rules_that_cannot_be_judged_are_marked() -> None:
    base = BaseChain("t", "c", Hook.OUTPUT, 0, False)
    odd = (Unmodelled("odd"),)
    entries = (Entry(odd, Nothing(), "odd log", packets=1), Entry(odd, Verdict.DROP, "odd drop", packets=2))
    journey = walk(Ruleset((base,), {("t", "c"): entries}), parse_packet("out tcp 10.0.0.1:80"))
    assert answer.told(journey) == [
        "OUTPUT  t c  ? [2] odd drop",
        "cannot be said: left alone without a rule that cannot be judged, dropped with it: t c odd drop",
    ]
    assert answer.as_json(journey)["landing"] == {
        "kind": "undecided",
        "either": [{"kind": "leftAlone"}, {"kind": "dropped"}],
    }


def test_explain_keeps_the_order_of_each_family(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--explain", "-m", "TPROXY", *COMMAND], {}) == 0
    lines = capsys.readouterr().out.splitlines()
    start = lines.index("table mangle, chain ISTIO_INBOUND")
    assert [line.strip() for line in lines[start + 1 : start + 8 : 2]] == [
        "-p tcp -m mark --mark 1337 -j RETURN",
        "-p tcp -s 127.0.0.6/32 -i lo -j RETURN [IPv4]",
        "-p tcp -s ::6/128 -i lo -j RETURN [IPv6]",
        "-p tcp -i lo -m mark ! --mark 1338 -j RETURN",
    ]


@pytest.mark.parametrize("words", [["--live", "--explain"], ["--live", "--why", "in tcp 10.0.0.5:80"]])
def test_what_is_in_force_is_shown_with_counters(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    live = planned_iptables(plan(parse(COMMAND, {}), Host()), Family.IPV4)
    counted = {place: tuple(entry.replaced(packets=12, why="") for entry in own) for place, own in live.chains.items()}
    monkeypatch.setattr(
        answer, "in_force", lambda family, _: Ruleset(live.bases, counted) if "4" in family else Ruleset()
    )
    monkeypatch.setattr(answer, "interface_addresses", lambda: ("10.0.0.5",))
    assert program.main([*words, *COMMAND], {}) == 0
    told = capsys.readouterr().out
    assert "[12] -p tcp -j REDIRECT --to-ports 15006" in told
    assert "Captured inbound connections go to the proxy's inbound port." in told


def test_not_to_know_is_an_exit_code_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    base = BaseChain("t", "c", Hook.OUTPUT, 0, False)
    live = Ruleset((base,), {("t", "c"): (Entry((Unmodelled("odd"),), Verdict.DROP, "odd drop"),)})
    monkeypatch.setattr(answer, "in_force", lambda *_: live)
    monkeypatch.setattr(answer, "interface_addresses", lambda: ("10.0.0.5",))
    assert program.main(["--live", "--why", "out tcp 10.0.0.9:80"], {}) == 1
    assert program.main(["--live", "--why", "in tcp 10.0.0.5:80"], {}) == 0
