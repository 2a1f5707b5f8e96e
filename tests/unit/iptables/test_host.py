from collections.abc import Sequence
from pathlib import Path

import pytest

from lateen.iptables.errors import ConfigurationError
from lateen.iptables.host import detect, usable_addresses
from lateen.iptables.options import Options


@pytest.mark.parametrize(
    ("addresses", "dual_stack", "ipv6", "first"),
    [
        (["127.0.0.1", "10.0.0.1"], False, False, "10.0.0.1"),
        (["127.0.0.1", "169.254.1.1", "::1", "fe80::1", "2001:db8::1"], False, True, "2001:db8::1"),
        (["10.0.0.1", "2001:db8::1"], False, False, "10.0.0.1"),
        (["10.0.0.1", "2001:db8::1"], True, True, "10.0.0.1"),
        (["10.0.0.1"], True, False, "10.0.0.1"),
    ],
)
def test_which_addresses_turn_ipv6_rules_on(
    addresses: Sequence[str], dual_stack: bool, ipv6: bool, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lateen.iptables.host.interface_addresses", lambda: addresses)
    host = detect(Options(dual_stack=dual_stack))

    assert (host.ipv6, host.address) == (ipv6, first)


def test_a_host_without_an_address_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="no valid local IP address found"):
        usable_addresses(["127.0.0.1", "fe80::1"])


def test_name_servers_are_split_by_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lateen.iptables.host.interface_addresses", lambda: ("10.0.0.1",))
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("search x\nnameserver 10.0.0.10\n# nameserver 1.1.1.1\nnameserver 2001:db8::1%eth0\n")
    host = detect(Options(redirect_dns=True), str(resolv_conf))

    assert (host.dns_v4, host.dns_v6) == (("10.0.0.10",), ("2001:db8::1",))
    assert detect(Options(), str(resolv_conf)).dns_v4 == ()


def test_unreadable_name_servers_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lateen.iptables.host.interface_addresses", lambda: ("10.0.0.1",))
    with pytest.raises(ConfigurationError, match=r"resolv\.conf"):
        detect(Options(redirect_dns=True), str(tmp_path / "resolv.conf"))


def test_the_group_follows_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lateen.iptables.host.interface_addresses", lambda: ("10.0.0.1",))

    assert detect(Options(proxy_uids=("7",))).proxy_gids == ("7",)
    assert detect(Options(envoy_user="nobody-has-this-name")).proxy_uids == ("1337",)
    assert detect(Options(envoy_user="root")).proxy_uids == ("0",)
