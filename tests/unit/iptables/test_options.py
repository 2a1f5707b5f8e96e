from collections.abc import Mapping, Sequence

import pytest

from lateen.iptables.errors import UsageError
from lateen.iptables.options import Options, parse, usage

DEFAULT_COMMAND = [
    "-p",
    "15001",
    "-z",
    "15006",
    "-u",
    "1337",
    "-m",
    "REDIRECT",
    "-i",
    "*",
    "-x",
    "",
    "-b",
    "*",
    "-d",
    "15090,15021,15020",
]


def test_the_default_command_of_a_pod() -> None:
    assert parse([*DEFAULT_COMMAND, "--log_output_level=default:info"], {}) == Options(
        proxy_uids=("1337",),
        inbound_mode="REDIRECT",
        outbound_cidrs=("*",),
        inbound_ports=("*",),
        inbound_ports_exclude=("15090", "15021", "15020"),
    )


@pytest.mark.parametrize(
    ("argv", "option", "value"),
    [
        (["-p", "1"], "proxy_port", "1"),
        (["-p1"], "proxy_port", "1"),
        (["-p=1"], "proxy_port", "1"),
        (["--envoy-port", "1"], "proxy_port", "1"),
        (["--envoy-port=1"], "proxy_port", "1"),
        (["-np", "1"], "proxy_port", "1"),
        (["-np", "1"], "dry_run", True),
        (["-n"], "dry_run", True),
        (["-n=false"], "dry_run", False),
        (["--dry-run=T"], "dry_run", True),
        (["-d", "6000,7000,"], "inbound_ports_exclude", ("6000", "7000")),
        (["-x", ""], "outbound_cidrs_exclude", ()),
        (["--probe-timeout", "1m30s"], "probe_timeout_seconds", 90.0),
        (["--iptables-probe-port", "0"], "probe_port", 0),
        (["--log_as_json", "--log_target", "stdout", "-p", "1"], "proxy_port", "1"),
    ],
)
def test_ways_to_write_a_flag(argv: Sequence[str], option: str, value: object) -> None:
    assert getattr(parse(argv, {}), option) == value


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--nonsense"], "--nonsense"),
        (["-Q"], "-Q"),
        (["-p"], "--envoy-port"),
        (["--dry-run=maybe"], "maybe"),
        (["--iptables-probe-port", "70000"], "70000"),
        (["--probe-timeout", "5"], "5s"),
        (["stray"], "stray"),
    ],
)
def test_a_command_line_that_cannot_be_read(argv: Sequence[str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse(argv, {})
    assert caught.value.exit_code == 255


@pytest.mark.parametrize(
    ("argv", "environ", "option", "value"),
    [
        ([], {"INBOUND_CAPTURE_PORT": "7"}, "inbound_capture_port", "7"),
        (["-z", "8"], {"INBOUND_CAPTURE_PORT": "7"}, "inbound_capture_port", "8"),
        ([], {"ENVOY_PORT": "7"}, "proxy_port", "15001"),
        ([], {"REDIRECT_DNS": "false", "ISTIO_META_DNS_CAPTURE": "true"}, "redirect_dns", True),
        ([], {"REDIRECT_DNS": "true", "ISTIO_META_DNS_CAPTURE": "maybe"}, "redirect_dns", True),
        ([], {"DUAL_STACK": "maybe"}, "dual_stack", False),
        ([], {"NATIVE_NFTABLES": "true"}, "native_nftables", True),
        ([], {"ISTIO_OUTBOUND_OWNER_GROUPS": "java,202"}, "owner_groups", ("java", "202")),
        ([], {"ISTIO_OUTBOUND_OWNER_GROUPS": ""}, "owner_groups", ("",)),
        ([], {}, "owner_groups", ("*",)),
    ],
)
def test_precedence_of_flag_alias_variable_and_default(
    argv: Sequence[str], environ: Mapping[str, str], option: str, value: object
) -> None:
    assert getattr(parse(argv, environ), option) == value


def test_usage_names_every_flag_with_its_variable() -> None:
    assert "-z, --inbound-capture-port" in usage()
    assert "[INBOUND_CAPTURE_PORT]" in usage()
    assert "(default 15006)" in usage()
