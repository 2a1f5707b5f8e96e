import json
from typing import Any

import pytest

from lateen.iptables.rules import Address, Family, Owner, OwnerKind, Port, Side, Transport, Verdict
from lateen.iptables.why.canonical import OtherProtocol, Unmodelled
from lateen.iptables.why.nft_listing import entry, ruleset
from lateen.iptables.why.ruleset import Call, Hook, Nothing


def match(left: dict[str, Any], right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


DPORT = {"payload": {"protocol": "tcp", "field": "dport"}}
DADDR = {"payload": {"protocol": "ip", "field": "daddr"}}
DROP: dict[str, Any] = {"drop": None}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        (match(DPORT, {"set": [{"range": [90, 99]}, 80]}), Port(Transport.TCP, Side.DESTINATION, ("80", "90:99"))),
        (match(DADDR, {"prefix": {"addr": "10.0.0.0", "len": 8}}), Address(Side.DESTINATION, "10.0.0.0/8")),
        (match({"meta": {"key": "skuid"}}, "root"), Owner(OwnerKind.USER, "0")),
        (match({"meta": {"key": "skgid"}}, {"range": [1, 9]}, "!="), Owner(OwnerKind.GROUP, "1-9", True)),
        (match({"meta": {"key": "l4proto"}}, "icmp"), OtherProtocol("icmp")),
    ],
)
def test_matches_are_read(expression: dict[str, Any], found: object) -> None:
    assert entry([expression, DROP]).meaning == ((found,), Verdict.DROP)


@pytest.mark.parametrize(
    "expression",
    [
        match(DPORT, "@ports"),
        match(DPORT, 80, "<"),
        match(DADDR, {"range": ["10.0.0.1", "10.0.0.9"]}),
        match({"meta": {"key": "oifname"}}, "lo", "!="),
        match({"meta": {"key": "iifname"}}, {"set": ["a", "b"]}),
        match({"meta": {"key": "skuid"}}, {"set": [1, 2]}),
        match({"meta": {"key": "cpu"}}, 1),
        match({"&": [{"meta": {"key": "mark"}}, 1]}, 1),
        {"limit": {"rate": 1, "per": "second"}},
        {"xt": {"type": "match", "name": "string"}},
    ],
)
def test_what_is_not_modelled_is_kept_as_text(expression: dict[str, Any]) -> None:
    assert entry([expression, DROP]).meaning == ((Unmodelled(json.dumps(expression)),), Verdict.DROP)


def test_targets() -> None:
    assert entry([{"counter": {"packets": 4, "bytes": 9}}]).meaning == ((), Nothing())
    assert entry([{"counter": {"packets": 4, "bytes": 9}}]).packets == 4
    assert entry([{"goto": {"target": "x"}}]).target == Call("x", returns=False)
    assert entry([{"reject": None}]).target is Verdict.DROP
    assert isinstance(entry([{"vmap": {"key": DPORT, "data": "@x"}}]).target, Unmodelled)
    assert isinstance(entry([{"redirect": {"port": 1, "flags": "random"}}]).target, Unmodelled)
    assert isinstance(entry([{"mangle": {"key": {"ip": "dscp"}, "value": 1}}, DROP]).target, Unmodelled)


def test_the_text_is_what_nft_would_take() -> None:
    expressions = [match(DPORT, 80), {"counter": {"packets": 0, "bytes": 0}}, {"jump": {"target": "x"}}]
    assert entry(expressions).text == "tcp dport 80 jump x"


def test_tables_of_the_other_family_and_other_hooks_are_left_out() -> None:
    def chain(family: str, hook: str) -> dict[str, Any]:
        base = {"hook": hook, "prio": 5, "type": "filter", "policy": "drop"}
        return {"chain": {"family": family, "table": "t", "name": f"{family}-{hook}", **base}}

    chains = [chain("ip", "output"), chain("ip6", "output"), chain("inet", "postrouting"), chain("bridge", "output")]
    found = ruleset(json.dumps({"nftables": [{"metainfo": {}}, *chains]}), Family.IPV4)
    (base,) = found.bases
    assert (base.table, base.hook, base.priority, base.policy) == ("ip t", Hook.OUTPUT, 5, Verdict.DROP)
    assert set(found.chains) == {("ip t", "ip-output"), ("inet t", "inet-postrouting")}
