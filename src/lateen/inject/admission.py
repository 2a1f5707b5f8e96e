"""The webhook's question and answer: an AdmissionReview about a pod in, the same with a JSONPatch out.

Pure; who serves it over HTTP is the control plane's business. Whatever is asked, there is an answer in the API's shape.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from lateen.inject import openshift
from lateen.inject.errors import InjectionError
from lateen.inject.inject import Injected, inject
from lateen.inject.json_patch import json_patch
from lateen.inject.pods import JsonMap
from lateen.inject.settings import Settings

PATH: Final = "/inject"
_GROUP: Final = "admission.k8s.io/"
_VERSIONS: Final = ("v1", "v1beta1")
_KIND: Final = "AdmissionReview"
_VARIABLES: Final = {"cluster": "ISTIO_META_CLUSTER_ID", "net": "ISTIO_META_NETWORK"}
_OLD_FORM: Final = re.compile(r":ENV:")
_UNREAD: Final[tuple[str, JsonMap]] = (_GROUP + _VERSIONS[0], {})
"""Version and request of a body that cannot be read."""


class Outcome(StrEnum):
    """What became of the pod."""

    INJECTED = "injected"
    SKIPPED = "skipped"
    FAILED = "failed"


class Review(msgspec.Struct, frozen=True):
    """The answer as it is to be sent, and what it says: `name` is the pod's, `message` why it was skipped or failed."""

    body: bytes
    outcome: Outcome
    name: str = ""
    message: str = ""


class Platform(msgspec.Struct, frozen=True):
    """What is known beside the settings. With `openshift`, annotations of the pod's namespace tell the proxy's ids."""

    openshift: bool = False
    namespace_annotations: Callable[[str], Mapping[str, str]] = lambda _: {}


def review(
    body: bytes, settings: Settings | InjectionError, path: str = PATH, platform: Platform | None = None
) -> Review:
    """The answer to a request's body. The URL's path may name the cluster and network of the pod.

    Settings that could not be read fail every injection.
    """
    version, request = _UNREAD
    try:
        version, request = _decoded(body)
        if isinstance(settings, InjectionError):
            raise settings
        environment = {**settings.environment, **environment_of(path)}
        settings = msgspec.structs.replace(settings, environment=environment)
        return _reviewed(version, request, settings, platform or Platform())
    except (InjectionError, msgspec.ValidationError) as error:
        return _refused(version, request, str(error))
    except RecursionError:
        return _refused(version, request, "the pod is nested too deeply")


def refused_for_bug(body: bytes) -> Review:
    """The answer where `review` itself has failed."""
    message = "injection has failed because of a bug in lateen; the control plane's log has more"
    try:
        return _refused(*_decoded(body), message)
    except (InjectionError, RecursionError):
        return _refused(*_UNREAD, message)


def environment_of(path: str) -> Mapping[str, str]:
    """Entries of the proxy's environment in a webhook's path: `/inject/cluster/east/net/blue`.

    Source: Istio, sidecar injection webhook; `/inject/:ENV:cluster=east:ENV:net=blue` is its old form.
    """
    rest = path.removeprefix(PATH).removeprefix("/")
    return {_VARIABLES.get(key, key.upper()): value for key, value in _pairs(rest) if key}


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    if _OLD_FORM.match(text):
        for entry in _OLD_FORM.split(text):
            key, equals, value = entry.partition("=")
            if equals:
                yield key, value
        return
    words = text.split("/")
    for key, value in zip(words[::2], words[1::2], strict=False):
        yield key, value.replace("--slash--", "/")


def _decoded(body: bytes) -> tuple[str, JsonMap]:
    """The version to answer in, and the request. Raises `InjectionError`."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InjectionError(f"the body is not JSON: {error}") from error
    if not isinstance(found, dict) or found.get("kind") != _KIND:
        raise InjectionError(f"the body must be an {_KIND}")
    version = found.get("apiVersion")
    if not isinstance(version, str) or version.removeprefix(_GROUP) not in _VERSIONS or not version.startswith(_GROUP):
        raise InjectionError(f"{_KIND} of {version!r} is not understood: send {_GROUP}v1 or {_GROUP}v1beta1")
    request = found.get("request")
    if not isinstance(request, dict):
        raise InjectionError(f"the {_KIND} has no request")
    return version, request


def _reviewed(version: str, request: JsonMap, settings: Settings, platform: Platform) -> Review:
    original = _pod(request)
    metadata = original.get("metadata") or {}
    stated = metadata.get("namespace")
    namespace = stated or request.get("namespace") or ""
    pod = {**original, "metadata": {**metadata, "namespace": namespace}} if namespace else original
    if platform.openshift:
        pod = openshift.without_assigned_user(pod)
        settings = openshift.for_namespace(settings, platform.namespace_annotations(namespace))
    name = f"{namespace}/{metadata.get('name') or metadata.get('generateName') or ''}"
    result = inject(pod, settings)
    if not isinstance(result, Injected):
        return Review(_answered(version, request, allowed=True), Outcome.SKIPPED, name, result.reason)
    injected = dict(result.pod)
    if not stated:
        injected["metadata"] = {key: value for key, value in injected["metadata"].items() if key != "namespace"}
    patch = msgspec.json.encode(json_patch(original, injected))
    encoded = base64.b64encode(patch).decode()
    answer = _answered(version, request, allowed=True, patchType="JSONPatch", patch=encoded)
    return Review(answer, Outcome.INJECTED, name)


def _pod(request: Mapping[str, Any]) -> JsonMap:
    """The pod as it is sent, without what its managers wrote of themselves."""
    kind = request.get("kind")
    asked = kind.get("kind") if isinstance(kind, dict) else None
    if asked not in (None, "Pod"):
        raise InjectionError(f"only pods are injected; the request is about a {asked}")
    pod = request.get("object")
    if not isinstance(pod, dict):
        raise InjectionError("the request has no object")
    metadata = {} if pod.get("metadata") is None else pod["metadata"]
    if not isinstance(metadata, dict):
        raise InjectionError(f"metadata: expected an object, not {metadata!r}")
    if "managedFields" in metadata:  # long, and nothing to injection
        return {**pod, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}
    return pod


def _refused(version: str, request: Mapping[str, Any], message: str) -> Review:
    answer = _answered(version, request, allowed=False, status={"message": message})
    return Review(answer, Outcome.FAILED, _name(request), message)


def _name(request: Mapping[str, Any]) -> str:
    return f"{request.get('namespace') or ''}/{request.get('name') or ''}".strip("/")


def _answered(version: str, request: Mapping[str, Any], **response: Any) -> bytes:
    uid = request.get("uid")
    identified = {"uid": uid if isinstance(uid, str) else "", **response}
    return msgspec.json.encode({"kind": _KIND, "apiVersion": version, "response": identified})
