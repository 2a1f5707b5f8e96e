import pytest

from lateen.local_runtime.pods.probes import (
    Assumed,
    Execute,
    GrpcCheck,
    HttpGet,
    Probe,
    Tally,
    TcpConnect,
    parse_probe,
)

POD = {"spec": {"containers": [{"name": "c", "ports": [{"name": "web", "containerPort": 8080}]}]}}


@pytest.mark.parametrize(
    ("probe", "action"),
    [
        ({"httpGet": {"port": 80}}, HttpGet(80)),
        ({"httpGet": {"port": "web", "path": "/x"}}, HttpGet(8080, "/x")),
        (
            {"httpGet": {"port": "81", "httpHeaders": [{"name": "A", "value": "b"}]}},
            HttpGet(81, headers=(("A", "b"),)),
        ),
        ({"httpGet": {"port": 443, "scheme": "HTTPS"}}, HttpGet(443, tls=True)),
        ({"grpc": {"port": 9000, "service": "s"}}, GrpcCheck(9000, "s")),
        ({"tcpSocket": {"port": "web"}}, TcpConnect(8080)),
        ({"exec": {"command": ["true"]}}, Execute(("true",))),
    ],
)
def test_what_is_asked(probe, action):
    found = parse_probe(probe, POD)
    assert found is not None
    assert found.action == action


@pytest.mark.parametrize("probe", [{"periodSeconds": 1}, {"httpGet": {"port": "none"}}, {"tcpSocket": {"port": "no"}}])
def test_what_cannot_be_asked_counts_as_passed_with_a_reason(probe):
    found = parse_probe(probe, POD)
    assert found is not None
    assert isinstance(found.action, Assumed)


def test_defaults_are_those_of_kubernetes():
    assert parse_probe({"tcpSocket": {"port": 1}}, POD) == Probe(action=TcpConnect(1))
    assert parse_probe(None, POD) is None


def test_thresholds_decide():
    probe = Probe(action=TcpConnect(1), success_threshold=2, failure_threshold=3)
    verdicts, tally = [], Tally()
    for answer in (True, False, True, True, False, False, True, False, False, False):
        tally = tally.after(answer, probe)
        verdicts.append(tally.passed)
    assert verdicts == [False, False, False, True, True, True, True, True, True, False]


def test_a_liveness_probe_begins_as_passed():
    probe = Probe(action=TcpConnect(1), failure_threshold=2)
    tally = Tally(passed=True).after(False, probe)
    assert tally.passed
    assert tally.after(True, probe) == Tally(passed=True)
    assert not tally.after(False, probe).passed


def test_the_time_to_end_is_the_probes_own():
    found = parse_probe({"tcpSocket": {"port": 1}, "terminationGracePeriodSeconds": 0}, POD)
    assert found is not None
    assert found.grace == 0


def test_a_probe_is_asked_often_until_it_succeeds():
    probe = Probe(action=TcpConnect(1), period=15)
    delays = [probe.delay(attempt, succeeded=False) for attempt in range(40)]
    assert delays[0] <= 0.05
    assert delays == sorted(delays)
    assert delays[-1] == 15
    assert sum(delays[:8]) < 1
    assert probe.delay(0, succeeded=True) == 15
