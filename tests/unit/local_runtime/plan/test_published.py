"""What published ports lead to."""

from lateen.local_runtime.plan.gateway import GATEWAY_LABELS, ROOT_NAMESPACE
from lateen.local_runtime.plan.published import leads_nowhere

GATEWAY = {"spec": {"selector": GATEWAY_LABELS}}
DEFAULT = {"metadata": {"name": "edge", "namespace": ROOT_NAMESPACE, "labels": {**GATEWAY_LABELS, "more": "x"}}}
ELSEWHERE = {"metadata": {"name": "edge", "namespace": "default", "labels": GATEWAY_LABELS}}


def test_without_a_gateway_and_its_pods_a_published_port_leads_nowhere() -> None:
    assert leads_nowhere([], [ELSEWHERE])
    assert not leads_nowhere([GATEWAY], [])
    assert not leads_nowhere([], [DEFAULT])
