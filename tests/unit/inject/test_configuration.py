"""Documents of settings: what lies over what, and errors by the names that people wrote."""

from typing import Any

import pytest

from lateen.inject.configuration import Documents, read, read_injection_config, set_flags, with_operator
from lateen.inject.errors import InjectionError


def test_an_operators_values_lie_over_those_there_are_and_its_cni_is_the_charts() -> None:
    spec = {
        "values": {
            "global": {"tag": "2"},
            "cni": {"provider": "multus"},
            "env": {"ENABLE_CLUSTER_TRUST_BUNDLE_API": True},
        },
        "components": {"cni": {"enabled": True}},
        "meshConfig": {"trustDomain": "example.org"},
    }
    documents = Documents(values={"global": {"tag": "1", "hub": "h"}}, mesh={"trustDomain": "a", "proxyListenPort": 1})
    settings = with_operator(documents, {"spec": spec}).settings()
    values = settings.values
    assert (values.hub, values.tag, values.cni_enabled, values.cni_provider) == ("h", "2", True, "multus")
    assert values.cluster_trust_bundle
    assert (settings.mesh.trust_domain, settings.mesh.proxy_listen_port) == ("example.org", 1)


def test_flags_are_typed_and_may_name_keys_with_dots() -> None:
    flags = ("values.global.proxy.statusPort=7", "values.a\\.b.c=x=y", "components.cni.enabled=true")
    assert set_flags(flags)["spec"] == {
        "values": {"global": {"proxy": {"statusPort": 7}}, "a.b": {"c": "x=y"}},
        "components": {"cni": {"enabled": True}},
    }


@pytest.mark.parametrize(
    ("operator", "said"),
    [
        ({"spec": 1}, "operator.spec: expected an object, not 1"),
        ({"spec": {"values": "x"}}, "spec.values: expected an object, not 'x'"),
        ({"spec": {"values": {"pilot": [], "cni": {}}}}, "spec.values.pilot: expected an object"),
        ({"spec": {"components": {"cni": True}}}, "spec.components.cni: expected an object, not True"),
    ],
)
def test_an_operator_of_another_shape_is_refused(operator: Any, said: str) -> None:
    with pytest.raises(InjectionError, match=said):
        with_operator(Documents(), operator)


@pytest.mark.parametrize("flag", ["values.a", "a.b=c", "values=1", "values..a=1", "=x"])
def test_a_flag_that_means_nothing_is_told_with_what_would_be_right(flag: str) -> None:
    with pytest.raises(InjectionError, match=r"--set .*write PATH=VALUE, as in values\.global"):
        set_flags([flag])


def test_empty_lists_of_the_injection_config_leave_the_defaults() -> None:
    config = read_injection_config("policy: enabled\ndefaultTemplates: []\ntemplates: null\nneverInjectSelector: []\n")
    settings = Documents(config=config).settings()
    assert (settings.default_templates, settings.never_inject) == (("sidecar",), ())


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ({"values": {"global": {"proxy": {"statusPort": "x"}}}}, "`values global.proxy.statusPort`"),
        ({"values": {"global": {"imagePullSecrets": [1]}}}, "`values global.imagePullSecrets[0]`"),
        ({"mesh": {"trustDomian": "x"}}, "mesh config: trustDomian: unknown field"),
        ({"mesh": {"defaultConfig": {"statusPort": "x"}}}, "mesh config: defaultConfig.statusPort: must be"),
        ({"config": {"templates": {"a": 1}}}, "templates"),
        ({"values": {"sidecarInjectorWebhook": 1}}, "values.sidecarInjectorWebhook: expected an object, not 1"),
    ],
)
def test_a_wrong_setting_is_named_as_it_was_written(documents: Any, said: str) -> None:
    with pytest.raises(InjectionError) as error:
        Documents(**documents).settings()
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"), [("a: ]", "x: line 1"), ("a: 1\n---\nb: 2\n", "x: line 3: only one document")]
)
def test_a_text_that_is_no_document_is_named_with_its_line(text: str, said: str) -> None:
    with pytest.raises(InjectionError, match=said):
        read(text, "x")
    assert read("", "x") == {}
