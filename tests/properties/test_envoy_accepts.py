"""What decodes, Envoy accepts: objects full of awkward values are refused by us or by nobody.

Each example is a small mesh of objects without what we find wrong in them, translated and checked by one process of
one release of Envoy.
"""

import json
import tempfile
from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from google.protobuf.descriptor_pool import Default
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.envoys import VERSION, VERSIONS
from support.static_bootstrap import Json, as_static, refusal
from support.worlds import World, destination_rule, endpoint_slice, proxy, service, virtual_service

from lateen.cli.translate import TYPES
from lateen.config.decode import Invalid, decode
from lateen.model.proxy import Interception, Proxy
from lateen.xds.resource import SHORT_NAMES

ADDRESS = "198.18.0.2"
PORTS = [{"name": "http", "port": 80}, {"name": "grpc", "port": 81}, {"name": "tcp", "port": 82}]

AROUND = ("spec", "data", "mesh", "http", "trafficPolicy")
"""Steps of a path down to the parts of objects that are made here."""

Values = st.SearchStrategy[Any]


def some(**fields: Values) -> Values:
    """A message with a few of the fields."""
    chosen = st.lists(st.sampled_from(sorted(fields)), min_size=1, max_size=3, unique=True)
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: fields[name] for name in names}))


operators = st.builds(
    "%{}{}{}%".format,
    st.sampled_from(["PROTOCOL", "REQ", "START_TIME", "FILTER_STATE", "METADATA", "GRPC_STATUS", "PATH", "FOO", "req"]),
    st.sampled_from(["", "()", "(:path)", "(X?Y)", "(k:PLAIN)", "(ROUTE:a)", "(NUMBER)", "(%s.%3f)", "(a b)", "(é)"]),
    st.sampled_from(["", "", ":5", ":", ":99999999999999999999"]),
)
awkward = st.sampled_from(["", "%", "100%", "%%", "a\nb", "a\0b", "\t", "é", "\\1", "/a b?c#d", "x" * 16385])
texts = st.one_of(
    st.text("ab/ %(){}[]\\:?é", max_size=6), awkward, operators, st.tuples(operators, operators).map("-".join)
)
words = st.one_of(st.sampled_from(["x", "x-y", "/v1", "reviews"]), texts)
headers = st.sampled_from(
    ["x", "x-a", "Host", ":authority", ":path", ":method", "content-type", "", "a b", "a:b", "x" * 16385]
)
durations = st.sampled_from(
    [
        "0s",
        "1us",
        "1ms",
        "1.5s",
        "10s",
        "30s",
        "1h",
        "9223372035s",
        "9223372036s",
        "315576000001s",
        "9999999999999h",
        "-1s",
    ]
)
counts = st.sampled_from([-1, 0, 1, 2, 100, 599, 65536, 2**31 - 1, 2**32 - 1])
numbers = st.sampled_from([-1, 0, 0.5, 1, 10, 100, 101, 1e300, "NaN", "Infinity"])
SYNTAX = r"""a b é - . , ( ) (?: (?i) (?s-i) (?-) (?x) (?P<n> (?= | [ ] [^ [a-b] [b-a] [[:alpha:]] [[:x:]] { } {2} {2,}
    {3,2} {1000} * + ? ^ $ \ \d \b \1 \pL \p{Greek} \p{X} \x \x41 \x{100} \Q \E \y \C \z \_ \é \u0041 \0 \12"""
regexes = st.one_of(st.lists(st.sampled_from(SYNTAX.split()), max_size=6).map("".join), words)
conditions = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"exact": words}),
    st.fixed_dictionaries({"prefix": words}),
    st.fixed_dictionaries({"regex": regexes}),
)
keys = st.one_of(
    headers, st.sampled_from(["@request.auth.claims.a", "@request.auth.claims", "@request.auth.claims[a][b]"])
)
matches = some(
    name=words,
    uri=conditions,
    scheme=conditions,
    method=conditions,
    authority=conditions,
    headers=st.dictionaries(keys, conditions, max_size=2),
    withoutHeaders=st.dictionaries(keys, conditions, max_size=2),
    queryParams=st.dictionaries(words, conditions, max_size=2),
    ignoreUriCase=st.booleans(),
    statPrefix=words,
)
operations = some(
    set=st.dictionaries(headers, words, max_size=2),
    add=st.dictionaries(headers, words, max_size=2),
    remove=st.lists(headers, max_size=2),
)
changes = some(request=operations, response=operations)
retries = some(
    attempts=counts,
    perTryTimeout=durations,
    retryOn=st.sampled_from(["", "5xx", "503,reset", "600", "sometimes", "5xx,,"]),
    backoff=durations,
    retryRemoteLocalities=st.booleans(),
    retryIgnorePreviousHosts=st.booleans(),
)
targets = st.sampled_from(["s0", "s1", "nowhere", "10.0.0.1", "s0.default.svc.cluster.local"])
destinations = st.fixed_dictionaries(
    {
        "destination": st.fixed_dictionaries(
            {"host": targets}, optional={"subset": st.sampled_from(["v1", "V_1", "a|b"])}
        )
    },
    optional={"weight": st.sampled_from([-1, 0, 1, 2**31 - 1]), "headers": changes},
)
actions = st.one_of(
    st.fixed_dictionaries(
        {"route": st.lists(destinations, min_size=1, max_size=3)},
        optional={
            "rewrite": some(
                uri=words,
                authority=words,
                uriRegexRewrite=st.fixed_dictionaries({"match": regexes, "rewrite": words}),
            ),
            "retries": retries,
            "timeout": durations,
        },
    ),
    st.fixed_dictionaries(
        {
            "redirect": some(
                uri=words,
                prefixRewrite=words,
                authority=words,
                port=counts,
                derivePort=st.sampled_from(["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"]),
                scheme=st.sampled_from(["http", "https", "ftp"]),
                redirectCode=st.sampled_from([0, 301, 308, 200]),
            )
        }
    ),
    st.fixed_dictionaries(
        {
            "directResponse": st.fixed_dictionaries(
                {"status": st.sampled_from([0, 200, 503, 599, 600])},
                optional={"body": st.fixed_dictionaries({"string": st.one_of(words, st.just("x" * (2**20 + 1)))})},
            )
        }
    ),
)
rules = st.builds(
    lambda action, more: {**action, **more},
    actions,
    st.one_of(st.just({}), some(name=words, headers=changes, match=st.lists(matches, max_size=2))),
)

keep_alives = some(probes=counts, time=durations, interval=durations)
balancers = st.one_of(
    some(
        simple=st.sampled_from(["RANDOM", "ROUND_ROBIN", "LEAST_REQUEST", "PASSTHROUGH", "UNSPECIFIED", "LEAST_CONN"]),
        warmupDurationSecs=durations,
        warmup=some(duration=durations, minimumPercent=numbers, aggression=numbers),
    ),
    st.builds(
        lambda key, algorithm: {"consistentHash": {**key, **algorithm}},
        st.one_of(
            st.fixed_dictionaries({"httpHeaderName": headers}),
            st.fixed_dictionaries({"httpQueryParameterName": words}),
            st.just({"useSourceIp": True}),
            st.fixed_dictionaries(
                {
                    "httpCookie": some(
                        name=words,
                        path=words,
                        ttl=durations,
                        attributes=st.lists(some(name=words, value=words), max_size=2),
                    )
                }
            ),
        ),
        st.sampled_from(
            [{}, {"ringHash": {"minimumRingSize": 2}}, {"minimumRingSize": 9}]
            + [{"maglev": {"tableSize": size}} for size in (0, 1, 100, 101, 5000011, 5000077)]
        ),
    ),
)
pools = some(
    tcp=some(
        maxConnections=counts,
        connectTimeout=durations,
        tcpKeepalive=keep_alives,
        maxConnectionDuration=durations,
        idleTimeout=durations,
    ),
    http=some(
        http1MaxPendingRequests=counts,
        http2MaxRequests=counts,
        maxRequestsPerConnection=counts,
        maxRetries=counts,
        idleTimeout=durations,
        h2UpgradePolicy=st.sampled_from(["UPGRADE", "DEFAULT"]),
        useClientProtocol=st.booleans(),
        maxConcurrentStreams=counts,
        http2KeepAlive=st.fixed_dictionaries({"interval": durations, "timeout": durations}),
    ),
)
outliers = some(
    consecutiveGatewayErrors=counts,
    consecutive5xxErrors=counts,
    splitExternalLocalOriginErrors=st.booleans(),
    consecutiveLocalOriginFailures=counts,
    interval=durations,
    baseEjectionTime=durations,
    maxEjectionPercent=counts,
    minHealthPercent=counts,
    outlierDetectionHttpErrorCodes=st.lists(counts, max_size=2),
)
policies = some(
    loadBalancer=balancers,
    connectionPool=pools,
    outlierDetection=outliers,
    retryBudget=some(percent=st.fixed_dictionaries({"value": numbers}), minRetryConcurrency=counts),
)
json_formats = st.dictionaries(words, st.one_of(words, st.lists(words, max_size=2), st.none(), numbers), max_size=3)
mesh_configs = st.builds(
    lambda log, more: {**log, **more},
    st.one_of(
        st.fixed_dictionaries({"accessLogFormat": texts}),
        st.fixed_dictionaries(
            {"accessLogFormat": st.one_of(texts, json_formats.map(json.dumps)), "accessLogEncoding": st.just("JSON")}
        ),
    ),
    some(
        connectTimeout=durations,
        protocolDetectionTimeout=durations,
        tcpKeepalive=keep_alives,
        defaultHttpRetryPolicy=retries,
        defaultInboundHttpRetryPolicy=retries,
        h2UpgradePolicy=st.sampled_from(["UPGRADE", "DO_NOT_UPGRADE"]),
        outboundTrafficPolicy=st.sampled_from([{"mode": "REGISTRY_ONLY"}, {"mode": "ALLOW_ANY"}]),
        inboundTrafficPolicy=st.sampled_from([{"mode": "LOCALHOST"}, {"mode": "PASSTHROUGH"}]),
    ),
)


def config_map(mesh: Json) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "istio", "namespace": "istio-system"},
        "data": {"mesh": json.dumps({"accessLogFile": "/dev/stdout", **mesh})},
    }


def mended(spec: Any, whole: Callable[[Any], Json]) -> Json | None:
    """The object around the spec, less each field that is said to be wrong; None if nothing worth having is left."""
    spec = deepcopy(spec)
    while isinstance(found := decode(whole(spec)), Invalid):
        path = [
            step for step in found.problems[0].path if step not in ("spec", "data", "mesh", "http", "trafficPolicy")
        ]
        if not path:
            return None
        remove(spec, path)
    return whole(spec)


def remove(within: Any, path: list[str | int]) -> None:
    """Take away what is at the path, or the innermost that exists of what is around it."""
    places = [within]
    for step in path:
        if not (step in places[-1] if isinstance(places[-1], dict) else isinstance(places[-1], list)):
            break
        places.append(places[-1][step])
    del places[-2][path[len(places) - 2]]


CLIENT = proxy("client", ADDRESS)


def configuration(objects: Iterable[Json | None], client: Proxy = CLIENT) -> Json:
    """What a sidecar that serves `s0` is sent, by kind of resource."""
    world = World(*filter(None, objects))
    world.connect(client)
    assert list(world.mesh.failures()) == []
    found: Json = {name: [] for name in TYPES.values()}
    for (type_url, _), body in world.resources(client).items():
        message = GetMessageClass(Default().FindMessageTypeByName(type_url.rpartition("/")[2])).FromString(body)
        found[TYPES[SHORT_NAMES[type_url].lower()]].append(MessageToDict(message, preserving_proto_field_name=True))
    return found


def pod_of(name: str) -> list[Json]:
    """A Service whose only endpoint is the proxy's, so that its server side is made too."""
    piece = endpoint_slice(name, pods=[("client", ADDRESS)], port=8080)
    piece["ports"] = [{**port, "port": 8000 + port["port"]} for port in PORTS]
    return [service(name, ports=PORTS), piece]


def accepted(version: str, *objects: Json | None, client: Proxy = CLIENT) -> None:
    with tempfile.TemporaryDirectory() as directory:
        assert refusal(as_static(configuration(objects, client)), Path(directory, "envoy.json"), version) == ""


each_version = pytest.mark.parametrize("version", VERSIONS)
few = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


@each_version
@few
@given(st.lists(rules, min_size=6, max_size=16))
def test_virtual_services_that_decode_are_accepted(version: str, routed: list[Json]) -> None:
    services = [service(f"s{n}", ports=PORTS) for n in range(1, len(routed))]
    made = [mended([rule], partial(virtual_service, f"s{n}")) for n, rule in enumerate(routed)]
    accepted(version, *pod_of("s0"), *services, *made)


@few
@given(st.lists(regexes, min_size=6, max_size=16))
def test_regular_expressions_that_decode_are_accepted(patterns: list[str]) -> None:
    """By our Envoy: the library of 1.38 has less room for character classes that are repeated often."""
    reached = {"directResponse": {"status": 200}}
    made = [
        mended([{"match": [{"uri": {"regex": pattern}}], **reached}], partial(virtual_service, f"s{n}"))
        for n, pattern in enumerate(patterns)
    ]
    accepted(VERSION, *(service(f"s{n}", ports=PORTS) for n in range(len(patterns))), *made)


@each_version
@few
@given(st.lists(policies, min_size=4, max_size=12))
def test_destination_rules_that_decode_are_accepted(version: str, ruled: list[Json]) -> None:
    services = [service(f"s{n}", ports=PORTS) for n in range(1, len(ruled))]
    made = [
        mended(policy, lambda found, n=n: destination_rule(f"s{n}", subsets=["v1"], trafficPolicy=found))
        for n, policy in enumerate(ruled)
    ]
    routes = [virtual_service(f"s{n}", [{"route": [{"destination": {"host": f"s{n}"}}]}]) for n in range(len(ruled))]
    accepted(version, *pod_of("s0"), *services, *made, *routes)


@each_version
@few
@given(mesh_configs)
def test_a_mesh_config_that_decodes_is_accepted(version: str, mesh: Json) -> None:
    accepted(version, *pod_of("s0"), mended(mesh, config_map))


@each_version
@pytest.mark.parametrize("addresses", [(ADDRESS,), ("fd00::2",), (ADDRESS, "fd00::2")])
@pytest.mark.parametrize("interception", list(Interception))
def test_however_connections_come_to_a_sidecar(
    version: str, interception: Interception, addresses: tuple[str, ...]
) -> None:
    client = msgspec.structs.replace(
        CLIENT, interception=interception, addresses=addresses, name_servers=("198.19.0.10", "fd00::a")
    )
    both = service("dual", ports=PORTS, clusterIPs=["198.19.0.5", "fd00::5"])
    peers = service("peers", ports=PORTS, clusterIP="None")
    members = endpoint_slice("peers", pods=[("p1", "198.18.0.9")])
    accepted(version, *pod_of("s0"), both, peers, members, client=client)
