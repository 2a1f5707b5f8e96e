"""VirtualServices of a host and of a gateway, and what depends on the client."""

import pytest

from lateen.common.labels import Selector
from lateen.config.kinds.gateway import Gateway
from lateen.config.kinds.mesh_config import MeshConfig, MeshConfigSpec
from lateen.config.kinds.virtual_service import HTTPMatchRequest, VirtualService
from lateen.incremental.tables import Change
from lateen.model.audience import Audience
from lateen.model.http_rules import (
    admits,
    attachments,
    depends_on_source,
    privately_governed_hosts,
    publicly_governed_hosts,
    source_dependent_hosts,
    source_selectors,
    virtual_services_for_gateway,
)

RULE = "[{route: [{destination: {host: a}}]}]"


def virtual_service(name: str, namespace: str = "one", hosts: str = "[a]", http: str = RULE, **spec: str) -> str:
    more = "".join(f", {key}: {value}" for key, value in spec.items())
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{hosts: {hosts}, http: {http}{more}}}
"""


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ([], ("mesh",)),
        (["mesh", "gw"], ("mesh", "one/gw")),
        (["./gw"], ("one/gw",)),
        (["two/gw"], ("two/gw",)),
        (["gw.two.svc.cluster.local"], ("two/gw",)),
        (["gw.with.dots"], ("one/gw.with.dots",)),
    ],
)
def test_names_of_gateways(written, meant) -> None:
    assert attachments(written, "one") == meant


def test_of_a_gateway_only_those_its_proxies_see_oldest_first(mesh_of) -> None:
    mesh = mesh_of(
        virtual_service("b", gateways="[two/gw]"),
        virtual_service("a", gateways="[mesh, two/gw]"),
        virtual_service("private", gateways="[two/gw]", exportTo="['.']"),
        virtual_service("other", gateways="[gw]"),
    )
    gateway = Gateway.ref_to("two", "gw")
    assert [found.ref.name for found in virtual_services_for_gateway(mesh, gateway, "two")] == ["a", "b"]
    assert [found.ref.name for found in virtual_services_for_gateway(mesh, gateway, "one")] == ["a", "b", "private"]


def test_what_looks_at_the_client(mesh_of) -> None:
    labels = "[{match: [{sourceLabels: {b: c}}, {sourceLabels: {a: b}}, {sourceLabels: {b: c}}], redirect: {uri: /}}]"
    namespace = "[{match: [{sourceNamespace: two}], redirect: {uri: /}}]"
    mesh = mesh_of(
        virtual_service("labels", http=labels),
        virtual_service("namespace", hosts="[b]", http=namespace),
        virtual_service("neither", hosts="[c]"),
    )
    assert source_selectors(mesh) == (Selector.of({"a": "b"}), Selector.of({"b": "c"}))
    assert source_dependent_hosts(mesh) == ("a.one.svc.cluster.local", "b.one.svc.cluster.local")
    names = ("labels", "namespace", "neither")
    assert [depends_on_source(mesh, VirtualService.ref_to("one", name)) for name in names] == [True, True, False]


def test_conditions_on_the_client() -> None:
    shop = Audience("one", (Selector.of({"app": "shop"}),))
    labels, namespace = HTTPMatchRequest(source_labels={"app": "shop"}), HTTPMatchRequest(source_namespace="one")
    assert admits(labels, shop)
    assert admits(namespace, shop)
    assert not admits(labels, Audience("one"))
    assert not admits(namespace, Audience("two"))
    assert not admits(labels, None)
    assert not admits(namespace, None)
    assert admits(HTTPMatchRequest(), None)


def test_who_sees_what(mesh_of) -> None:
    mesh = mesh_of(
        virtual_service("all", hosts="[all]"),
        virtual_service("own", hosts="[own]", exportTo="['.']"),
        virtual_service("named", hosts="[named]", exportTo="[two, three]"),
        virtual_service("nobody", hosts="[nobody]", exportTo="['~']"),
        virtual_service("edge", hosts="[edge]", gateways="[gw]"),
    )
    assert publicly_governed_hosts(mesh) == ("all.one.svc.cluster.local",)
    assert privately_governed_hosts(mesh, "one") == ("own.one.svc.cluster.local",)
    assert privately_governed_hosts(mesh, "two") == ("named.one.svc.cluster.local",)
    assert privately_governed_hosts(mesh, "four") == ()


def test_the_meshs_default_export_counts_where_an_object_says_nothing(mesh_of) -> None:
    mesh = mesh_of(virtual_service("quiet", hosts="[quiet]"))
    written = MeshConfig(spec=MeshConfigSpec(default_virtual_service_export_to=(".",))).renamed("istio-system", "istio")
    mesh.commit([Change(MeshConfig, written.ref, written)])
    assert publicly_governed_hosts(mesh) == ()
    assert privately_governed_hosts(mesh, "one") == ("quiet.one.svc.cluster.local",)
