"""Images of proxies: those that differ from what the injector gives, and those that only an injector can fill in."""

from collections.abc import Iterator
from typing import Final

from lateen.analysis.analyzer import Message
from lateen.analysis.catalogue import MessageType
from lateen.analysis.resources import mapping, selector, texts
from lateen.analysis.view import View
from lateen.analysis.workloads import DEPLOYMENT, Workload
from lateen.common.labels import Labels, meets
from lateen.inject.errors import InjectionError
from lateen.inject.pods import PROXY
from lateen.inject.policy import NAMESPACE_INJECTION, REVISION
from lateen.inject.proxy_config import DEFAULTS, ProxyConfig, known_fields, parse_annotation
from lateen.inject.settings import Values

_IMAGE: Final = "sidecar.istio.io/proxyImage"
_CONFIG: Final = "proxy.istio.io/config"
WEBHOOKS: Final = ("admissionregistration.k8s.io", "MutatingWebhookConfiguration")
AUTO: Final = "auto"
"""An image that injection replaces with its own."""


def differs_from_the_injector(view: View) -> Iterator[Message]:
    """One message for a namespace, with all its pods. Source: Istio's `injection.ImageAnalyzer`."""
    stale: dict[str, list[str]] = {}
    for pod in view.pods:
        values = _values(view, pod.resource.namespace)
        if values is None or pod.proxy is None or _IMAGE in pod.annotations:
            continue
        wanted = _image(values)
        variant = _image_type(view, pod)
        if pod.proxy[1]["image"] not in (wanted, f"{wanted}-{variant}" if variant else wanted):
            stale.setdefault(pod.resource.namespace, []).append(pod.resource.name)
    for namespace in view.all(("", "Namespace")):
        if namespace.name in stale:
            text = (
                f"the proxy of {', '.join(sorted(stale[namespace.name]))} is another image than the injector gives "
                "now, so it may not understand what it is sent; restart the workloads, so that their pods are made anew"
            )
            kind = MessageType.PodsIstioProxyImageMismatchInNamespace
            yield Message(kind, namespace, ("metadata", "name"), text)


def _values(view: View, namespace: str) -> Values | None:
    labels = view.namespace_labels(namespace)
    if labels.get(NAMESPACE_INJECTION) == "enabled":
        return view.injector_values("")
    return view.injector_values(labels[REVISION]) if REVISION in labels else None


def _image(values: Values) -> str:
    if "/" in values.proxy_image:
        return values.proxy_image
    return f"{values.hub}/{values.proxy_image}:{values.tag}"


def _image_type(view: View, pod: Workload) -> str:
    """Of the ProxyConfig in force, lowest to highest: the mesh's, resources of the root and the pod's namespace, the
    pod's annotation, resources that select the pod. Source: Istio, `effective ProxyConfig`.
    """
    config = ProxyConfig(DEFAULTS).over(known_fields(mapping(view.mesh_config, "defaultConfig")))
    for namespace in (view.around.istio_namespace, pod.resource.namespace):
        config = _with_resources(view, config, namespace, None)
    try:
        config = config.over(parse_annotation(pod.annotations.get(_CONFIG, "")))
    except InjectionError:
        pass  # told by the analyzer of annotations
    return _with_resources(view, config, pod.resource.namespace, pod.labels).image_type


def _with_resources(view: View, config: ProxyConfig, namespace: str, selected: Labels | None) -> ProxyConfig:
    """With the ProxyConfigs of a namespace over it: those that select the labels, or those without a selector."""
    for resource in view.all(("networking.istio.io", "ProxyConfig")):
        wanted = texts(resource.spec, "selector", "matchLabels")
        fits = not wanted if selected is None else bool(wanted) and wanted.items() <= selected.items()
        if resource.namespace == namespace and fits and "image" in resource.spec:
            config = config.over({"image": resource.spec["image"]})
    return config


def waits_for_injection(view: View) -> Iterator[Message]:
    """Source: Istio's `injection.ImageAutoAnalyzer`."""
    for pod in view.pods:
        if (found := pod.container(PROXY)) is not None and found[1].get("image") == AUTO:
            text = (
                f"pod {pod.resource.name} was not injected, and its proxy cannot start: `auto` is no image but stands "
                "for what the injector fills in; let its namespace or labels ask for injection, and make it anew"
            )
            yield Message(MessageType.ImageAutoWithoutInjectionError, pod.resource, (*found[0], "image"), text)
    for deployment in map(Workload.of, view.all(DEPLOYMENT)):
        found = deployment.container(PROXY)
        if found is None or found[1].get("image") != AUTO or _is_selected(view, deployment):
            continue
        text = (
            f"no injector selects the pods of Deployment {deployment.resource.name}, so the image `auto` of their "
            "proxy is not filled in and they cannot start; label the namespace or the pods for injection"
        )
        yield Message(MessageType.ImageAutoWithoutInjectionWarning, deployment.resource, (*found[0], "image"), text)


def _is_selected(view: View, workload: Workload) -> bool:
    """Whether an injector is asked about its pods: that of a webhook, or the local mesh's by its own rule."""
    if view.inject_by_default and view.in_mesh(workload):
        return True
    namespace = view.namespace_labels(workload.resource.namespace)
    return any(
        meets(selector(webhook, "namespaceSelector"), namespace)
        and meets(selector(webhook, "objectSelector"), workload.labels)
        for configuration in view.all(WEBHOOKS)
        for _, webhook in configuration.each("webhooks")
        if str(webhook.get("name")).endswith("istio.io")
    )
