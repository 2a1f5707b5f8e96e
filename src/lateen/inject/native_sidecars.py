"""Can a cluster run proxies as init containers that stay? Its kubelets' versions tell."""

import re
from collections.abc import Mapping

_VERSION = re.compile(r"v?(\d+)\.(\d+)")
_FIRST = (1, 33)


def native_sidecars(setting: str, kubelets: Mapping[str, str] | None = None, node: str = "") -> bool:
    """Whether proxies run so, by the process setting `ENABLE_NATIVE_SIDECARS`: `true`, `false` or else automatic.

    `kubelets` are versions by node, None where nodes cannot be read. A pod that is bound to one of them (`node`) asks
    only about that one. Source: Istio's injection contract; kubelets run them reliably from 1.33 on.
    """
    if setting in ("true", "false"):
        return setting == "true"
    if kubelets is None:
        return False
    asked = [kubelets[node]] if node in kubelets else kubelets.values()
    return all(_is_new(version) for version in asked)


def _is_new(version: str) -> bool:
    found = _VERSION.match(version)
    return found is not None and (int(found.group(1)), int(found.group(2))) >= _FIRST
