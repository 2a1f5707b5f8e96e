"""Whatever a pod holds: it is injected, or what is wrong with it is said."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lateen.inject.errors import InjectionError
from lateen.inject.inject import inject
from lateen.inject.settings import Settings

POD: dict[str, Any] = {
    "metadata": {
        "namespace": "shop",
        "generateName": "web-",
        "labels": {"app": "web", "env": "test"},
        "annotations": {"inject.istio.io/templates": "sidecar,mine", "proxy.istio.io/config": "concurrency: 2"},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "controller": True}],
    },
    "spec": {
        "nodeSelector": {"env": "test"},
        "imagePullSecrets": [{"name": "s"}],
        "securityContext": {"fsGroup": 1},
        "containers": [
            {
                "name": "web",
                "args": ["a"],
                "ports": [{"containerPort": 80, "name": "http"}],
                "env": [{"name": "K", "value": "v"}],
                "resources": {"limits": {"cpu": "1"}},
                "volumeMounts": [{"name": "v", "mountPath": "/v"}],
                "readinessProbe": {"httpGet": {"port": "http", "httpHeaders": [{"name": "h", "value": "x"}]}},
                "lifecycle": {"preStop": {"httpGet": {"port": 80}}},
            },
            {"name": "istio-proxy", "image": "auto", "securityContext": {"runAsUser": 7}},
        ],
        "initContainers": [{"name": "fetch", "command": ["x"]}],
        "volumes": [{"name": "v", "emptyDir": {}}],
    },
}
TEMPLATE = """
spec:
  containers:
  {{- range .Spec.Containers }}
  - name: {{ .Name }}
    env: [{name: FIRST, value: "{{ with .Ports }}{{ (index . 0).Name }}{{ end }}"}]
  {{- end }}
"""


def ways(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of everything in a value."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from ways(item, (*path, key))


junk = st.sampled_from([None, "", "x", 0, -1, 7.5, True, [], [None], ["x"], {}, {"x": 1}, [{"name": "x"}], [[]]])


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(list(ways(POD))), junk), min_size=1, max_size=3))
def test_a_pod_is_injected_or_refused_in_words(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    pod = copy.deepcopy(POD)
    for path, value in changes:
        put(pod, path, copy.deepcopy(value))
    before = copy.deepcopy(pod)
    refused = is_refused(pod)

    assert pod == before
    assert is_refused(pod) == refused


def put(value: Any, path: tuple[Any, ...], junk: Any) -> None:
    """Puts a value there; nothing if an earlier change took the place away."""
    for step in path[:-1]:
        if not isinstance(value, dict | list) or (isinstance(value, list) and not isinstance(step, int)):
            return
        try:
            value = value[step]
        except LookupError:
            return
    if isinstance(value, dict) or (isinstance(value, list) and isinstance(path[-1], int) and path[-1] < len(value)):
        value[path[-1]] = junk


def is_refused(pod: dict[str, Any]) -> bool:
    try:
        inject(pod, Settings(templates={"mine": TEMPLATE}))
    except InjectionError as error:
        return str(error) != ""
    return False
