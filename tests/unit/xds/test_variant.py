"""Reading requests: what equal bytes share."""

import pytest
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest

from lateen.xds.resource import CLUSTER, ENDPOINT
from lateen.xds.subscription import Edit, Names
from lateen.xds.variant import DELTA, STATE_OF_THE_WORLD, Request, Variant

NAMES = [f"outbound|80||s{number}.default.svc.cluster.local" for number in range(100)]


def answer(variant: Variant, nonce: str, *names: str, error: str = "") -> bytes:
    made: DeltaDiscoveryRequest | DiscoveryRequest
    if variant is DELTA:
        made = DeltaDiscoveryRequest(type_url=ENDPOINT, response_nonce=nonce, resource_names_subscribe=names)
    else:
        made = DiscoveryRequest(type_url=ENDPOINT, response_nonce=nonce, resource_names=names, version_info="v")
    if error:
        made.error_detail.message = error
    return made.SerializeToString()


def read(variant: Variant, message: bytes) -> Request:
    """As from another connection: equal bytes, another object."""
    return variant.request(bytes(bytearray(message)))


@pytest.fixture(params=[DELTA, STATE_OF_THE_WORLD], ids=["delta", "state of the world"])
def variant(request: pytest.FixtureRequest) -> Variant:
    return request.param


def test_equal_answers_are_read_once(variant: Variant) -> None:
    message = answer(variant, "one", *NAMES)
    assert read(variant, message) is read(variant, message)


def test_answers_that_differ_somewhere_are_told_apart(variant: Variant) -> None:
    asked = [NAMES, [*NAMES[1:], NAMES[0] + "x"], ["a" * len(NAMES[0]), *NAMES[1:]]]
    for _ in range(2):
        for names in asked:
            ask = read(variant, answer(variant, "two", *names)).ask
            assert ask == (Edit(frozenset(names)) if variant is DELTA else Names(frozenset(names), "v"))
    assert read(variant, answer(variant, "two", error="no")).error == "no"
    assert read(variant, answer(variant, "two")).error is None


def test_what_says_who_is_there_is_not_kept(variant: Variant) -> None:
    node = DeltaDiscoveryRequest if variant is DELTA else DiscoveryRequest
    first = node(type_url=CLUSTER, response_nonce="3")
    first.node.id = "a"
    message = first.SerializeToString()
    assert read(variant, message) is not read(variant, message)


def test_lists_of_the_same_names_become_one() -> None:
    asks = [read(STATE_OF_THE_WORLD, answer(STATE_OF_THE_WORLD, nonce, *NAMES)).ask for nonce in ("4", "5", "")]
    assert len({id(ask.names) for ask in asks if isinstance(ask, Names)}) == 1
