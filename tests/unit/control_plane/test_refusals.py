"""What proxies refused is told on the objects that are to blame."""

from support.worlds import World, gateway, proxy, service, virtual_service

from lateen.control_plane.refusals import Refusals
from lateen.model.views import views
from lateen.translate.catalogue import questions
from lateen.xds.resource import LISTENER, ROUTE
from lateen.xds.stream import Refused

CLIENT = proxy("client")
REFUSED = Refused(ROUTE, ("9080",), (b"1",), "no such thing")


def world() -> World:
    found = World(service("reviews"), service("ratings"))
    found.connect(CLIENT)
    return found


def routes(found: World) -> list[object]:
    asked = questions(found.views(CLIENT))[ROUTE]
    return [found.mesh.memo[function][arguments] for function, arguments in asked]


def test_what_changed_since_the_last_acceptance_is_to_blame() -> None:
    mesh = world()
    refusals = Refusals(mesh.mesh)
    refusals.accepted(CLIENT.id, ROUTE)
    mesh.apply(virtual_service("reviews", [{"route": [{"destination": {"host": "reviews"}}]}]))
    mesh.settle()
    refusal = refusals.refused(CLIENT.id, REFUSED, routes(mesh))
    assert [str(ref) for ref in refusal.causes] == ["VirtualService default/reviews"]
    assert [str(diagnostic) for diagnostic in refusals.diagnostics()] == [
        "VirtualService default/reviews: 1 proxy refuses what this means (RDS), and what was accepted before stays in "
        "force: no such thing"
    ]


def test_of_what_came_together_routing_is_to_blame_first() -> None:
    rule = virtual_service("reviews", [{"route": [{"destination": {"host": "reviews"}}]}])
    mesh = World(service("reviews"), rule)
    mesh.connect(CLIENT)
    refusal = Refusals(mesh.mesh).refused(CLIENT.id, REFUSED, routes(mesh))
    assert [str(ref) for ref in refusal.causes] == ["VirtualService default/reviews"]


def test_what_makes_a_resource_be_offered_is_to_blame_where_nothing_in_it_changed() -> None:
    edge = proxy("edge", "198.18.0.9", router=True, istio="ingressgateway")
    mesh = World(gateway("old", 8080))
    mesh.connect(edge)
    refusals = Refusals(mesh.mesh)
    refusals.accepted(edge.id, LISTENER)
    mesh.apply(gateway("new", 9999))
    mesh.settle()
    asked = questions(mesh.views(edge))[LISTENER]
    offered = [mesh.mesh.watch(function, *arguments) for function, arguments in asked]
    mesh.settle()
    offered.append(mesh.mesh.watch(views, edge.id))
    refusal = refusals.refused(edge.id, Refused(LISTENER, ("0.0.0.0_9999",), (b"1",), "cannot bind"), offered)
    assert [str(ref) for ref in refusal.causes] == ["Gateway default/new"]


def test_an_acceptance_ends_a_refusal_and_so_does_leaving() -> None:
    mesh = world()
    refusals = Refusals(mesh.mesh)
    for end in (
        lambda: refusals.accepted(CLIENT.id, ROUTE),
        lambda: refusals.forget(CLIENT.id),
    ):
        refusals.refused(CLIENT.id, REFUSED, routes(mesh))
        assert len(refusals.standing()) == 1
        end()
        assert refusals.standing() == []


def test_several_errors_of_an_envoy_are_told_in_one_line() -> None:
    mesh = world()
    refusals = Refusals(mesh.mesh)
    refusals.refused(CLIENT.id, Refused(ROUTE, REFUSED.names, REFUSED.versions, "a: no\n b: neither\n"), routes(mesh))
    assert all(each.message.endswith("in force: a: no; b: neither") for each in refusals.diagnostics())
    assert refusals.diagnostics()


def test_equal_refusals_are_told_once() -> None:
    mesh = world()
    other = proxy("other", "198.18.0.3")
    mesh.connect(other)
    refusals = Refusals(mesh.mesh)
    for each in (CLIENT, other):
        refusals.accepted(each.id, ROUTE)
    mesh.apply(virtual_service("reviews", [{"route": [{"destination": {"host": "reviews"}}]}]))
    mesh.settle()
    for each in (CLIENT, other):
        refusals.refused(each.id, REFUSED, routes(mesh))
    (diagnostic,) = refusals.diagnostics()
    assert diagnostic.message.startswith("2 proxies refuse what this means (RDS)")
