"""Injection: a pod and settings in, the pod with its proxy out, and what was done in words.

The steps and their order are the contract's: check annotations, render templates and merge them, lay the author's own
settings of the proxy over them again, then metrics, probes, metadata and container order.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from lateen.common.labels import Labels
from lateen.inject import overrides, pods, probes, prometheus
from lateen.inject.annotation_checks import FALSE, TRUE, check
from lateen.inject.encoding import compact_json, normalised
from lateen.inject.errors import InjectionError
from lateen.inject.facts import INTERCEPTION_MODE, NATIVE_SIDECAR, STATUS_PORT, Facts
from lateen.inject.merge import merge
from lateen.inject.order import ordered_containers, ordered_init_containers
from lateen.inject.overrides import OVERRIDES, STATUS, Status, status_of
from lateen.inject.owner import Owner, owner_of
from lateen.inject.pods import INIT, LISTS, PROXY, VALIDATION, JsonMap
from lateen.inject.policy import decide, selected
from lateen.inject.proxy_config import ProxyConfig
from lateen.inject.settings import Settings
from lateen.inject.shape_checks import check_shape
from lateen.inject.templates import TEMPLATES

TEMPLATES_ANNOTATION = "inject.istio.io/templates"
_REWRITE_PROBES = "sidecar.istio.io/rewriteAppHTTPProbers"
_SECURE_PORT_VARIABLE = "ENVOY_SECURE_MERGED_METRICS_PORT"
_NETWORK_LABEL = "topology.istio.io/network"
_CLUSTER_VARIABLE, _NETWORK_VARIABLE = "ISTIO_META_CLUSTER_ID", "ISTIO_META_NETWORK"


Trace = Callable[[str, JsonMap], None]
"""Told the name of each step, and the pod after it."""


class Injected(msgspec.Struct, frozen=True):
    """The pod as it should run, and one sentence for each thing that was done to it."""

    pod: JsonMap
    reasons: tuple[str, ...]


class Skipped(msgspec.Struct, frozen=True):
    """The pod stays as it is, and why."""

    reason: str


def inject(
    pod: Mapping[str, Any],
    settings: Settings,
    owner: Owner | None = None,
    namespace_labels: Labels | None = None,
    *,
    trace: Trace | None = None,
) -> Injected | Skipped:
    """The pod with what the templates bring, or the reason why it gets nothing. The given pod is not changed.

    The pod is JSON as the API has it; its namespace is `metadata.namespace`. Without an owner it is read off the pod.
    With `namespace_labels` the selectors of a cluster's webhook are asked first. `trace` is told every step and the pod
    after it. Raises `InjectionError`.
    """
    check_shape(pod)
    pod = normalised(pod)
    namespace = (pod.get("metadata") or {}).get("namespace") or ""
    if namespace_labels is not None:
        chosen = selected(namespace or "default", namespace_labels, pods.labels(pod), settings)
        if not chosen.inject:
            return Skipped(chosen.reason)
    decision = decide(pod, settings)
    if not decision.inject:
        return Skipped(decision.reason)
    annotations = pods.annotations(pod)
    check(annotations)
    config = settings.proxy_config(namespace, pods.labels(pod), annotations)
    run = _Injection(pod, settings, config, owner or owner_of(pod), [f"Injected because {decision.reason}."], trace)
    return Injected(run.result(), tuple(run.reasons))


class _Injection(msgspec.Struct):
    """One pod on its way; a method per step."""

    original: JsonMap
    settings: Settings
    config: ProxyConfig
    owner: Owner
    reasons: list[str]
    trace: Trace | None

    @property
    def annotations(self) -> Labels:
        return pods.annotations(self.original)

    @property
    def mesh_status_port(self) -> int:
        """The agent's port as the mesh has it; the pod's own annotations do not move it."""
        return self.settings.mesh.proxy_config.status_port

    def result(self) -> JsonMap:
        status = status_of(self.original)
        template, pod = self.templates_applied(status)
        for why, step in (
            ("the pod's own settings of injected containers", lambda at: self.with_own_settings(at, template, status)),
            ("the user that the pod gives its proxy", self.run_as_reconciled),
            ("what every proxy of the cluster is told", self.with_proxy_environment),
            ("metrics merged by the agent", self.with_merged_metrics),
            ("metrics served with TLS", self.with_secure_port),
            ("probes asked through the agent", self.with_rewritten_probes),
            ("the record of what was injected", lambda at: self.with_metadata(at, template)),
            ("the order of containers", self.in_order),
        ):
            pod = step(pod)
            self.tell(why, pod)
        return normalised(pod)

    def tell(self, why: str, pod: JsonMap) -> None:
        if self.trace is not None:
            self.trace(why, pod)

    def with_own_settings(self, pod: JsonMap, template: JsonMap, status: Status | None) -> JsonMap:
        changes = overrides.find(self.original, template, status)
        pod = overrides.applied(pod, changes)
        if not changes or STATUS in self.annotations:
            return pod
        self.reasons.append("The pod's own settings of injected containers were kept.")
        return _annotated(pod, {OVERRIDES: overrides.annotation(changes)})

    def templates_applied(self, status: Status | None) -> tuple[JsonMap, JsonMap]:
        """What the templates bring, and the pod with it."""
        facts = Facts(self.template_input(status), self.owner, self.settings, self.config)
        template: JsonMap = {}
        pod = self.original
        for name in self.template_names():
            part = _part(name, facts)
            template = merge(template, part)
            if self.moves_proxy and pods.named(pods.containers(template, "initContainers"), PROXY):
                pod = _proxy_among_init_containers(pod)
            pod = merge(pod, part)
            self.reasons.append(f"Template {name} was applied.")
            self.tell(f"template {name}", pod)
        return template, pod

    def template_names(self) -> list[str]:
        asked = self.annotations.get(TEMPLATES_ANNOTATION)
        names = self.settings.default_templates if asked is None else [name.strip() for name in asked.split(",")]
        aliases = self.settings.template_aliases
        expanded = [real for name in names for real in aliases.get(name, (name,))]
        known = {*TEMPLATES, *self.settings.templates}
        if unknown := [name for name in expanded if name not in known]:
            raise InjectionError(
                f"{'defaultTemplates' if asked is None else f'annotation {TEMPLATES_ANNOTATION}'}: "
                f"unknown template {', '.join(map(repr, unknown))}; known are {', '.join(sorted({*known, *aliases}))}"
            )
        return expanded

    @property
    def moves_proxy(self) -> bool:
        """Whether a proxy that stands among the containers becomes an init container."""
        stated = self.annotations.get(NATIVE_SIDECAR)
        return stated == "true" if stated in ("true", "false") else self.settings.native_sidecars

    def template_input(self, status: Status | None) -> JsonMap:
        """The pod as it was before an earlier injection, as far as that can be told."""
        known = overrides.remembered(self.original)
        if status is None and not known:
            return self.original
        listed = status or Status()
        spec = dict(pods.spec(self.original))
        for place in LISTS:
            kept = [item for item in pods.containers(self.original, place) if item["name"] not in listed.listed(place)]
            kept += [item for item in known.get(place, []) if pods.named(kept, item["name"]) is None]
            spec[place] = kept
        annotations = {name: value for name, value in self.annotations.items() if name != STATUS or status is None}
        if status is not None and prometheus.points_to(annotations, self.mesh_status_port):
            annotations = prometheus.without(annotations)
        return {**self.original, "spec": spec, "metadata": {**self.original["metadata"], "annotations": annotations}}

    def run_as_reconciled(self, pod: JsonMap) -> JsonMap:
        """Interception exempts the user that the pod's author gave the proxy."""
        own = pods.proxy_container(self.original)
        security = (own or {}).get("securityContext") or {}
        user, group = security.get("runAsUser"), security.get("runAsGroup")
        place = pods.containers(pod, "initContainers")
        guard = pods.named(place, INIT) or pods.named(place, VALIDATION)
        if guard is None or (user is None and group is None):
            return pod
        mode = pods.annotations(pod).get(INTERCEPTION_MODE, self.config.interception_mode)
        changes: dict[str, JsonMap] = {}
        if mode == "TPROXY":
            if user is not None:
                changes[PROXY] = {"name": PROXY, "securityContext": {"runAsUser": 0}}
        elif guard["name"] == VALIDATION:
            ids = {"runAsUser": user, "runAsGroup": group}
            changes[VALIDATION] = {
                "name": VALIDATION,
                "securityContext": {key: value for key, value in ids.items() if value is not None},
            }
        if user:
            args = _exempting(guard.get("args") or [], user)
            changes[guard["name"]] = {**changes.get(guard["name"], {"name": guard["name"]}), "args": args}
        return _changed(pod, changes)

    def with_proxy_environment(self, pod: JsonMap) -> JsonMap:
        """The entries that the cluster gives every proxy, moved to the end."""
        values = self.settings.values
        wanted = {_CLUSTER_VARIABLE: values.cluster_name, _NETWORK_VARIABLE: values.network}
        wanted |= self.settings.environment
        if network := pods.labels(self.original).get(_NETWORK_LABEL):
            wanted[_NETWORK_VARIABLE] = network
        entries = {name: value for name, value in sorted(wanted.items()) if value}
        if not entries:
            return pod
        pod = _with_variables(pod, [{"name": name, "value": value} for name, value in entries.items()])
        if network := entries.get(_NETWORK_VARIABLE):
            pod = merge(pod, {"metadata": {"labels": {_NETWORK_LABEL: network}}})
        return pod

    def with_merged_metrics(self, pod: JsonMap) -> JsonMap:
        mesh = self.settings.mesh
        found = prometheus.merged(pods.annotations(pod), mesh.enable_prometheus_merge, self.mesh_status_port)
        if found is None:
            return pod
        self.reasons.append("The agent serves the application's metrics with the proxy's.")
        pod = {**pod, "metadata": {**pod.get("metadata", {}), "annotations": dict(found.annotations)}}
        return _with_variables(pod, [found.variable]) if found.variable else pod

    def with_secure_port(self, pod: JsonMap) -> JsonMap:
        proxy = pods.proxy_container(pod) or {}
        port = (pods.named(proxy.get("env") or [], _SECURE_PORT_VARIABLE) or {}).get("value")
        if port in (None, "", "0") or prometheus.names_secure_port(pods.annotations(pod)):
            return pod
        return _annotated(pod, {"prometheus.istio.io/secure-port": str(port)})

    def with_rewritten_probes(self, pod: JsonMap) -> JsonMap:
        stated = pods.annotations(pod).get(_REWRITE_PROBES, "")
        active = stated in TRUE if stated in TRUE | FALSE else self.settings.values.rewrite_probes
        proxy = pods.proxy_container(pod)
        if not active or proxy is None:
            return pod
        stated_port = pods.annotations(pod).get(STATUS_PORT, "").strip()
        agent_port = int(stated_port) if stated_port else self.mesh_status_port
        pod, handlers = probes.rewritten(pod, agent_port, self.mesh_status_port)
        existing = pods.named(proxy.get("env") or [], probes.VARIABLE) if STATUS in self.annotations else None
        variable = probes.variable(handlers, (existing or {}).get("value") or "")
        if variable is None:
            return pod
        if handlers:
            self.reasons.append("The application's probes go through the proxy's agent.")
        return (
            _changed(pod, {PROXY: {"name": PROXY, "env": [variable]}}) if existing else _with_variables(pod, [variable])
        )

    def with_metadata(self, pod: JsonMap, template: JsonMap) -> JsonMap:
        spec = pods.spec(template)
        brought = {
            key: [item["name"] for item in spec.get(key) or ()] or None
            for key in ("initContainers", "containers", "volumes", "imagePullSecrets")
        }
        parts = [f'"{key}":{compact_json("", names)}' for key, names in brought.items()]
        parts.append(f'"revision":{compact_json("", self.settings.revision)}')
        return _annotated(pod, {STATUS: "{" + ",".join(parts) + "}", **self.settings.injected_annotations})

    def in_order(self, pod: JsonMap) -> JsonMap:
        holds = self.config.hold_application or self.settings.values.hold_application
        spec = {**pods.spec(pod), "containers": ordered_containers(pods.containers(pod), proxy_first=holds)}
        if init := pods.containers(pod, "initContainers"):
            spec["initContainers"] = ordered_init_containers(init)
        return {**pod, "spec": spec}


def _part(name: str, facts: Facts) -> JsonMap:
    """What a template brings; one of the settings stands before a shipped one of that name."""
    text = facts.settings.templates.get(name)
    if text is None:
        return TEMPLATES[name](facts)
    # The interpreter is imported by those who have templates for it.
    from lateen.inject.custom_templates.rendering import custom_template

    return custom_template(name, text, facts)


def _annotated(pod: JsonMap, annotations: Labels) -> JsonMap:
    return merge(pod, {"metadata": {"annotations": annotations}})


def _proxy_among_init_containers(pod: JsonMap) -> JsonMap:
    """The pod whose proxy moved from the containers; one that has a proxy in both lists was injected so, and stays."""
    proxy = pods.named(pods.containers(pod), PROXY)
    if proxy is None or pods.named(pods.containers(pod, "initContainers"), PROXY):
        return pod
    init = [*pods.containers(pod, "initContainers"), proxy]
    return {**pod, "spec": {**pods.spec(pod), "containers": pods.application_containers(pod), "initContainers": init}}


def _changed(pod: JsonMap, changes: Mapping[str, JsonMap]) -> JsonMap:
    """The pod with changes to containers by name, whichever list they stand in."""
    spec = dict(pods.spec(pod))
    for place in LISTS:
        if found := pods.containers(pod, place):
            spec[place] = [merge(item, changes.get(item.get("name", ""), {})) for item in found]
    return {**pod, "spec": spec}


def _with_variables(pod: JsonMap, entries: Sequence[JsonMap]) -> JsonMap:
    """The pod with entries at the end of its proxy's environment, in place of entries of these names."""
    proxy = pods.proxy_container(pod)
    if proxy is None:
        return pod
    names = {entry["name"] for entry in entries}
    kept = [entry for entry in proxy.get("env") or [] if entry["name"] not in names]
    spec = dict(pods.spec(pod))
    for place in LISTS:
        if found := pods.containers(pod, place):
            spec[place] = [{**item, "env": [*kept, *entries]} if item is proxy else item for item in found]
    return {**pod, "spec": spec}


def _exempting(args: Sequence[str], user: int) -> list[str]:
    """The interception command with this user in place of the one after the first `-u`."""
    if "-u" not in args[:-1]:
        return list(args)
    value = list(args).index("-u") + 1
    return [*args[:value], str(user), *args[value + 1 :]]
