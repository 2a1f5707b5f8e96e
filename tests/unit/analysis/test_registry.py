"""All analyzers together: what each may say, and that nothing that can be written stops one."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from lateen.analysis.analyzer import analyze, findings
from lateen.analysis.catalogue import BY_CODE, MessageType
from lateen.analysis.registry import ANALYZERS, DEFAULT
from lateen.analysis.resources import Resource
from lateen.analysis.view import MESH_NETWORKS, Surroundings, View
from lateen.analysis.workloads import WORKLOADS
from lateen.config.objects import ObjectRef

KINDS = (
    *WORKLOADS,
    MESH_NETWORKS,
    ("", "Namespace"),
    ("", "Service"),
    ("", "ConfigMap"),
    ("", "Secret"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("networking.istio.io", "VirtualService"),
    ("networking.istio.io", "VirtualServce"),
    ("networking.istio.io", "Gateway"),
    ("networking.istio.io", "ProxyConfig"),
    ("security.istio.io", "AuthorizationPolicy"),
    ("gateway.networking.k8s.io", "HTTPRoute"),
)
ODD: tuple[Any, ...] = (None, 5, "text", [], [None, 5, "text", [], {}], {}, {"a": None}, True)
FIELDS = re.findall(
    r"\w+",
    """
    selector ports template securityContext containers initContainers hostNetwork type externalName matchLabels
    matchExpressions webhooks clientConfig url service namespaceSelector objectSelector conditions parents networks
    endpoints fromRegistry data labels annotations image name port targetPort protocol appProtocol capabilities add
    metadata spec status phase targetRef targetRefs jobTemplate ownerReferences key operator values
    """,
)


def odd_objects() -> Iterator[dict[str, Any]]:
    for value in ODD:
        yield {"metadata": value, "spec": value, "status": value, "webhooks": value, "data": value}
        everything = dict.fromkeys(FIELDS, value)
        nested = {**everything, "template": {"metadata": everything, "spec": everything}}
        listed = {**everything, **{name: [everything] for name in FIELDS if name.endswith("s")}, "spec": everything}
        yield {**listed, "metadata": everything, "spec": {**nested, **listed, "template": {"spec": listed}}}
        yield {**everything, "metadata": {"labels": {"istio-injection": value}}, "spec": listed, "status": listed}
        client = {"clientConfig": {"url": value, "service": {"name": value}}, "name": "x.istio.io"}
        selecting = {"namespaceSelector": everything, "objectSelector": {"matchExpressions": [everything]}}
        yield {"webhooks": [{**client, **selecting}]}


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_nothing_that_can_be_written_stops_an_analyzer(kind: tuple[str, str]) -> None:
    resources = [
        Resource(ref=ObjectRef(*kind, "shop", f"odd-{position}"), raw=raw) for position, raw in enumerate(odd_objects())
    ]
    around = Surroundings(inject_by_default=True, proxy_image="proxy:1")
    for resource in resources:
        found = analyze(View([resource], around), ANALYZERS)
        assert [each.text for each in found if each.type is MessageType.InternalError] == []
    found = analyze(View(resources, around), ANALYZERS)
    assert [each.text for each in found if each.type is MessageType.InternalError] == []


def test_codes_and_names_are_each_used_once() -> None:
    assert len(BY_CODE) == len(MessageType)
    assert len({each.name for each in ANALYZERS}) == len(ANALYZERS)


def test_only_the_analyzer_of_alpha_annotations_is_not_run_by_default() -> None:
    assert [each.name for each in ANALYZERS if each not in DEFAULT] == ["annotations.AlphaAnalyzer"]


def test_our_own_messages_all_have_an_analyzer() -> None:
    given = {each for analyzer in ANALYZERS for each in analyzer.types}
    assert {each for each in MessageType if each.code.startswith("LTN")} <= given


def test_an_analyzer_says_only_what_it_is_registered_for() -> None:
    resources = [Resource(ref=ObjectRef(*kind, "shop", "odd"), raw=raw) for kind in KINDS for raw in odd_objects()]
    view = View(resources, Surroundings(inject_by_default=True))
    for analyzer in ANALYZERS:
        assert {message.type for message in findings(analyzer, view)} <= set(analyzer.types)
