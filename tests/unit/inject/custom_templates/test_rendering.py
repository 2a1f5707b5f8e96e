"""Templates of users: what they see, and what is said of those that make no pod."""

from typing import Any

import pytest

from lateen.inject.errors import InjectionError
from lateen.inject.inject import Injected, inject
from lateen.inject.owner import Owner
from lateen.inject.settings import Settings

POD: dict[str, Any] = {
    "metadata": {"namespace": "shop", "labels": {"app": "web"}, "annotations": {"a/b": "c", "empty": ""}},
    "spec": {
        "serviceAccountName": "robot",
        "containers": [
            {
                "name": "web",
                "image": "web:1",
                "ports": [
                    {"containerPort": 80, "name": "http"},
                    {"containerPort": 53, "protocol": "UDP"},
                    {"containerPort": 81},
                ],
                "env": [{"name": "K", "value": "v"}],
                "resources": {"limits": {"cpu": "1"}},
                "readinessProbe": {"httpGet": {"port": 80, "path": "/ready"}},
            },
            {"name": "side", "image": "side:1"},
        ],
    },
}
OWNER = Owner("apps/v1", "Deployment", "web", "shop")


def settings(text: str, **more: Any) -> Settings:
    helm = {"global": {"hub": "h", "own": {"key": [1, 2]}}, "sidecarInjectorWebhook": {"templates": {"mine": text}}}
    mesh = {
        "defaultConfig": {"proxyMetadata": {"M": "1"}, "concurrency": 3},
        "trustDomain": "td",
        "rootNamespace": "rn",
    }
    return Settings.of({**helm, **more}, mesh)


def injected(text: str, names: str = "mine") -> dict[str, Any]:
    pod = {**POD, "metadata": {**POD["metadata"], "annotations": {"a/b": "c", "inject.istio.io/templates": names}}}
    result = inject(pod, settings(text), OWNER)
    assert isinstance(result, Injected)
    return result.pod


def shown(expression: str) -> str:
    """What an expression comes out as, through a whole template."""
    text = f"metadata: {{annotations: {{shown: {{{{ {expression} | toJson }}}}}}}}"
    found: str = injected(text.replace("| toJson", "| toString | toJson"))["metadata"]["annotations"]["shown"]
    return found


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        (".ObjectMeta.Namespace", "shop"),
        ("index .ObjectMeta.Annotations `a/b`", "c"),
        ("index .ObjectMeta.Labels `none` | quote", '""'),
        (".ObjectMeta.GetNamespace", "shop"),
        (".TypeMeta.Kind", "Deployment"),
        (".DeploymentMeta.Name", "web"),
        (".Spec.ServiceAccountName", "robot"),
        ("(index .Spec.Containers 0).Image", "web:1"),
        ("(index .Spec.Containers 0).Resources.Limits.cpu", "1"),
        ("(index .Spec.Containers 0).ReadinessProbe.HTTPGet.Path", "/ready"),
        ("(index (index .Spec.Containers 0).Env 0).Value", "v"),
        ("len .Spec.Volumes", "0"),
        ("len .Spec.InitContainers", "0"),
        (".ProxyConfig.ProxyMetadata.M", "1"),
        (".ProxyConfig.Concurrency.Value", "3"),
        (".ProxyConfig.HoldApplicationUntilProxyStarts.GetValue", "false"),
        (".ProxyConfig.GetTracing.GetTlsSettings.GetCaCertificates | quote", '""'),
        (".ProxyConfig.InterceptionMode.String", "REDIRECT"),
        ("protoToJSON .ProxyConfig", '{"concurrency":3,"proxyMetadata":{"M":"1"}}'),
        (".MeshConfig.TrustDomain", "td"),
        (".MeshConfig.RootNamespace", "rn"),
        (".MeshConfig.DefaultConfig.StatusPort", "15020"),
        (".Values.global.hub", "h"),
        (".Values.global.own.key", "[1 2]"),
        (".Values.global.proxy.logLevel", "warning"),
        (".Revision", "default"),
        (".NativeSidecars", "false"),
        (".ProxyImage", "h/proxyv2:latest"),
        (".ProxyUID", "1337"),
        (".InboundTrafficPolicyMode", "passthrough"),
        ("annotation .ObjectMeta `none` .ProxyConfig.StatusPort", "15020"),
        ("annotation .ObjectMeta `a/b` `x`", "c"),
        ("isset .ObjectMeta.Annotations `a/b`", "true"),
        ("valueOrDefault `` `x`", "x"),
        ("excludeInboundPort 15020 ` 1,2`", "1,2,15020"),
        ("includeInboundPorts .Spec.Containers", "80,81"),
        ("applicationPorts .Spec.Containers", "80,81"),
        ("formatDuration .ProxyConfig.DrainDuration", "45s"),
        ("structToJSON (index (index .Spec.Containers 0).Ports 0)", '{"name":"http","containerPort":80}'),
        ("toYaml .Values.global.own | indent 2", "key:\n  - 1\n  - 2\n  "),
        ("toJSON .ObjectMeta.Labels", '{"app":"web"}'),
        ('(fromJSON `{"a": 1}`).a', "1"),
        ("directory `/a/b.pem`", "/a/"),
        ("toLower `ABC`", "abc"),
        ("appendMultusNetwork `x` `default/istio-cni`", "x, default/istio-cni"),
        ("env `HOME` `d`", "d"),
        ("omitNil (dict `a` nil `b` 1)", "map[b:1]"),
        ("strdict `a` `1`", "map[a:1]"),
        ("toJsonMap (strdict `a` `1`) (strdict `b` `2`)", '{"a":"1","b":"2"}'),
        ("mergeMaps (dict `a` 1) (dict `a` 2)", "map[a:2]"),
        (
            "otelResourceAttributes .ObjectMeta .DeploymentMeta .Spec.Containers",
            "service.namespace=shop,service.instance.id=shop.$(POD_NAME).web",
        ),
    ],
)
def test_what_a_template_sees(expression: str, wanted: str) -> None:
    assert shown(expression) == wanted


def test_a_pointer_that_is_not_set_is_false() -> None:
    probe = "{{ with .ReadinessProbe }}metadata: {labels: {asked: {{ .HTTPGet.Path }}}}{{ end }}"
    text = f"{{{{ range .Spec.Containers }}}}{probe}{{{{ end }}}}"
    assert injected(text)["metadata"]["labels"]["asked"] == "/ready"


def test_a_template_comes_beside_the_shipped_ones_in_order() -> None:
    text = """
spec:
  containers:
  {{- range $i, $c := .Spec.Containers }}
  - name: {{ $c.Name }}
    env:
    - {name: PLACE, value: "{{ $i }}"}
  {{- end }}
  - name: istio-proxy
    image: mine
"""
    result = injected(text, "sidecar, mine")

    containers = {item["name"]: item for item in result["spec"]["containers"]}
    assert containers["istio-proxy"]["image"] == "mine"
    assert containers["istio-proxy"]["args"][:2] == ["proxy", "sidecar"]
    assert containers["side"]["env"] == [{"name": "PLACE", "value": "1"}]


def test_a_template_of_a_shipped_name_replaces_it() -> None:
    only = Settings(templates={"sidecar": "metadata: {labels: {only: mine}}"})
    result = inject(POD, only, OWNER)
    assert isinstance(result, Injected)

    assert result.pod["metadata"]["labels"] == {"app": "web", "only": "mine"}
    assert "initContainers" not in result.pod["spec"]


def test_a_template_that_makes_nothing_adds_nothing() -> None:
    assert [item["name"] for item in injected("{{/* later */}}")["spec"]["containers"]] == ["web", "side"]


def test_a_template_cannot_change_what_others_see() -> None:
    text = '{{ $_ := set .Values.global "hub" "changed" }}metadata: {labels: {hub: "{{ .Values.global.hub }}"}}'
    given = settings(text, **{})
    inject({**POD, "metadata": {"annotations": {"inject.istio.io/templates": "mine"}}}, given, OWNER)
    assert given.values.as_helm()["global"]["hub"] == "h"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {{ .Spec.Nothing }}", "template mine, line 1, column 7: PodSpec has no field Nothing"),
        ("{{ .ObjectMeta.Label }}", "ObjectMeta has no field Label; did you mean Labels"),
        ("{{ .ProxyConfig.Image.ImageType }}", "cannot read ImageType of a ProxyImage that is not set"),
        ("\n\nspec: [", "template mine, line 4 of its output: not valid YAML"),
        ("a: 1\nmetadata: {}", r"line 1 of its output \('a: 1'\): a: a partial pod has metadata and spec, not a"),
        (
            "spec:\n  containers:\n  - image: x",
            "line 3 of its output .*: spec.containers.0.: expected an object with a name",
        ),
        ("metadata:\n  labels:\n    a: 1", "line 3 of its output .*: metadata.labels.a: expected a text, not 1"),
        (
            "spec:\n  containers:\n  - name: a\n    args: [x,\n    8080]",
            "line 5 of its output .*: spec.containers.0..args.1.",
        ),
        (
            "spec:\n  containers:\n  - name: a\n    env:\n    - name: A\n      value: true",
            "spec.containers.0..env.0..value: expected a text, not True; put it in quotes",
        ),
        ("just text", "line 1 of its output"),
        ("metadata: {}\n---\nmetadata: {}", "line 3 of its output .*: a second document"),
    ],
)
def test_what_is_wrong_with_a_template_is_named(text: str, message: str) -> None:
    with pytest.raises(InjectionError, match=message):
        injected(text)


def test_an_unknown_template_lists_the_known_ones() -> None:
    with pytest.raises(
        InjectionError, match="unknown template 'x'; known are gateway, grpc-agent, grpc-simple, mine, sidecar"
    ):
        injected("", "x")


def test_aliases_stand_for_several_templates() -> None:
    config = {"templates": {"a": "metadata: {labels: {a: '1'}}", "b": "metadata: {labels: {b: '2'}}"}}
    given = Settings.of({}, {}, {**config, "aliases": {"both": ["a", "b"]}, "defaultTemplates": ["both"]})
    result = inject(POD, given, OWNER)
    assert isinstance(result, Injected)
    assert result.pod["metadata"]["labels"] == {"app": "web", "a": "1", "b": "2"}
