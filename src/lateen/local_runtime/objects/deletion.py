"""Deletion as Kubernetes does it: a pod is told to end and shown as ending until nothing of it is left.

Any other object goes at once. Whoever runs the pods removes their objects in the end (`controllers/pods.py`).
"""

from datetime import datetime

from lateen.config.objects import ObjectRef
from lateen.local_runtime.objects.store import ObjectStore


def delete(store: ObjectStore, ref: ObjectRef, now: datetime, grace: float | None = None) -> None:
    """Delete an object; a pod has `grace` seconds to end, by default those of its spec. With 0 it goes at once."""
    stored = store.get(ref)
    if stored is None:
        return
    if (ref.group, ref.kind) != ("", "Pod") or grace == 0:
        store.delete(ref)
    elif not stored.raw["metadata"].get("deletionTimestamp"):
        metadata = {"deletionTimestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
        store.patch(ref, {"metadata": metadata | ({} if grace is None else {"deletionGracePeriodSeconds": int(grace)})})
