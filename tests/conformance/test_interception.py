"""The interception plan against the reference outputs, for both tools."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from lateen.iptables.nft import transaction
from lateen.iptables.options import parse
from lateen.iptables.plan import plan
from lateen.iptables.planner import Host
from lateen.iptables.restore import restore_lines
from lateen.iptables.rules import Family
from lateen.iptables.validate import validated

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "conformance"
CASES: Mapping[str, Any] = (
    json.loads((REFERENCE / "cases.json").read_text()) if (REFERENCE / "cases.json").is_file() else {}
)

pytestmark = pytest.mark.skipif(not CASES, reason=f"the reference outputs are not at {REFERENCE}")


def _host(case: Mapping[str, Any]) -> Host:
    """What the case says was detected; the proxy's ids are those of the case's whole configuration."""
    config = case["effective_config"]
    return Host(
        ipv6=config["EnableIPv6"],
        dns_v4=tuple(config["DNSServersV4"]),
        dns_v6=tuple(config["DNSServersV6"]),
        proxy_uids=tuple(config["ProxyUID"].split(",")),
        proxy_gids=tuple(config["ProxyGID"].split(",")),
    )


def _golden(case: Mapping[str, Any]) -> list[str]:
    text: str = (REFERENCE / case["golden"]).read_text()
    return text.strip().splitlines()


def _named(cases: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in cases]


@pytest.mark.parametrize("case", _named(CASES.get("iptables", [])))
def test_iptables_restore_input_is_the_reference_text(case: Mapping[str, Any]) -> None:
    host = _host(case)
    rules = plan(validated(parse(case["args"], case["env"])), host)
    saves = ["iptables-save", "ip6tables-save"]
    restored = [line for family in host.families for line in restore_lines(rules, Family(family))]

    assert [*saves, *restored, *saves[: len(host.families)]] == _golden(case)


@pytest.mark.parametrize("case", _named(CASES.get("nftables", [])))
def test_nftables_transaction_is_the_reference_text(case: Mapping[str, Any]) -> None:
    options = validated(parse([*case["args"], "--native-nftables"], case["env"]))

    assert list(transaction(plan(options, _host(case)))) == _golden(case)
