"""Plurals, scopes and versions of kinds, known and guessed."""

import pytest

from lateen.config.known_types import known_types
from lateen.local_runtime.objects.resource_types import ResourceTypes, guess_plural


@pytest.mark.parametrize(
    ("kind", "plural"),
    [("HTTPRoute", "httproutes"), ("Gateway", "gateways"), ("Policy", "policies"), ("Ingress", "ingresses")],
)
def test_plurals_are_guessed_as_kubernetes_guesses(kind: str, plural: str) -> None:
    assert guess_plural(kind) == plural


def test_no_kind_and_no_plural_is_there_twice() -> None:
    types = known_types()
    assert len({(each.group, each.kind) for each in types}) == len(types)
    assert len({(each.group, each.plural) for each in types}) == len(types)


@pytest.mark.parametrize("word", ["deploy", "Deployment", "deployments", "deployments.apps"])
def test_people_name_kinds_in_many_ways(word: str) -> None:
    assert [each.kind for each in ResourceTypes().named(word)] == ["Deployment"]


def test_a_word_may_mean_kinds_of_several_groups() -> None:
    groups = {each.group for each in ResourceTypes().named("gateways")}
    assert groups == {"networking.istio.io", "gateway.networking.k8s.io"}


def test_versions_of_kinds_the_mesh_reads_are_fixed() -> None:
    types = ResourceTypes()
    assert "v9" not in types.recognise("networking.istio.io/v9", "VirtualService").versions
    assert types.recognise("policy/v9", "PodDisruptionBudget").versions == ("v1", "v9")
