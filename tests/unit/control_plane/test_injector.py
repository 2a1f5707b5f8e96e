"""The injector's settings come from ConfigMaps, and stay in force where the next ones are wrong."""

import json
import logging
from typing import Any

import pytest
from support.admission_reviews import admitted, patch_of, refusal_of, review_of

from lateen.config.decode import decode
from lateen.config.objects import ConfigObject, ObjectRef
from lateen.config.store import ConfigStore
from lateen.control_plane.injector import Injector
from lateen.control_plane.settings import Injection
from lateen.inject.admission import Outcome

POD: dict[str, Any] = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "app"}]}}


def config_map(name: str, **data: str) -> ConfigObject:
    metadata = {"name": name, "namespace": "istio-system"}
    found = decode({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    assert isinstance(found, ConfigObject)
    return found


class Lab:
    """An injector with the store that it follows."""

    def __init__(self, *objects: ConfigObject, **process: Any) -> None:
        self.injector = Injector(Injection(**process))
        self._store = ConfigStore()
        self.apply(*objects)

    def apply(self, *objects: ConfigObject, deleted: tuple[ObjectRef, ...] = ()) -> None:
        self.injector.follow(self._store, self._store.apply(objects, deleted))

    def answer(self, pod: dict[str, Any] = POD) -> bytes:
        return self.injector.review(json.dumps(review_of(pod)).encode(), "/inject", 0.0)

    def image(self) -> str:
        pod = admitted(POD, self.answer())
        (image,) = (each["image"] for each in pod["spec"]["containers"] if each["name"] == "istio-proxy")
        return str(image)


def test_values_and_the_injection_config_are_followed() -> None:
    lab = Lab()
    assert lab.image() == "registry.istio.io/testing/proxyv2:latest"
    values = json.dumps({"global": {"hub": "example.org", "tag": 7}})
    lab.apply(config_map("istio-sidecar-injector", values=values))
    assert lab.image() == "example.org/proxyv2:7"
    lab.apply(config_map("istio-sidecar-injector", values=values, config="policy: disabled"))
    assert patch_of(lab.answer()) == []
    lab.apply(deleted=(config_map("istio-sidecar-injector").ref,))
    assert lab.image() == "registry.istio.io/testing/proxyv2:latest"


def test_the_config_says_who_is_injected_and_with_which_templates_and_annotations() -> None:
    config = """
    policy: enabled
    defaultTemplates: [mine]
    aliases: {}
    templates:
      mine: |
        metadata: {labels: {by: "{{ .ObjectMeta.Name }}"}}
    neverInjectSelector:
    - matchExpressions: [{key: job, operator: Exists}]
    injectedAnnotations: {a/b: c}
    """
    lab = Lab(config_map("istio-sidecar-injector", config=config))
    metadata = admitted(POD, lab.answer())["metadata"]
    assert metadata["labels"] == {"by": "web"}
    assert metadata["annotations"]["a/b"] == "c"
    assert patch_of(lab.answer({**POD, "metadata": {"labels": {"job": ""}}})) == []


def test_the_meshs_settings_count() -> None:
    lab = Lab(config_map("istio", mesh="defaultConfig: {proxyMetadata: {A: b}}"))
    pod = admitted(POD, lab.answer())
    assert {"name": "A", "value": "b"} in pod["spec"]["containers"][1]["env"]


def test_a_revision_has_a_config_map_of_its_own_and_names_itself_in_pods() -> None:
    values = json.dumps({"global": {"hub": "example.org"}})
    lab = Lab(config_map("istio-sidecar-injector-canary", values=values), revision="canary")
    assert lab.image() == "example.org/proxyv2:latest"
    assert admitted(POD, lab.answer())["metadata"]["annotations"]["istio.io/rev"] == "canary"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"values": "{"}, "values: line 2"),
        ({"values": '{"global": {"proxy": {"statusPort": "x"}}}'}, "global.proxy.statusPort"),
        ({"config": "[]"}, "injection config: line 1"),
        ({"config": "templates: 3"}, "templates"),
    ],
)
def test_what_is_wrong_is_told_and_what_was_in_force_stays(
    data: dict[str, str], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    lab = Lab(config_map("istio-sidecar-injector", values='{"global": {"hub": "example.org"}}'))
    with caplog.at_level(logging.ERROR):
        lab.apply(config_map("istio-sidecar-injector", **data))
    assert told in caplog.text
    assert "istio-system/istio-sidecar-injector" in caplog.text
    assert lab.image() == "example.org/proxyv2:latest"


def test_with_settings_that_were_never_right_every_pod_is_refused() -> None:
    lab = Lab(config_map("istio-sidecar-injector", values="{"))
    assert "settings cannot be read: values" in refusal_of(lab.answer())
    assert lab.injector.counts.outcomes == {Outcome.FAILED: 1}
    lab.apply(config_map("istio-sidecar-injector", values="{}"))
    assert patch_of(lab.answer())
