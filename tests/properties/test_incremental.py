"""After any sequence of changes, everything a proxy may be sent equals what a fresh mesh makes of the same objects."""

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.worlds import (
    World,
    destination_rule,
    endpoint_slice,
    gateway,
    pod,
    proxy,
    service,
    virtual_service,
)

from lateen.model.proxy import Interception

Json = dict[str, Any]

NAMESPACES = st.sampled_from(["default", "other"])
ROOT_TOO = st.sampled_from(["default", "other", "istio-system"])
NAMES = st.sampled_from(["a", "b"])
HOSTS = st.sampled_from(["a", "b", "b.other.svc.cluster.local", "*.default.svc.cluster.local", "outside.example.com"])
VERSIONS = st.sampled_from(["v1", "v2"])
PORTS = st.sampled_from(
    [
        [{"name": "http", "port": 9080}],
        [{"name": "http", "port": 80}, {"name": "tcp-db", "port": 5432}],
        [{"name": "http2foo", "port": 9080}],
        [{"name": "grpc-api", "port": 9080, "targetPort": 7000}],
    ]
)


@st.composite
def services(draw: st.DrawFn) -> Json:
    made = service(draw(NAMES), draw(NAMESPACES), draw(PORTS))
    if draw(st.integers(0, 4)) == 0:
        made["spec"]["clusterIP"] = "None"
    return made


@st.composite
def slices(draw: st.DrawFn) -> Json:
    pods = draw(st.lists(st.integers(1, 3), unique=True, max_size=3))
    found = [(f"p{i}", f"198.18.0.{i}") for i in pods]
    return endpoint_slice(draw(NAMES), draw(NAMESPACES), pods=found, ready=draw(st.booleans()))


@st.composite
def pods(draw: st.DrawFn) -> Json:
    i = draw(st.integers(1, 3))
    locality = draw(st.sampled_from(["", "r.za", "r.zb"]))
    labels = {"version": draw(VERSIONS), **({"istio-locality": locality} if locality else {})}
    return pod(f"p{i}", f"198.18.0.{i}", draw(NAMESPACES), **labels)


@st.composite
def virtual_services(draw: st.DrawFn) -> Json:
    def destination() -> Json:
        host = draw(HOSTS.filter(lambda host: not host.startswith("*")))
        return {"host": host, **({"subset": draw(VERSIONS)} if draw(st.booleans()) else {})}

    matches = st.sampled_from(
        [
            {},
            {"match": [{"uri": {"prefix": "/x"}}]},
            {"match": [{"sourceLabels": {"version": "v1"}}]},
            {"match": [{"sourceNamespace": "other"}]},
            {"match": [{"headers": {"end-user": {"exact": "jason"}}, "port": 9080}]},
        ]
    )
    rules = [{"route": [{"destination": destination()}], **draw(matches)} for _ in range(draw(st.integers(1, 2)))]
    extra: Json = {"hosts": [draw(HOSTS)]}
    if draw(st.booleans()):
        extra["gateways"] = draw(st.sampled_from([["edge"], ["mesh", "default/edge"]]))
    if draw(st.booleans()):
        extra["exportTo"] = [draw(st.sampled_from([".", "*", "other"]))]
    return virtual_service(draw(NAMES), rules, draw(NAMESPACES), **extra)


@st.composite
def rules(draw: st.DrawFn) -> Json:
    policy: Json = {}
    if draw(st.booleans()):
        policy = {
            "trafficPolicy": draw(
                st.sampled_from([{"outlierDetection": {"interval": "5s"}}, {"loadBalancer": {"simple": "RANDOM"}}])
            )
        }
    if draw(st.booleans()):
        policy["exportTo"] = [draw(st.sampled_from([".", "*"]))]
    subsets = draw(st.lists(VERSIONS, unique=True))
    made = destination_rule(draw(HOSTS), draw(ROOT_TOO), subsets=subsets, **policy)
    made["metadata"]["name"] = draw(NAMES)
    return made


@st.composite
def gateways(draw: st.DrawFn) -> Json:
    return gateway("edge", draw(st.sampled_from([80, 8080])), draw(st.sampled_from(["default", "other"])))


@st.composite
def mesh_configs(draw: st.DrawFn) -> Json:
    text = draw(
        st.sampled_from(
            ["accessLogFile: /dev/stdout", "connectTimeout: 3s", "outboundTrafficPolicy: {mode: REGISTRY_ONLY}", ""]
        )
    )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "istio", "namespace": "istio-system"},
        "data": {"mesh": text},
    }


OBJECTS = st.one_of(services(), slices(), pods(), virtual_services(), rules(), gateways(), mesh_configs())
CHANGES = st.lists(st.tuples(st.booleans(), st.lists(OBJECTS, min_size=1, max_size=4)), min_size=1, max_size=12)

PROXIES = [
    proxy("p1", "198.18.0.1", zone="za"),
    proxy("p2", "198.18.0.2", "other", version="v1"),
    proxy("edge", "198.18.0.9", "istio-system", router=True, istio="ingressgateway"),
    proxy("client", "198.18.0.8", "other", proxyless=True, version="v1"),
    msgspec.structs.replace(
        proxy("p3", "198.18.0.3"), addresses=("198.18.0.3", "fd00::3"), name_servers=("198.19.0.10",)
    ),
    msgspec.structs.replace(proxy("p4", "198.18.0.4", "other"), interception=Interception.NONE),
]


def start() -> list[Json]:
    """Something of everything, so that a change nearly always matters."""
    found: list[Json] = [gateway("edge")]
    for namespace in ("default", "other"):
        for name in ("a", "b"):
            members = [(f"p{i}", f"198.18.0.{i}") for i in (1, 2)]
            found += [service(name, namespace), endpoint_slice(name, namespace, pods=members)]
            found.append(destination_rule(name, namespace, subsets=("v1", "v2")))
        found += [pod(f"p{i}", f"198.18.0.{i}", namespace, version="v1") for i in (1, 2, 3)]
    return found


def key(raw: Json) -> tuple[str, str, str]:
    return (raw["kind"], raw["metadata"]["namespace"], raw["metadata"]["name"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(CHANGES)
def test_incremental_equals_fresh(changes: list[tuple[bool, list[Json]]]) -> None:
    world = World(*start())
    world.connect(*PROXIES)
    present = {key(raw): raw for raw in start()}
    for number, (deleting, objects) in enumerate(changes):
        if deleting:
            world.delete(*objects)
            for raw in objects:
                present.pop(key(raw), None)
        else:
            world.apply(*objects)
            present.update({key(raw): raw for raw in objects})
        world.settle()
        if number % 4 == 3:
            world.mesh.sweep()
        fresh = World(*present.values())
        fresh.connect(*PROXIES)
        for each in PROXIES:
            assert world.resources(each) == fresh.resources(each)
        assert not world.mesh.failures(), world.mesh.failures()[0].failure
