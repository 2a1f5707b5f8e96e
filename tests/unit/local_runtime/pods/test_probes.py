import pytest

from lateen.local_runtime.pods.probes import (
    Assumed,
    Execute,
    HttpGet,
    Probe,
    Tally,
    TcpConnect,
    parse_probe,
    request_bytes,
    status_code,
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
        ({"httpGet": {"port": 443, "scheme": "HTTPS"}}, TcpConnect(443)),
        ({"tcpSocket": {"port": "web"}}, TcpConnect(8080)),
        ({"exec": {"command": ["true"]}}, Execute(("true",))),
    ],
)
def test_what_is_asked(probe, action):
    found = parse_probe(probe, POD)
    assert found is not None
    assert found.action == action


@pytest.mark.parametrize("probe", [{"grpc": {"port": 1}}, {"httpGet": {"port": "none"}}, {"tcpSocket": {"port": "no"}}])
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


def test_a_probe_is_asked_often_until_it_succeeds():
    probe = Probe(action=TcpConnect(1), period=15)
    delays = [probe.delay(attempt, succeeded=False) for attempt in range(40)]
    assert delays[0] <= 0.05
    assert delays == sorted(delays)
    assert delays[-1] == 15
    assert sum(delays[:8]) < 1
    assert probe.delay(0, succeeded=True) == 15


def test_the_request_is_http_with_the_probes_own_headers():
    text = request_bytes(HttpGet(80, "ready", headers=(("Host", "x"), ("A", "b"))), "198.18.1.1").decode()
    lines = text.split("\r\n")
    assert lines[0] == "GET /ready HTTP/1.1"
    assert "Host: x" in lines
    assert "A: b" in lines
    assert sum(line.lower().startswith("host:") for line in lines) == 1
    assert text.endswith("\r\n\r\n")


@pytest.mark.parametrize(("received", "code"), [(b"HTTP/1.1 200 OK\r\n", 200), (b"HTTP/1.0 503\r\n\r\n", 503)])
def test_status_lines(received, code):
    assert status_code(received) == code


@pytest.mark.parametrize("received", [b"", b"SSH-2.0-x 200\r\n", b"HTTP/1.1 abc\r\n"])
def test_what_is_not_http(received):
    with pytest.raises(ValueError, match=r".+"):
        status_code(received)
