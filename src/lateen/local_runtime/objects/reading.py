"""Objects as the local mesh takes them: what the mesh reads, and beyond it what pods are made of, checked as an API
server would check it.
"""

from collections.abc import Mapping
from typing import Any, Final

from lateen.config import decode as config
from lateen.config.decode import DEFAULT_NAMESPACE, Decoded, Invalid, UnknownKind, Untyped
from lateen.config.objects import ObjectRef
from lateen.config.problems import Problem
from lateen.local_runtime.objects import pod_rules

_OURS: Final = {
    ("", "Pod"),
    ("", "PersistentVolumeClaim"),
    *(("apps", kind) for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")),
    *(("batch", kind) for kind in ("Job", "CronJob")),
}
"""Kinds that the runtime makes pods of or gives to pods; of a CronJob a controller says what there is to say."""


def decode(raw: Mapping[str, Any], default_namespace: str = DEFAULT_NAMESPACE) -> Decoded:
    """As `config.decode`; an object that only the runtime reads is `Untyped`."""
    found = config.decode(raw, default_namespace)
    ref = found.ref
    if ref is None or (ref.group, ref.kind) not in _OURS:
        return found
    if isinstance(found, UnknownKind):
        if not ref.name:
            return Invalid(None, (Problem(("metadata", "name"), "missing; every object needs a name"),))
        ref = ObjectRef(ref.group, ref.kind, ref.namespace or default_namespace, ref.name)
    said = found.problems if isinstance(found, Invalid) else ()
    paths = {problem.path for problem in said}
    wrong = (*said, *(each for each in pod_rules.problems(raw, ref.kind) if each.path not in paths))
    if wrong:
        return Invalid(ref, wrong)
    return Untyped(ref) if isinstance(found, UnknownKind) else found
