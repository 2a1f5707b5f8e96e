"""What costs every proxy more than one may expect is said on its object."""

import pytest
from support.worlds import World, destination_rule, endpoint_slice, pod, proxy, service


@pytest.mark.parametrize(
    ("hashed", "field"),
    [
        ({"ringHash": {"minimumRingSize": 1_000_001}}, "ringHash.minimumRingSize"),
        ({"minimumRingSize": 1_000_001}, "minimumRingSize"),
        ({"ringHash": {"minimumRingSize": 1_000_000}}, None),
        ({"maglev": {"tableSize": 5000011}}, None),
    ],
)
def test_a_large_ring(hashed: dict[str, object], field: str | None) -> None:
    balanced = {"loadBalancer": {"consistentHash": {"useSourceIp": True, **hashed}}}
    world = World(
        service("reviews"),
        pod("r1", "198.18.0.5", app="reviews"),
        endpoint_slice("reviews", pods=[("r1", "198.18.0.5")]),
        destination_rule("reviews", trafficPolicy={"portLevelSettings": [{"port": {"number": 9080}, **balanced}]}),
    )
    world.connect(proxy("client"))
    world.settle()
    told = [(diagnostic.path, diagnostic.code) for diagnostic in world.mesh.diagnostics()]
    at = "spec.trafficPolicy.portLevelSettings[0].loadBalancer.consistentHash"
    assert told == ([(f"{at}.{field}", "costly")] if field else [])
