"""A namespace with a few services, and the routes that one VirtualService gives their clients."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from envoy.config.route.v3.route_components_pb2 import Route
from google.protobuf.json_format import MessageToDict

from lateen.config.kinds.virtual_service import MESH_GATEWAY, VirtualService
from lateen.model.audience import Audience
from lateen.translate.routes.rules import Scope, routes

SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: default}
spec: {clusterIP: 198.19.0.1, ports: [{name: http, port: 9080}]}
---
apiVersion: v1
kind: Service
metadata: {name: ratings, namespace: default}
spec: {clusterIP: 198.19.0.2, ports: [{name: http, port: 9080}, {name: http-admin, port: 9081}]}
"""


@pytest.fixture
def services() -> str:
    return SERVICES


@pytest.fixture
def routes_of(mesh_of) -> Callable[..., list[Any]]:
    """The Routes, as in Envoy's JSON, that a VirtualService `reviews` with this YAML under `http` comes to."""

    def translate(
        http: str,
        *others: str,
        attachment: str = MESH_GATEWAY,
        port: int = 9080,
        audience: Audience | None = None,
        messages: bool = False,
    ) -> list[Any]:
        written = {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "reviews", "namespace": "default"},
            "spec": {"hosts": ["reviews"], "http": yaml.safe_load(http)},
        }
        mesh = mesh_of(SERVICES, yaml.safe_dump(written), *others)
        found = routes(mesh, VirtualService.ref_to("default", "reviews"), Scope((attachment,), port, audience))
        return found if messages else [as_dict(route) for route in found]

    return translate


def as_dict(route: Route) -> dict[str, Any]:
    return MessageToDict(route, preserving_proto_field_name=True)
