import msgspec
import pytest

from lateen.inject.settings import Settings, Values


def test_numbers_and_booleans_are_texts_where_texts_are_meant() -> None:
    proxy = {"excludeInboundPorts": 9090, "capNetBindService": True}
    values = Values.of({"global": {"tag": 1.24, "proxy": proxy}})
    assert (values.exclude_inbound_ports, values.cap_net_bind_service, values.tag) == ("9090", "true", "1.24")


def test_values_of_the_wrong_type_are_named() -> None:
    with pytest.raises(msgspec.ValidationError, match="status_port"):
        Values.of({"global": {"proxy": {"statusPort": "high"}}})


def test_values_come_back_as_a_document_with_defaults() -> None:
    helm = Values.of({"global": {"hub": "h", "imagePullSecrets": ["s"], "mine": 1}}).as_helm()["global"]
    assert (helm["hub"], helm["imagePullSecrets"], helm["mine"], helm["proxy"]["statusPort"]) == ("h", ["s"], 1, 15020)


def test_the_chart_makes_the_injection_configuration_of_values() -> None:
    webhook = {
        "templates": {"mine": "x"},
        "aliases": {"all": ["sidecar", "mine"]},
        "defaultTemplates": [],
        "injectedAnnotations": {"a": "b"},
        "neverInjectSelector": [{"matchLabels": {"a": "b"}}],
        "enableNamespacesByDefault": True,
    }
    settings = Settings.of({"global": {"proxy": {"autoInject": "disabled"}}, "sidecarInjectorWebhook": webhook}, {})

    assert (settings.policy, settings.default_templates, settings.inject_by_default) == ("disabled", ("sidecar",), True)
    assert (settings.templates, settings.template_aliases) == ({"mine": "x"}, {"all": ("sidecar", "mine")})
    assert settings.never_inject == ({"matchLabels": {"a": "b"}},)


def test_an_injection_configuration_stands_by_itself() -> None:
    helm = {"sidecarInjectorWebhook": {"templates": {"mine": "x"}}}
    settings = Settings.of(helm, {}, {"policy": "enabled", "defaultTemplates": ["gateway"]})
    assert (settings.templates, settings.default_templates) == ({}, ("gateway",))


def test_in_files_a_pods_own_configuration_counts_as_the_meshs() -> None:
    annotations = {"proxy.istio.io/config": "statusPort: 15999"}
    assert Settings().with_mesh_config_of(annotations).mesh.proxy_config.status_port == 15999
    assert Settings().with_mesh_config_of({}) == Settings()
