"""What a Service object means to the mesh."""

from typing import Any

from support.worlds import World, pod, proxy, service

from lateen.model import services
from lateen.model.services import ServiceKey


def at(name: str, address: str, created: str) -> dict[str, Any]:
    found = service(name)
    found["metadata"]["creationTimestamp"] = f"{created}T00:00:00Z"
    found["spec"]["clusterIP"] = address
    return found


def addresses(world: World, name: str) -> tuple[str, ...] | None:
    found = services.service(world.mesh, ServiceKey(f"{name}.default.svc.cluster.local", "default"))
    return found.addresses if found is not None else None


def test_an_address_that_two_services_ask_for_is_the_oldest_ones() -> None:
    young, old = at("a", "198.19.9.9", "2026-01-02"), at("b", "198.19.9.9", "2026-01-01")
    world = World(young, old)
    assert (addresses(world, "a"), addresses(world, "b")) == ((), ("198.19.9.9",))
    world.delete(old)
    assert (addresses(world, "a"), addresses(world, "b")) == (("198.19.9.9",), None)


def test_a_service_that_goes_without_the_address_it_asks_for_is_told_so() -> None:
    young, old = at("a", "198.19.9.9", "2026-01-02"), at("b", "198.19.9.9", "2026-01-01")
    world = World(pod("client", "198.18.0.9"), young, old)
    world.connect(proxy("client", "198.18.0.9"))
    (told,) = world.mesh.diagnostics()
    assert (told.ref.name, told.path) == ("a", "spec.clusterIP")
    assert told.message.startswith("198.19.9.9 belongs to Service default/b, which is older")
    world.delete(old)
    world.settle()
    assert not world.mesh.diagnostics()


def test_an_ipv6_address_is_the_same_in_every_spelling() -> None:
    world = World(at("a", "FD00:0::9", "2026-01-02"), at("b", "fd00::9", "2026-01-01"))
    assert (addresses(world, "a"), addresses(world, "b")) == ((), ("fd00::9",))
