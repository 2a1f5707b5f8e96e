"""A rope is the message that one would build at once."""

from envoy.config.route.v3.route_components_pb2 import VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration

from lateen.translate.routes.route_configuration import chunk, joined, route_configuration

HOSTS = [VirtualHost(name=name, domains=[name, "x" * 200]) for name in ("a", "b", "c")]


def direct(name: str) -> RouteConfiguration:
    out = RouteConfiguration(name=name, virtual_hosts=HOSTS, ignore_port_in_host_matching=True)
    out.validate_clusters.value = False
    out.max_direct_response_body_size_bytes.value = 1 << 20
    return out


def test_the_rope_parses_to_the_message_built_directly() -> None:
    a, b, c = (chunk(host) for host in HOSTS)
    for rope in (route_configuration("80", [a, b, c]), route_configuration("80", [joined("ab", [a, b]), c])):
        assert RouteConfiguration.FromString(rope.body) == direct("80")


def test_versions_tell_content_apart() -> None:
    a, b, c = (chunk(host) for host in HOSTS)
    assert route_configuration("80", [a, b]) == route_configuration("80", [chunk(HOSTS[0]), b])
    assert route_configuration("80", [a, b]) != route_configuration("80", [a, c])
    assert route_configuration("80", [a, b]) != route_configuration("81", [a, b])


def test_pieces_are_shared_not_copied() -> None:
    a = chunk(HOSTS[0])
    assert route_configuration("80", [joined("", [a])]).pieces[1] is a.pieces[0]
