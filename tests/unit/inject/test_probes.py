import json
from typing import Any

import pytest

from lateen.inject.inject import Injected, inject
from lateen.inject.settings import Settings


def injected(
    container: dict[str, Any], annotations: dict[str, str] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The application container after injection, and what the agent was told to ask."""
    pod = {
        "metadata": {"name": "p", "annotations": annotations or {}},
        "spec": {"containers": [{"name": "a", **container}]},
    }
    result = inject(pod, Settings())
    assert isinstance(result, Injected)
    application, proxy = result.pod["spec"]["containers"]
    told = [entry["value"] for entry in proxy["env"] if entry["name"] == "ISTIO_KUBE_APP_PROBERS"]
    return application, json.loads(told[0]) if told else {}


def test_each_kind_of_probe_is_asked_through_the_agent() -> None:
    application, told = injected(
        {
            "ports": [{"containerPort": 80, "name": "http"}],
            "readinessProbe": {"httpGet": {"port": "http", "path": "/r", "scheme": "HTTPS"}, "timeoutSeconds": 2},
            "livenessProbe": {"tcpSocket": {"port": 81}, "periodSeconds": 5},
            "startupProbe": {"grpc": {"port": 82}},
            "lifecycle": {"preStop": {"httpGet": {"port": 83}}, "postStart": {"exec": {"command": ["x"]}}},
        }
    )

    assert application["readinessProbe"] == {
        "httpGet": {"port": 15020, "path": "/app-health/a/readyz", "scheme": "HTTP"},
        "timeoutSeconds": 2,
    }
    assert application["livenessProbe"] == {
        "httpGet": {"port": 15020, "path": "/app-health/a/livez"},
        "periodSeconds": 5,
    }
    assert application["lifecycle"]["postStart"] == {"exec": {"command": ["x"]}}
    assert told == {
        "/app-health/a/readyz": {"httpGet": {"path": "/r", "port": 80, "scheme": "HTTPS"}, "timeoutSeconds": 2},
        "/app-health/a/livez": {"tcpSocket": {"port": 81}},
        "/app-health/a/startupz": {"grpc": {"port": 82, "service": None}},
        "/app-lifecycle/a/prestopz": {"httpGet": {"port": 83}},
    }


def test_a_command_and_an_unknown_port_name_and_the_agents_own_port() -> None:
    application, told = injected(
        {
            "readinessProbe": {"exec": {"command": ["x"]}},
            "livenessProbe": {"httpGet": {"port": "nonsense"}},
            "startupProbe": {"httpGet": {"port": 15020}},
        }
    )
    assert application["readinessProbe"] == {"exec": {"command": ["x"]}}
    assert application["livenessProbe"]["httpGet"]["port"] == 15020
    assert told == {}


def test_a_port_by_name_is_asked_even_where_it_is_the_agents() -> None:
    ports = [{"containerPort": 15020, "name": "http"}]
    _, told = injected({"ports": ports, "livenessProbe": {"httpGet": {"port": "http"}}})
    assert told == {"/app-health/a/livez": {"httpGet": {"port": 15020}}}


@pytest.mark.parametrize(("stated", "port"), [("9", 9), ("", 15020)])
def test_the_agents_port_can_be_stated(stated: str, port: int) -> None:
    annotations = {"status.sidecar.istio.io/port": stated} if stated else {}
    application, _ = injected({"livenessProbe": {"httpGet": {"port": 1}}}, annotations)
    assert application["livenessProbe"]["httpGet"]["port"] == port


def test_rewriting_can_be_switched_off() -> None:
    probe = {"httpGet": {"port": 1}}
    application, told = injected({"livenessProbe": probe}, {"sidecar.istio.io/rewriteAppHTTPProbers": "false"})
    assert (application["livenessProbe"], told) == (probe, {})
