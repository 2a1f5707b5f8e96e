"""Each analyzer alone over the files of its reference cases: the expected messages, no more and no fewer."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from lateen.analysis.analyzer import findings
from lateen.analysis.catalogue import MessageType
from lateen.analysis.registry import BY_NAME
from lateen.analysis.resources import Resource, of_files
from lateen.analysis.view import MESH_NETWORKS, IngressGateway, Surroundings, View
from lateen.config.objects import ObjectRef
from lateen.sources.files import load

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "conformance"
CASES: Mapping[str, Any] = (
    json.loads((REFERENCE / "cases.json").read_text()) if (REFERENCE / "cases.json").is_file() else {}
)
NAMES = {row["go"]: row["name"] for row in CASES.get("analyzer_registry", ())}
NOT_YET = frozenset(
    (
        "auth.AuthorizationPoliciesAnalyzer",
        "authn.BlockedCIDRsAnalyzer",
        "deprecation.DeprecationAnalyzer",
        "destinationrule.CaCertificateAnalyzer",
        "destinationrule.SubsetSelectPodAnalyzer",
        "envoyfilter.EnvoyPatchAnalyzer",
        "gateway.CertificateAnalyzer",
        "gateway.ConflictingGatewayAnalyzer",
        "gateway.SecretAnalyzer",
        "k8sgateway.CRDVersionAnalyzer",
        "serviceentry.Analyzer",
        "serviceentry.ConflictingServiceEntryProtocolAnalyzer",
        "services.MultiClusterServiceAnalyzer",
        "sidecar.SelectorAnalyzer",
        "telemetry.DefaultSelectorAnalyzer",
        "telemetry.LightstepAnalyzer",
        "telemetry.ProviderAnalyzer",
        "telemetry.SelectorAnalyzer",
        "virtualservice.ConflictingMeshGatewayHostsAnalyzer",
        "virtualservice.DestinationHostAnalyzer",
        "virtualservice.DestinationRuleAnalyzer",
        "virtualservice.GatewayAnalyzer",
        "virtualservice.JWTClaimRouteAnalyzer",
    )
)
"""Istio's analyzers that are still to come."""
ISTIOS_GATEWAY = IngressGateway({"istio": "ingressgateway"}, (80, 443, 31400, 15443))
"""What Istio's analyzers take for granted."""

pytestmark = pytest.mark.skipif(not CASES, reason="the reference cases are not beside this checkout")


def name_of(case: Mapping[str, Any]) -> str:
    if case["analyzer"].startswith("schemaValidation"):
        return f"schema.ValidationAnalyzer.{case['analyzer'].rpartition('.')[2].removesuffix(')')}"
    return NAMES.get(case["analyzer"], case["analyzer"])


def is_here(case: Mapping[str, Any]) -> bool:
    return name_of(case) in BY_NAME


def view_of(case: Mapping[str, Any]) -> View:
    loaded = load([REFERENCE / name for name in case["inputs"]], default_namespace="")
    resources = list(of_files(loaded.files.written(), "", lambda _: False))
    if case["mesh_networks"]:
        networks = yaml.safe_load((REFERENCE / case["mesh_networks"]).read_text())
        resources.append(Resource(ref=ObjectRef(*MESH_NETWORKS, "istio-system", "meshnetworks"), raw=networks))
    mesh = yaml.safe_load((REFERENCE / case["mesh_config"]).read_text()) if case["mesh_config"] else {}
    return View(resources, Surroundings(mesh=mesh, ingress_gateway=ISTIOS_GATEWAY))


@pytest.mark.parametrize(
    "case", [case for case in CASES.get("analyzers", ()) if is_here(case)], ids=lambda c: c["name"]
)
def test_case(case: Mapping[str, Any]) -> None:
    found = {message.order: message for message in findings(BY_NAME[name_of(case)], view_of(case))}.values()
    assert Counter((message.type.code, message.about) for message in found) == Counter(
        (each["code"], each["resource"]) for each in case["expected"]
    )
    assert all(message.origin is not None and message.origin.line > 0 for message in found)


def test_the_analyzers_that_are_missing_are_those_known_to_be() -> None:
    theirs = {name for name in NAMES.values() if not name.startswith("schema.")} - {None}
    assert theirs - set(BY_NAME) == NOT_YET


def test_the_cases_that_do_not_run_are_those_of_what_is_missing() -> None:
    left = [case for case in CASES["analyzers"] if not is_here(case)]
    assert {name_of(case) for case in left} <= NOT_YET
    assert len(left) == 28


def test_messages_are_the_reference_ones() -> None:
    theirs = {(row["code"], row["name"], row["level"]) for row in CASES["messages"]}
    ours = {(each.code, each.name, str(each.level)) for each in MessageType if each.code.startswith("IST")}
    assert ours == theirs


def test_analyzers_give_the_codes_of_the_reference() -> None:
    for row in CASES["analyzer_registry"]:
        if row["name"] in BY_NAME:
            assert {each.code for each in BY_NAME[row["name"]].types} == set(row["codes"])
