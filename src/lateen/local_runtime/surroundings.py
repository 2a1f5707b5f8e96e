"""What analysis is to know of the local mesh besides its objects."""

from typing import Final

from lateen.analysis.view import IngressGateway, Surroundings
from lateen.inject.images import proxy_image
from lateen.inject.proxy_config import ProxyConfig
from lateen.local_runtime.plan.gateway import GATEWAY_LABELS, GATEWAY_PORTS, ROOT_NAMESPACE
from lateen.local_runtime.pods.injection import VALUES

SURROUNDINGS: Final = Surroundings(
    istio_namespace=ROOT_NAMESPACE,
    inject_by_default=True,
    proxy_image=proxy_image(VALUES, ProxyConfig(), {}),
    ingress_gateway=IngressGateway(
        GATEWAY_LABELS, tuple(number for _, *numbers in GATEWAY_PORTS for number in numbers)
    ),
)
