import pytest

from lateen.proxy_agent.app_probes import GrpcProbe, HttpProbe, Probe, TcpProbe, decode_probes, run_probe
from lateen.proxy_agent.errors import AgentError


def test_each_kind_of_probe() -> None:
    probes = decode_probes(
        '{"/app-health/a/readyz": {"httpGet": {"port": 80, "path": "ok", "scheme": "HTTPS",'
        ' "httpHeaders": [{"name": "X-A", "value": "b"}]}, "timeoutSeconds": 3},'
        ' "/app-health/a/livez": {"tcpSocket": {"port": 81}},'
        ' "/app-health/a/startupz": {"grpc": {"port": 82, "service": null}},'
        ' "/app-lifecycle/a/prestopz": {"httpGet": {"port": 83}}}'
    )
    assert probes == {
        "/app-health/a/readyz": Probe(HttpProbe(80, "/ok", True, {"x-a": "b"}), 3.0),
        "/app-health/a/livez": Probe(TcpProbe(81), 1.0),
        "/app-health/a/startupz": Probe(GrpcProbe(82, ""), 1.0),
        "/app-lifecycle/a/prestopz": Probe(HttpProbe(83, "/", False, {}), 30.0),
    }


def test_no_probes() -> None:
    assert decode_probes("") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "ISTIO_KUBE_APP_PROBERS: not JSON"),
        ("[]", "ISTIO_KUBE_APP_PROBERS: a JSON object"),
        ('{"/elsewhere": {"tcpSocket": {"port": 1}}}', "/elsewhere: the path is not one of"),
        ('{"/app-health/a/livez": {}}', "exactly one of"),
        ('{"/app-health/a/livez": {"grpc": {"port": 1}, "tcpSocket": {"port": 1}}}', "exactly one of"),
        ('{"/app-health/a/livez": {"tcpSocket": {"port": "http"}}}', "port 'http' is not a number"),
    ],
)
def test_wrong_probes_name_their_path(text: str, message: str) -> None:
    with pytest.raises(AgentError) as caught:
        decode_probes(text)
    assert message in str(caught.value)


async def test_a_grpc_probe_that_nobody_answers_says_where_it_was_asked() -> None:
    reply = await run_probe(Probe(GrpcProbe(1, ""), 1.0), "127.0.0.1", "127.0.0.6", {})
    assert reply.status == 500
    assert reply.text.startswith("127.0.0.1:1: ")
