"""The final order of containers, so that the proxy is there when others need it."""

from collections.abc import Sequence

from lateen.inject.pods import CORE_DUMP, INIT, PROXY, VALIDATION, JsonMap, named

_NATIVE_FIRST = (INIT, VALIDATION, PROXY, CORE_DUMP)


def ordered_containers(containers: Sequence[JsonMap], proxy_first: bool) -> list[JsonMap]:
    """The proxy last, or first where the application waits for it."""
    own = [container for container in containers if container.get("name") != PROXY]
    proxy = _last(containers, PROXY)
    return [*proxy, *own] if proxy_first else [*own, *proxy]


def ordered_init_containers(containers: Sequence[JsonMap]) -> list[JsonMap]:
    """Interception and a native proxy before the pod's own; with a classic proxy interception comes after them.

    A classic proxy does not run yet while init containers do, so what they send must not be intercepted.
    """
    own = [container for container in containers if container.get("name") not in _NATIVE_FIRST]
    if named(containers, PROXY):
        return [*(found for name in _NATIVE_FIRST for found in _last(containers, name)), *own]
    first, then, last = (_last(containers, name) for name in (VALIDATION, INIT, CORE_DUMP))
    return [*first, *own, *then, *last]


def _last(containers: Sequence[JsonMap], name: str) -> list[JsonMap]:
    return [container for container in containers if container.get("name") == name][-1:]
