"""Policies for gateways of the Gateway API: they go by reference, not by labels."""

from collections.abc import Iterator
from typing import Final

from lateen.analysis.analyzer import Message
from lateen.analysis.catalogue import MessageType
from lateen.analysis.resources import texts
from lateen.analysis.view import View

_GATEWAY_NAME: Final = "gateway.networking.k8s.io/gateway-name"
_POLICIES: Final = (
    ("security.istio.io", "AuthorizationPolicy"),
    ("security.istio.io", "RequestAuthentication"),
    ("telemetry.istio.io", "Telemetry"),
    ("extensions.istio.io", "WasmPlugin"),
)


def selectors(view: View) -> Iterator[Message]:
    """Source: Istio's `k8sgateway.SelectorAnalyzer`."""
    gateways = [pod for pod in view.pods if _GATEWAY_NAME in pod.labels]
    for policy in (each for kind in _POLICIES for each in view.all(kind)):
        selector = texts(policy.spec, "selector", "matchLabels")
        if not selector or policy.spec.get("targetRef") or policy.spec.get("targetRefs"):
            continue
        everywhere = policy.namespace == view.around.istio_namespace
        for pod in gateways:
            if (everywhere or pod.resource.namespace == policy.namespace) and selector.items() <= pod.labels.items():
                name = pod.labels[_GATEWAY_NAME]
                text = (
                    f"the selector has no effect on Gateway {name}, which is one of the Gateway API; refer to it with "
                    f"targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: {name}}}]"
                )
                yield Message(MessageType.IneffectiveSelector, policy, ("spec", "selector"), text)
