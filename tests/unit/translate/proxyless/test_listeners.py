"""API listeners: by which names a service may be called."""

from envoy.config.listener.v3.listener_pb2 import Listener
from support.worlds import World, service

from lateen.model.services import ServiceKey
from lateen.translate.proxyless.listeners import api_listeners_of, unknown_listener

KEY = ServiceKey("web.shop.svc.cluster.local", "shop")


def names(world: World, *, local: bool) -> list[str]:
    return [resource.name for resource in api_listeners_of(world.mesh, KEY, local)]


def test_every_name_of_a_service_with_each_port_but_those_of_udp() -> None:
    ports = [{"name": "grpc", "port": 80}, {"name": "tcp", "port": 81}, {"name": "dns", "port": 53, "protocol": "UDP"}]
    world = World(service("web", "shop", ports, clusterIP="198.19.0.1"))
    hosts = [KEY.hostname, f"{KEY.hostname}.", "web.shop", "web.shop.svc", "198.19.0.1"]
    assert names(world, local=False) == [f"{host}:{port}" for port in (80, 81) for host in hosts]
    assert set(names(world, local=True)) - set(names(world, local=False)) == {"web:80", "web:81"}


def test_a_headless_service_has_no_names_that_are_patterns() -> None:
    world = World(service("web", "shop", clusterIP="None"))
    assert not [name for name in names(world, local=True) if "*" in name]


def test_a_service_that_is_gone_has_none() -> None:
    assert names(World(), local=True) == []


def test_a_listener_is_readable_and_has_its_name() -> None:
    world = World(service("web", "shop"))
    for resource in (*api_listeners_of(world.mesh, KEY, False), unknown_listener("nowhere:1")):
        assert Listener.FromString(resource.body).name == resource.name
