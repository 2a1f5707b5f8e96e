"""OpenShift gives each namespace a block of users and groups; proxies there run as the last of it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.common.labels import Labels
from lateen.inject import pods
from lateen.inject.errors import InjectionError
from lateen.inject.pods import INIT, LISTS, PROXY, VALIDATION, JsonMap
from lateen.inject.settings import Settings

_USERS = "openshift.io/sa.scc.uid-range"
_GROUPS = "openshift.io/sa.scc.supplemental-groups"
_OURS = (PROXY, INIT, VALIDATION)


def for_namespace(settings: Settings, namespace_annotations: Labels) -> Settings:
    """The settings with the proxy's user and group for a namespace; unchanged where it has no block.

    Raises `InjectionError` for a block that cannot be read.
    """
    users = namespace_annotations.get(_USERS, "")
    groups = namespace_annotations.get(_GROUPS, "").split(",")[0] or users
    ids = {"proxy_uid": (_USERS, users), "proxy_gid": (_GROUPS, groups)}
    last = {field: _last_of(name, block) for field, (name, block) in ids.items() if block}
    return msgspec.structs.replace(settings, **last)


def without_assigned_user(pod: Mapping[str, Any]) -> JsonMap:
    """The pod whose own proxy no longer has the user that the platform gave all of its containers.

    Such a user is nobody's choice: left in place it would count as the author's override of the template.
    """
    proxy = pods.proxy_container(pod)
    security = (proxy or {}).get("securityContext")
    if proxy is None or security is None or (security.get("runAsUser") or 0) != _user_of_others(pod):
        return dict(pod)
    kept = {key: value for key, value in security.items() if key not in ("runAsUser", "runAsGroup")}
    spec = dict(pods.spec(pod))
    for place in LISTS:
        if found := pods.containers(pod, place):
            spec[place] = [{**item, "securityContext": kept} if item is proxy else item for item in found]
    return {**pod, "spec": spec}


def _user_of_others(pod: Mapping[str, Any]) -> int:
    """The user of the last of the pod's own containers that sets one; 0 if none does."""
    user = 0
    for place in LISTS:
        for container in pods.containers(pod, place):
            asked = (container.get("securityContext") or {}).get("runAsUser")
            if container.get("name") not in _OURS and asked is not None:
                user = asked
    return user


def _last_of(annotation: str, block: str) -> int:
    """The last number of `START/SIZE` or `START-END`."""
    for separator in "/-":
        start, found, end = block.strip().partition(separator)
        if found and start.isascii() and end.isascii() and start.isdigit() and end.isdigit():
            return int(start) + int(end) - 1 if separator == "/" else int(end)
    raise InjectionError(f"namespace annotation {annotation}: {block!r} is not a block such as 1000620000/10000")
