"""Addresses come in pairs."""

from pathlib import Path

import pytest

from lateen.local_runtime.network import address_plan
from lateen.local_runtime.network.address_plan import VIP_NETWORK_IPV6, has_ipv6, ipv4_twin, ipv6_twin


def test_twins() -> None:
    assert ipv6_twin("198.18.29.199") == "fd6c:6174:6565::c612:1dc7"
    assert ipv4_twin(ipv6_twin("198.19.0.7")) == "198.19.0.7"
    assert [ipv4_twin(other) for other in ("fd00::c612:1dc7", "198.18.0.1", "nonsense")] == [None] * 3
    assert VIP_NETWORK_IPV6 == "fd6c:6174:6565::c613:0/112"


def test_a_kernel_without_ipv6_has_no_table_of_its_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_plan, "_ADDRESSES", str(tmp_path / "if_inet6"))
    assert not has_ipv6()
    (tmp_path / "if_inet6").touch()
    assert has_ipv6()
