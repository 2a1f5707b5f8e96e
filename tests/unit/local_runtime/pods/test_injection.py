"""What the local mesh adds to injected pods."""

from lateen.local_runtime.pods.injection import with_proxy_mark
from lateen.local_runtime.pods.processes import capabilities_of

MARK = {"name": "LATEEN_PROXY_MARK", "value": "1339"}
DROPPED = {"securityContext": {"capabilities": {"drop": ["ALL"]}, "runAsUser": 1337}}


def test_a_proxy_that_is_marked_may_mark_and_its_application_may_not():
    pod = {
        "metadata": {"name": "p"},
        "spec": {
            "initContainers": [{"name": "istio-init", "env": [{"name": "A", "value": "1"}]}],
            "containers": [{"name": "app"}, {"name": "istio-proxy", **DROPPED}],
        },
    }
    init, app, proxy = (
        *with_proxy_mark(pod)["spec"]["initContainers"],
        *with_proxy_mark(pod)["spec"]["containers"],
    )
    assert init["env"] == [{"name": "A", "value": "1"}, MARK]
    assert app == {"name": "app"}
    assert proxy["env"] == [MARK]
    assert capabilities_of(proxy["securityContext"], 1337) == {"NET_ADMIN"}


def test_dns_is_not_captured_where_its_answers_could_not_be_asked_for():
    captured = {"name": "ISTIO_META_DNS_CAPTURE", "value": "true"}
    containers = [{"name": name, "env": [captured]} for name in ("istio-init", "istio-proxy", "app")]
    init, proxy, app = with_proxy_mark({"spec": {"containers": containers}})["spec"]["containers"]
    for each in (init, proxy):
        assert {entry["name"]: entry["value"] for entry in each["env"]}[captured["name"]] == "false"
    assert app["env"] == [captured]


def test_a_native_sidecar_is_a_proxy_too():
    spec = {"initContainers": [{"name": "istio-proxy", **DROPPED}], "containers": [{"name": "app"}]}
    (proxy,) = with_proxy_mark({"spec": spec})["spec"]["initContainers"]
    assert proxy["env"] == [MARK]
    assert with_proxy_mark({"spec": {"containers": []}}) == {"spec": {"containers": []}}
