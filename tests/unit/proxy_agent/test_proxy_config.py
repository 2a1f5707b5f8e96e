import pytest

from lateen.envoy.bootstrap import HostPort, UnixSocket
from lateen.proxy_agent.errors import AgentError
from lateen.proxy_agent.proxy_config import decode, discovery_address, environment_seconds, seconds


def test_nothing_gives_the_defaults() -> None:
    config = decode("\n")
    assert config.config_path == "/etc/istio/proxy"
    assert config.discovery_address == HostPort("istiod.istio-system.svc", 15012)
    assert (config.drain_seconds, config.termination_drain_seconds) == (45.0, 5.0)
    assert (config.admin_port, config.status_port, config.concurrency) == (15000, 15020, None)


def test_fields_without_effect_are_told() -> None:
    assert decode('{"statsdUdpAddress": "a:1", "customConfigFile": ""}').ignored == ("statsdUdpAddress",)


def test_fields_that_are_set_win_and_unknown_ones_are_kept() -> None:
    config = decode(
        '{"concurrency": 0, "terminationDrainDuration": "0s", "proxyMetadata": {"A": "b"}, "configPath": "/tmp/x",'
        ' "proxyStatsMatcher": {"inclusionPrefixes": ["p"], "inclusionRegexps": ["r"]}, "later": {"x": 1}}'
    )
    assert config.concurrency == 0
    assert config.termination_drain_seconds == 0
    assert config.proxy_metadata == {"A": "b"}
    assert config.config_path == "/tmp/x"
    assert config.stats_matcher.prefixes == ("p",)
    assert config.stats_matcher.regexes == ("r",)
    assert config.raw["later"] == {"x": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "PROXY_CONFIG: not JSON"),
        ("[]", "PROXY_CONFIG: a JSON object is expected"),
        ('{"statusPort": "15020"}', 'PROXY_CONFIG statusPort: a number is expected, not "15020"'),
        ('{"drainDuration": "soon"}', "PROXY_CONFIG drainDuration: 'soon' is not a duration"),
        ('{"drainDuration": 5}', "PROXY_CONFIG drainDuration: a text is expected"),
        ('{"extraStatTags": "x"}', "PROXY_CONFIG extraStatTags: a list of texts"),
        ('{"proxyStatsMatcher": {"inclusionSuffixes": [1]}}', "PROXY_CONFIG proxyStatsMatcher inclusionSuffixes"),
        ('{"discoveryAddress": "istiod"}', "discoveryAddress: 'istiod' is neither"),
    ],
)
def test_a_wrong_field_is_named(text: str, message: str) -> None:
    with pytest.raises(AgentError) as caught:
        decode(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:///run/lateen/xds.sock", UnixSocket("/run/lateen/xds.sock")),
        ("unix:/run/xds", UnixSocket("/run/xds")),
        ("istiod.x.svc:15010", HostPort("istiod.x.svc", 15010)),
        ("[fd00::1]:15010", HostPort("fd00::1", 15010)),
    ],
)
def test_addresses_of_the_control_plane(text: str, address: UnixSocket | HostPort) -> None:
    assert discovery_address(text) == address


@pytest.mark.parametrize("text", ["", "unix://relative", "host:0", "host:99999", ":80", "http://a/b:1"])
def test_no_address(text: str) -> None:
    with pytest.raises(AgentError, match="discoveryAddress"):
        discovery_address(text)


@pytest.mark.parametrize(
    ("text", "value"), [("5s", 5.0), ("1.5s", 1.5), ("100ms", 0.1), ("1m30s", 90.0), ("2h", 7200.0), ("0s", 0.0)]
)
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "-1s", "1.2.3s", "5sm"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(text)


def test_a_duration_of_the_environment() -> None:
    assert environment_seconds({}, "D", 5.0) == 5.0
    assert environment_seconds({"D": "7s"}, "D", 5.0) == 7.0
    with pytest.raises(AgentError, match="D: 'x'"):
        environment_seconds({"D": "x"}, "D", 5.0)
