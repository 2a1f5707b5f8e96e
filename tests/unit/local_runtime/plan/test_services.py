import pytest

from lateen.local_runtime.network.address_plan import ipv4_twin, ipv6_twin
from lateen.local_runtime.network.dns import Outcome
from lateen.local_runtime.network.service_rules import Backend
from lateen.local_runtime.plan.cluster_zone import by_service, service_rules, zone_of
from lateen.local_runtime.plan.services import endpoint_slices, families_of, mirrored_slices, with_cluster_ip


def service(name="reviews", spec=None, **more):
    ports = [{"name": "http", "port": 9080}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "uid": "u1", "labels": {"app": name}},
        "spec": {"selector": {"app": "reviews"}, "ports": ports, **(spec or {}), **more},
    }


def pod(name, ip, ready=True, labels=None, phase="Running", ports=(), **meta):
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "labels": labels or {"app": "reviews"}}
        | meta,
        "spec": {"containers": [{"name": "c", "ports": list(ports)}]},
        "status": {"podIP": ip, "phase": phase, "conditions": conditions},
    }


def test_an_address_is_stable_and_from_the_range():
    first = with_cluster_ip(service(), ())["spec"]["clusterIP"]
    assert first.startswith("198.19.")
    assert with_cluster_ip(service(), ())["spec"]["clusterIP"] == first
    assert with_cluster_ip(service(), {first})["spec"]["clusterIP"] != first


@pytest.mark.parametrize("asked", ["10.0.0.1", "198.19.0.10", "not an address", ""])
def test_an_address_that_would_lead_nowhere_is_replaced(asked):
    found = with_cluster_ip(service(clusterIP=asked), ())["spec"]
    assert found["clusterIP"].startswith("198.19.")
    assert found["clusterIP"] != asked
    assert found["clusterIPs"] == [found["clusterIP"]]


@pytest.mark.parametrize(
    "kept",
    [service(clusterIP="198.19.7.7"), service(clusterIP="None"), service(type="ExternalName", externalName="x.org")],
)
def test_these_stay_as_they_are(kept):
    assert with_cluster_ip(kept, ()) is kept


def test_a_slice_lists_ready_and_unready_pods():
    pods = [pod("b", "198.18.1.2", ready=False), pod("a", "198.18.1.1"), pod("c", "198.18.1.3", labels={"app": "x"})]
    (piece,) = endpoint_slices(service(), pods)
    assert piece["metadata"]["labels"]["kubernetes.io/service-name"] == "reviews"
    assert piece["metadata"]["ownerReferences"][0]["uid"] == "u1"
    assert piece["ports"] == [{"name": "http", "port": 9080, "protocol": "TCP"}]
    a, b = piece["endpoints"]
    assert a["addresses"] == ["198.18.1.1"]
    assert a["conditions"] == {"ready": True, "serving": True, "terminating": False}
    assert a["targetRef"] == {"kind": "Pod", "namespace": "default", "name": "a", "uid": "uid-a"}
    assert b["conditions"] == {"ready": False, "serving": False, "terminating": False}


def test_ended_pods_and_pods_without_address_have_no_endpoint():
    pods = [pod("a", "198.18.1.1", phase="Succeeded"), pod("b", "198.18.1.2", phase="Failed"), pod("c", "")]
    (piece,) = endpoint_slices(service(), pods)
    assert piece["endpoints"] == []
    assert piece["ports"] == []


def test_a_terminating_pod_still_serves_but_is_not_ready():
    (piece,) = endpoint_slices(service(), [pod("a", "198.18.1.1", deletionTimestamp="2026-01-01T00:00:00Z")])
    assert piece["endpoints"][0]["conditions"] == {"ready": False, "serving": True, "terminating": True}


def test_publish_not_ready_addresses_makes_all_ready():
    (piece,) = endpoint_slices(service(publishNotReadyAddresses=True), [pod("a", "198.18.1.1", ready=False)])
    assert piece["endpoints"][0]["conditions"]["ready"] is True


def test_pods_whose_named_ports_differ_go_to_different_slices():
    named = service(ports=[{"name": "http", "port": 80, "targetPort": "web", "appProtocol": "http2"}])
    pods = [
        pod("a", "198.18.1.1", ports=[{"name": "web", "containerPort": 8080}]),
        pod("b", "198.18.1.2", ports=[{"name": "web", "containerPort": 9090}]),
        pod("c", "198.18.1.3", ports=[]),
    ]
    slices = endpoint_slices(named, pods)
    assert len({s["metadata"]["name"] for s in slices}) == 3
    found = sorted((s["ports"][0]["port"], s["endpoints"][0]["addresses"][0]) for s in slices if s["ports"])
    assert found == [(8080, "198.18.1.1"), (9090, "198.18.1.2")]
    assert {p["appProtocol"] for s in slices for p in s["ports"]} == {"http2"}


def test_a_slice_holds_a_hundred_endpoints():
    slices = endpoint_slices(service(), [pod(f"p{i:03}", f"198.18.{i // 200}.{i % 200}") for i in range(250)])
    assert sorted(len(s["endpoints"]) for s in slices) == [50, 100, 100]


def test_without_a_selector_or_with_an_external_name_there_is_no_slice():
    assert endpoint_slices(service(selector=None), [pod("a", "198.18.1.1")]) == []
    assert endpoint_slices(service(type="ExternalName"), [pod("a", "198.18.1.1")]) == []


def test_hand_written_endpoints_are_mirrored_by_family():
    written = {
        "metadata": {"name": "db", "namespace": "default"},
        "subsets": [
            {
                "addresses": [{"ip": "198.18.1.9"}, {"ip": "fd00::9", "hostname": "h"}],
                "notReadyAddresses": [{"ip": "198.18.1.10"}],
                "ports": [{"name": "sql", "port": 3306}],
            }
        ],
    }
    by_family = {s["addressType"]: s for s in mirrored_slices(written)}
    assert [e["conditions"]["ready"] for e in by_family["IPv4"]["endpoints"]] == [True, False]
    assert by_family["IPv6"]["endpoints"][0]["hostname"] == "h"
    assert by_family["IPv4"]["ports"] == [{"name": "sql", "port": 3306, "protocol": "TCP"}]
    written["metadata"]["labels"] = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    assert mirrored_slices(written) == []


def test_the_zone_has_addresses_headless_pods_host_names_and_aliases():
    addressed = with_cluster_ip(service("web"), ())
    headless = service("db", clusterIP="None")
    member = pod("db-0", "198.18.1.1")
    member["spec"] |= {"hostname": "db-0", "subdomain": "db"}
    alias = service("old", type="ExternalName", externalName="web.default.svc.cluster.local.")
    outside = service("far", type="ExternalName", externalName="example.org")
    slices = by_service(endpoint_slices(headless, [member, pod("db-1", "198.18.1.2", ready=False)]))
    zone = zone_of([alias, outside, addressed, headless], slices)
    domain = "default.svc.cluster.local"
    for name, address in {
        "web": addressed["spec"]["clusterIP"],
        "db": "198.18.1.1",
        "db-0.db": "198.18.1.1",
        "old": addressed["spec"]["clusterIP"],
    }.items():
        assert zone.lookup(f"{name}.{domain}", "A") == (Outcome.FOUND, (address,))
    assert zone.lookup(f"far.{domain}", "A")[1] == ()
    assert zone.lookup(f"_http._tcp.web.{domain}", "SRV")[1] == (f"0 100 9080 web.{domain}.",)


def test_aliases_of_each_other_do_not_loop():
    a = service("a", type="ExternalName", externalName="b.default.svc.cluster.local")
    b = service("b", type="ExternalName", externalName="a.default.svc.cluster.local")
    assert zone_of([a, b], {}).lookup("a.default.svc.cluster.local", "A")[1] == ()


def test_rules_name_the_ready_endpoints_of_each_port():
    addressed = with_cluster_ip(service(), ())
    slices = by_service(endpoint_slices(addressed, [pod("a", "198.18.1.1"), pod("b", "198.18.1.2", ready=False)]))
    (rule,) = service_rules([addressed, service("x", clusterIP="None")], slices)
    assert str(rule.vip) == addressed["spec"]["clusterIP"]
    assert (rule.protocol, rule.port) == ("tcp", 9080)
    assert [(str(b.address), b.port) for b in rule.backends] == [("198.18.1.1", 9080)]
    assert isinstance(rule.backends[0], Backend)


@pytest.mark.parametrize(
    ("spec", "families"),
    [
        ({}, ("IPv4",)),
        ({"clusterIP": "fd6c:6174:6565::c613:109"}, ("IPv6",)),
        ({"ipFamilies": ["IPv6"]}, ("IPv6",)),
        ({"ipFamilies": ["IPv6", "IPv4"]}, ("IPv6", "IPv4")),
        ({"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv6"]}, ("IPv6",)),
        ({"ipFamilyPolicy": "PreferDualStack"}, ("IPv4", "IPv6")),
        ({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"]}, ("IPv6", "IPv4")),
    ],
)
def test_families_are_those_that_a_service_asks_for(spec: dict[str, object], families: tuple[str, ...]) -> None:
    asked = service(**spec)
    assert families_of(asked) == families
    found = with_cluster_ip(asked, ())["spec"]
    assert tuple("IPv6" if ":" in address else "IPv4" for address in found["clusterIPs"]) == families
    assert found["clusterIP"] == found["clusterIPs"][0]
    addressed = {**asked, "spec": found}
    assert with_cluster_ip(addressed, ()) is addressed, "what has its addresses keeps them"
    alone = with_cluster_ip(asked, (), ipv6=False)["spec"]
    assert alone["clusterIP"].startswith("198.19.")
    assert families_of({**asked, "spec": alone}) == ("IPv4",)


def test_the_addresses_of_a_service_are_twins_and_nobody_elses() -> None:
    dual = with_cluster_ip(service(ipFamilyPolicy="RequireDualStack"), ())["spec"]["clusterIPs"]
    assert (ipv6_twin(dual[0]), ipv4_twin(dual[1])) == (dual[1], dual[0])
    assert ipv4_twin("fd00::1") is None
    for taken in dual:
        others = with_cluster_ip(service(ipFamilyPolicy="RequireDualStack"), {taken})["spec"]["clusterIPs"]
        assert not set(others) & set(dual)
    asked = ["198.19.1.9", "fd6c:6174:6565::c613:20a"]
    assert (
        with_cluster_ip(service(clusterIPs=asked, ipFamilyPolicy="RequireDualStack"), ())["spec"]["clusterIPs"] == asked
    )


def test_each_family_has_slices_of_its_own() -> None:
    both = pod("a", "198.18.1.1")
    both["status"]["podIPs"] = [{"ip": "198.18.1.1"}, {"ip": "fd00::1"}]
    pieces = endpoint_slices(service(ipFamilyPolicy="RequireDualStack"), [both, pod("b", "198.18.1.2")])
    found = {piece["addressType"]: [endpoint["addresses"] for endpoint in piece["endpoints"]] for piece in pieces}
    assert found == {"IPv4": [["198.18.1.1"], ["198.18.1.2"]], "IPv6": [["fd00::1"]]}
    assert len({piece["metadata"]["name"] for piece in pieces}) == 2
    addressed = with_cluster_ip(service(ipFamilyPolicy="RequireDualStack"), ())
    rules = service_rules([addressed], by_service(pieces))
    assert [[str(one.address) for one in rule.backends] for rule in rules] == [
        ["198.18.1.1", "198.18.1.2"],
        ["fd00::1"],
    ]
    zone = zone_of([addressed], {})
    found = [zone.lookup("reviews.default.svc.cluster.local", kind)[1] for kind in ("A", "AAAA")]
    assert found == [(address,) for address in addressed["spec"]["clusterIPs"]]
