"""Proxies that are asked the same."""

from typing import cast

from support.worlds import service, typed

from lateen.config.store import ConfigStore
from lateen.control_plane.audiences import Audiences, Subscriber
from lateen.incremental.tables import Change
from lateen.model.mesh import Mesh
from lateen.model.proxy import Proxy, ProxyId, ProxyType
from lateen.model.views import views
from lateen.xds.ads import AdsConnection
from lateen.xds.resource import CLUSTER, EMPTY_OFFER, ENDPOINT, LISTENER, SECRET


class Stream:
    types = frozenset({CLUSTER, SECRET})


def subscriber(mesh: Mesh, name: str, namespace: str = "default") -> Subscriber:
    proxy = Proxy(ProxyId(namespace, name), ProxyType.SIDECAR, ("198.18.0.2",), "x.svc.cluster.local")
    mesh.commit([Change(Proxy, proxy.id, proxy)])
    found = Subscriber(cast(AdsConnection, Stream()), 1, proxy, mesh.watch(views, proxy.id))
    settle(mesh)
    return found


def settle(mesh: Mesh) -> None:
    for _ in mesh.settle():
        pass


def watched(mesh: Mesh) -> set[str]:
    found = {node.query.__name__ for nodes in mesh.memo.values() for node in nodes.values() if node.watchers}
    return found - {"views"}


def mesh_of_one_service() -> Mesh:
    mesh = Mesh()
    mesh.apply(ConfigStore().apply([typed(service("reviews"))]))
    return mesh


def test_proxies_of_equal_views_are_one_audience_whose_answers_are_watched_once() -> None:
    mesh = mesh_of_one_service()
    audiences = Audiences(mesh)
    members = [subscriber(mesh, f"caller-{number}") for number in range(3)]
    other = subscriber(mesh, "stranger", "other")
    for each in (*members, other):
        audiences.move(each)
    (audience,) = {each.audience for each in members}
    assert audience is not other.audience
    assert not audience.answered
    settle(mesh)
    assert audience.answered
    (node,) = audience.asked[ENDPOINT]
    assert (audience, ENDPOINT) in audiences.asking(node)
    assert node.watchers == 1


def test_what_the_last_member_was_asked_is_watched_no_longer() -> None:
    mesh = mesh_of_one_service()
    audiences = Audiences(mesh)
    members = [subscriber(mesh, f"caller-{number}") for number in range(2)]
    for each in members:
        audiences.move(each)
    (node,) = members[0].audience.asked[ENDPOINT]
    audiences.leave(members[0])
    assert "assignments" in watched(mesh)
    audiences.leave(members[1])
    assert watched(mesh) == set()
    assert list(audiences.asking(node)) == []


def test_a_member_is_offered_all_that_is_built_and_nothing_of_what_is_not_served() -> None:
    mesh = mesh_of_one_service()
    audiences = Audiences(mesh)
    member = subscriber(mesh, "caller")
    assert member.offers() == {}
    audiences.move(member)
    settle(mesh)
    offers = member.offers()
    assert offers[SECRET] is EMPTY_OFFER
    assert offers.keys() == {*member.audience.asked, SECRET} >= {CLUSTER, ENDPOINT, LISTENER}
    assert member.audience.offers([ENDPOINT]) == {ENDPOINT: offers[ENDPOINT]}
