"""A VirtualService's rules as Routes: actions, order, and what is decided before Envoy sees a request."""

import pytest

from lateen.common.labels import Selector
from lateen.model.audience import Audience
from lateen.translate.routes.sidecar import route_part

TO_REVIEWS = "route: [{destination: {host: reviews}}]"
REVIEWS = "outbound|9080||reviews.default.svc.cluster.local"

SUBSETS = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: default}
spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
"""


def test_one_destination(routes_of) -> None:
    [route] = routes_of(f"[{{name: all, {TO_REVIEWS}}}]")
    assert route["name"] == "all"
    assert route["match"] == {"prefix": "/"}
    assert route["route"]["cluster"] == REVIEWS
    assert route["route"]["timeout"] == "0s"
    assert route["route"]["max_grpc_timeout"] == "0s"
    assert route["decorator"] == {"operation": "reviews.default.svc.cluster.local:9080/*"}
    path = "/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews"
    assert route["metadata"] == {"filter_metadata": {"istio": {"config": path}}}


def test_weights(routes_of) -> None:
    entries = ", ".join(
        f"{{destination: {{host: reviews, subset: {subset}}}, weight: {weight}}}"
        for subset, weight in (("v1", 80), ("v2", 20), ("v3", 0))
    )
    [route] = routes_of(f"[{{route: [{entries}]}}]", SUBSETS)
    clusters = route["route"]["weighted_clusters"]["clusters"]
    assert [(c["name"], c["weight"]) for c in clusters] == [
        ("outbound|9080|v1|reviews.default.svc.cluster.local", 80),
        ("outbound|9080|v2|reviews.default.svc.cluster.local", 20),
    ]
    assert route["decorator"] == {"operation": "reviews:9080/*"}


def test_one_route_per_match_named_after_both(routes_of) -> None:
    found = routes_of(
        f"[{{name: r, match: [{{name: a, uri: {{exact: /a}}}}, {{uri: {{prefix: /b}}, statPrefix: s}}], {TO_REVIEWS}}}]"
    )
    assert [route["name"] for route in found] == ["r.a", "r"]
    assert [route["match"] for route in found] == [{"path": "/a"}, {"prefix": "/b"}]
    assert found[1]["stat_prefix"] == "s"
    assert found[0]["decorator"] == {"operation": "reviews.default.svc.cluster.local:9080/a"}


def test_rules_after_a_catch_all_are_left_out(routes_of) -> None:
    found = routes_of(
        f"[{{name: a, match: [{{uri: {{prefix: /}}}}, {{uri: {{prefix: /x}}}}], {TO_REVIEWS}}},"
        f" {{name: b, {TO_REVIEWS}}}]"
    )
    assert [route["name"] for route in found] == ["a"]


def test_a_rule_without_match_ends_the_list_even_without_effect(routes_of) -> None:
    assert routes_of(f"[{{delegate: {{name: other}}}}, {{name: b, {TO_REVIEWS}}}]") == []


@pytest.mark.parametrize(
    ("destination", "cluster"),
    [
        ("{host: reviews}", REVIEWS),
        ("{host: ratings}", "outbound|9082||ratings.default.svc.cluster.local"),
        ("{host: ratings, port: {number: 9081}}", "outbound|9081||ratings.default.svc.cluster.local"),
        ("{host: Reviews.Default.svc.cluster.local}", REVIEWS),
        ("{host: shop.example.com}", "outbound|9082||shop.example.com"),
    ],
)
def test_a_destination_without_port_means_the_only_port_or_the_listeners(routes_of, destination, cluster) -> None:
    [route] = routes_of(f"[{{route: [{{destination: {destination}}}]}}]", port=9082)
    assert route["route"]["cluster"] == cluster


@pytest.mark.parametrize(
    ("rewrite", "expected"),
    [
        ("{uri: /new}", {"prefix_rewrite": "/new"}),
        ("{authority: other}", {"host_rewrite_literal": "other"}),
        (
            "{uriRegexRewrite: {match: '/a(.*)', rewrite: '\\1'}}",
            {"regex_rewrite": {"pattern": {"regex": "/a(.*)"}, "substitution": "\\1"}},
        ),
    ],
)
def test_rewrite(routes_of, rewrite, expected) -> None:
    [route] = routes_of(f"[{{rewrite: {rewrite}, {TO_REVIEWS}}}]")
    assert expected.items() <= route["route"].items()


@pytest.mark.parametrize(
    ("redirect", "expected"),
    [
        ("{uri: /new}", {"path_redirect": "/new"}),
        ("{prefixRewrite: /new}", {"prefix_rewrite": "/new"}),
        ("{authority: other, redirectCode: 302}", {"host_redirect": "other", "response_code": "FOUND"}),
        ("{scheme: https, redirectCode: 308}", {"scheme_redirect": "https", "response_code": "PERMANENT_REDIRECT"}),
        ("{port: 8443}", {"port_redirect": 8443}),
        ("{derivePort: FROM_REQUEST_PORT}", {"port_redirect": 443}),
        ("{derivePort: FROM_REQUEST_PORT, scheme: https}", {"scheme_redirect": "https"}),
        ("{derivePort: FROM_PROTOCOL_DEFAULT, authority: o}", {"host_redirect": "o"}),
    ],
)
def test_redirect(routes_of, redirect, expected) -> None:
    [route] = routes_of(f"[{{redirect: {redirect}}}]", port=443)
    assert route["redirect"] == expected
    assert route["decorator"] == {"operation": "reviews:443/*"}


def test_direct_response(routes_of) -> None:
    [text] = routes_of("[{directResponse: {status: 503, body: {string: closed}}}]")
    [data] = routes_of("[{directResponse: {status: 200, body: {bytes: aGk=}}}]")
    assert text["direct_response"] == {"status": 503, "body": {"inline_string": "closed"}}
    assert data["direct_response"] == {"status": 200, "body": {"inline_bytes": "aGk="}}


def test_timeout(routes_of) -> None:
    [route] = routes_of(f"[{{timeout: 1.5s, {TO_REVIEWS}}}]")
    assert route["route"]["timeout"] == route["route"]["max_grpc_timeout"] == "1.500s"


def test_header_operations_of_rule_and_destination(routes_of) -> None:
    [route] = routes_of(
        "[{headers: {request: {set: {b: '1', a: '2'}, add: {a: '3'}, remove: [x]}, response: {remove: [y]}},"
        " route: [{destination: {host: reviews}, headers: {request: {set: {c: '4'}}, response: {add: {d: '5'}}}}]}]"
    )
    added = [
        (o["header"]["key"], o["header"]["value"], o.get("append_action")) for o in route["request_headers_to_add"]
    ]
    overwrite = "OVERWRITE_IF_EXISTS_OR_ADD"
    assert added == [("a", "2", overwrite), ("b", "1", overwrite), ("a", "3", None), ("c", "4", overwrite)]
    assert route["request_headers_to_remove"] == ["x"]
    assert route["response_headers_to_remove"] == ["y"]
    assert route["response_headers_to_add"] == [{"header": {"key": "d", "value": "5"}}]


def test_header_operations_of_a_weighted_destination_stay_with_it(routes_of) -> None:
    [route] = routes_of(
        "[{route: [{destination: {host: reviews}, weight: 1, headers: {request: {set: {host: inner, a: '1'}}}},"
        " {destination: {host: ratings}, weight: 1}]}]"
    )
    first, second = route["route"]["weighted_clusters"]["clusters"]
    assert first["host_rewrite_literal"] == "inner"
    assert [option["header"]["key"] for option in first["request_headers_to_add"]] == ["a"]
    assert "request_headers_to_add" not in second
    assert "request_headers_to_add" not in route


def test_the_host_is_set_as_authority_not_as_header(routes_of) -> None:
    [route] = routes_of(f"[{{headers: {{request: {{set: {{Host: other}}}}}}, {TO_REVIEWS}}}]")
    assert route["route"]["host_rewrite_literal"] == "other"
    assert "request_headers_to_add" not in route


def matching(condition: str) -> str:
    return f"[{{name: some, match: [{{{condition}}}], {TO_REVIEWS}}}, {{name: rest, {TO_REVIEWS}}}]"


@pytest.mark.parametrize(
    ("condition", "client", "expected"),
    [
        ("port: 9080", None, True),
        ("port: 80", None, False),
        ("gateways: [mesh]", None, True),
        ("gateways: [edge]", None, False),
        ("sourceNamespace: default", Audience("default"), True),
        ("sourceNamespace: default", Audience("other"), False),
        ("sourceNamespace: default", None, False),
        ("sourceLabels: {app: shop}", Audience("default", (Selector.of({"app": "shop"}),)), True),
        ("sourceLabels: {app: shop}", Audience("default"), False),
        ("gateways: [mesh], sourceNamespace: elsewhere", Audience("default"), True),
    ],
)
def test_conditions_decided_beforehand(routes_of, condition, client, expected) -> None:
    found = [route["name"] for route in routes_of(matching(condition), audience=client)]
    assert found == (["some"] if expected else ["rest"])


def test_a_gateway_is_named_in_any_of_its_forms(routes_of) -> None:
    for name in ("edge", "./edge", "default/edge", "edge.default.svc.cluster.local"):
        found = routes_of(matching(f"gateways: [{name}]"), attachment="default/edge")
        assert [route["name"] for route in found] == ["some"], name


def test_a_consistent_hash_of_the_destination_gives_the_hash_policy(routes_of) -> None:
    rule = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: default}
spec: {host: reviews, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}}
"""
    [route] = routes_of(f"[{{{TO_REVIEWS}}}]", rule)
    assert route["route"]["hash_policy"] == [{"header": {"header_name": "x-user"}}]
    assert "retry_host_predicate" not in route["route"]["retry_policy"]


def test_a_destination_of_weight_0_has_no_say_in_the_hash(routes_of) -> None:
    rule = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ratings, namespace: default}
spec: {host: ratings, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}}
"""
    entries = "{{destination: {{host: reviews}}, weight: 1}}, {{destination: {{host: ratings}}, weight: {}}}"
    [without] = routes_of(f"[{{route: [{entries.format(0)}]}}]", rule)
    [having] = routes_of(f"[{{route: [{entries.format(1)}]}}]", rule)
    assert "hash_policy" not in without["route"]
    assert having["route"]["hash_policy"] == [{"header": {"header_name": "x-user"}}]


def service(name: str, spec: str) -> str:
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: default}}
spec: {{{spec}}}
"""


@pytest.mark.parametrize(
    ("ports", "port"),
    [
        ("{name: http, port: 8000}, {name: dns, port: 53, protocol: UDP}", 8000),
        ("{name: quic, port: 8000, protocol: UDP}, {name: http, port: 8000}", 8000),
        ("{name: http, port: 8000}, {name: tcp, port: 8001}", 9080),
    ],
)
def test_a_port_of_udp_is_none_that_a_destination_could_mean(routes_of, ports, port) -> None:
    [route] = routes_of("[{route: [{destination: {host: both}}]}]", service("both", f"ports: [{ports}]"))
    assert route["route"]["cluster"] == f"outbound|{port}||both.default.svc.cluster.local"


@pytest.mark.parametrize(
    ("target", "cluster"),
    [
        ("reviews.default.svc.cluster.local", REVIEWS),
        ("Reviews.default.svc.cluster.local.", REVIEWS),
        ("second.default.svc.cluster.local", REVIEWS),
        ("first.default.svc.cluster.local", "outbound|9080||first.default.svc.cluster.local"),
        ("shop.example.com", "outbound|9080||shop.example.com"),
    ],
)
def test_an_external_name_is_the_service_that_it_stands_for(routes_of, target, cluster) -> None:
    aliases = [
        service("first", f"type: ExternalName, externalName: {target}"),
        service("second", "type: ExternalName, externalName: reviews.default.svc.cluster.local"),
    ]
    [route] = routes_of("[{route: [{destination: {host: first}}]}]", *aliases)
    assert route["route"]["cluster"] == cluster


def test_an_external_name_outside_the_mesh_is_reported_as_what_it_is(mesh_of, services) -> None:
    mesh = mesh_of(
        services,
        service("shop", "type: ExternalName, externalName: shop.example.com"),
        """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec: {hosts: [reviews], http: [{route: [{destination: {host: shop}}]}]}
""",
    )
    mesh.watch(route_part, "default", 9080, None)
    list(mesh.settle())
    assert [found.message for found in mesh.diagnostics()] == [
        "there is no service shop.example.com; shop.default.svc.cluster.local is an ExternalName Service that stands"
        " for it; requests are answered 503"
    ]


@pytest.mark.parametrize(
    ("http", "path", "code"),
    [
        ("[{route: [{destination: {host: nobody}}]}]", "spec.http[0].route[0].destination.host", "unknown-host"),
        (
            "[{match: [{uri: {prefix: /a}}], route: [{destination: {host: reviews}}]},"
            " {route: [{destination: {host: reviews, subset: v9}}]}]",
            "spec.http[1].route[0].destination.subset",
            "unknown-subset",
        ),
        (
            "[{route: [{destination: {host: reviews, port: {number: 1}}}]}]",
            "spec.http[0].route[0].destination.port",
            "unknown-port",
        ),
        (f"[{{fault: {{abort: {{httpStatus: 500}}}}, {TO_REVIEWS}}}]", "spec.http[0].fault", "without-effect"),
    ],
)
def test_what_is_wrong_is_reported_with_its_place_and_the_rest_serves(mesh_of, services, http, path, code) -> None:
    mesh = mesh_of(
        services,
        SUBSETS,
        f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: reviews, namespace: default}}
spec: {{hosts: [reviews], http: {http}}}
""",
    )
    part = mesh.watch(route_part, "default", 9080, None)
    list(mesh.settle())
    assert part.failure is None
    [diagnostic] = mesh.diagnostics()
    assert (diagnostic.ref.name, diagnostic.path, diagnostic.code) == ("reviews", path, code)
