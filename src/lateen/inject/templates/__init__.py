"""The shipped templates: each renders a partial pod, which is then merged over the pod that is injected."""

from collections.abc import Callable, Mapping

from lateen.inject.facts import Facts
from lateen.inject.pods import JsonMap
from lateen.inject.templates.gateway import gateway
from lateen.inject.templates.grpc_agent import grpc_agent
from lateen.inject.templates.grpc_simple import grpc_simple
from lateen.inject.templates.sidecar import sidecar

Template = Callable[[Facts], JsonMap]

TEMPLATES: Mapping[str, Template] = {
    "sidecar": sidecar,
    "gateway": gateway,
    "grpc-agent": grpc_agent,
    "grpc-simple": grpc_simple,
}
"""By the name that `inject.istio.io/templates` uses."""
