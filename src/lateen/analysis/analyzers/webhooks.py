"""Webhooks of a cluster: injectors that overlap or are not there, and the address of an external control plane."""

from collections.abc import Iterator
from itertools import product
from typing import Final
from urllib.parse import urlsplit

from lateen.analysis.analyzer import Message
from lateen.analysis.catalogue import MessageType
from lateen.analysis.resources import JsonMap, Resource, at, mapping, selector
from lateen.analysis.view import View
from lateen.common.hosts import is_address
from lateen.common.labels import Labels, meets
from lateen.config.problems import Path
from lateen.inject.policy import INJECT, NAMESPACE_INJECTION, REVISION

_GROUP: Final = "admissionregistration.k8s.io"
_MUTATING: Final = (_GROUP, "MutatingWebhookConfiguration")
_VALIDATING: Final = (_GROUP, "ValidatingWebhookConfiguration")
_EXTERNAL: Final = ("istiod-default-validator", "istio-validator", "istio-sidecar-injector")

_Webhook = tuple[Resource, Path, JsonMap]


def injectors(view: View) -> Iterator[Message]:
    """Every combination of labels is injected by one entry at most, and each entry's Service exists.

    Source: Istio's `webhook.Analyzer`.
    """
    found = [
        (configuration, path, webhook)
        for configuration in view.all(_MUTATING)
        for path, webhook in configuration.each("webhooks")
        if str(webhook.get("name")).endswith("istio.io")
    ]
    yield from _overlaps(found)
    for configuration, path, webhook in found:
        service = mapping(webhook, "clientConfig", "service")
        namespace, name = str(service.get("namespace")), str(service.get("name"))
        if service and view.get(("", "Service"), namespace, name) is None:
            text = (
                f"webhook {webhook['name']} asks Service {namespace}/{name}, which does not exist: pods that it "
                "selects are not injected, or not admitted; name the Service of the control plane that runs"
            )
            yield Message(MessageType.InvalidWebhook, configuration, (*path, "clientConfig", "service"), text)


def _overlaps(found: list[_Webhook]) -> Iterator[Message]:
    others: dict[int, set[int]] = {position: set() for position in range(len(found))}
    for namespace, pod in _combinations(found):
        chosen = {position for position, each in enumerate(found) if _selects(each[2], namespace, pod)}
        for position in chosen:
            others[position] |= chosen - {position}
    for position, overlapping in others.items():
        if overlapping:
            configuration, path, webhook = found[position]
            names = ", ".join(f"{found[other][0].name}/{found[other][2]['name']}" for other in sorted(overlapping))
            text = (
                f"webhook {webhook['name']} selects pods that {names} selects too: such pods are injected once, by "
                "either of them; remove one, or let their selectors exclude each other"
            )
            yield Message(MessageType.InvalidWebhook, configuration, path, text)


def _selects(webhook: JsonMap, namespace: Labels, pod: Labels) -> bool:
    return meets(selector(webhook, "namespaceSelector"), namespace) and meets(selector(webhook, "objectSelector"), pod)


def _combinations(found: list[_Webhook]) -> Iterator[tuple[Labels, Labels]]:
    """Labels of a namespace and of a pod in it that tell entries apart."""
    revisions = [None, *sorted({revision for _, _, webhook in found for revision in _revisions(webhook)})]
    stated = product((None, "enabled", "disabled"), revisions, (None, "true", "false"), revisions)
    for switch, of_namespace, inject, of_pod in stated:
        namespace = {NAMESPACE_INJECTION: switch, REVISION: of_namespace}
        pod = {INJECT: inject, REVISION: of_pod}
        yield (
            {label: value for label, value in namespace.items() if value is not None},
            {label: value for label, value in pod.items() if value is not None},
        )


def _revisions(webhook: JsonMap) -> Iterator[str]:
    for place in ("namespaceSelector", "objectSelector"):
        if isinstance(named := at(webhook, place, "matchLabels", REVISION), str):
            yield named
        for expression in selector(webhook, place)["matchExpressions"]:
            if expression.get("key") == REVISION:
                yield from expression["values"]


def external_control_plane(view: View) -> Iterator[Message]:
    """Source: Istio's `externalcontrolplane.ExternalControlPlaneAnalyzer`."""
    for configuration in (*view.all(_VALIDATING), *view.all(_MUTATING)):
        first, *prefixes = _EXTERNAL
        if configuration.name == first or configuration.name.startswith(tuple(prefixes)):
            for path, webhook in configuration.each("webhooks"):
                yield from _address(configuration, path, webhook)


def _address(configuration: Resource, path: Path, webhook: JsonMap) -> Iterator[Message]:
    client = mapping(webhook, "clientConfig")
    name, url = webhook.get("name"), client.get("url")
    where, problem, host = (*path, "clientConfig", "url"), "", ""
    if url is None:
        problem = "" if client.get("service") else "has neither a URL nor a Service"
        where = (*path, "clientConfig")
    else:
        try:
            host = urlsplit(str(url)).hostname or ""
            problem = "" if host else f"has a URL without a host, {url!r}"
        except ValueError as error:
            problem = f"has a URL that cannot be read, {url!r} ({error})"
    if problem:
        text = (
            f"webhook {name} {problem}: the API server cannot ask the external control plane, so nothing is injected "
            "or checked; write https://HOST:15017/PATH with the host name of its ingress gateway"
        )
        yield Message(MessageType.InvalidExternalControlPlaneConfig, configuration, where, text)
    elif is_address(host):
        text = (
            f"webhook {name} reaches the external control plane by the address {host}: certificates are checked "
            "against host names; give the ingress gateway a name, and write that"
        )
        yield Message(MessageType.ExternalControlPlaneAddressIsNotAHostname, configuration, where, text)
