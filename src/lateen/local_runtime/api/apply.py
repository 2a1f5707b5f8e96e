"""`POST /lateen/v1/apply`: several objects written as one change, for which Kubernetes has no request.

Body: `{"items": [{"object": {…}, "origin": "mesh.yaml:12"}], "namespace": "default", "dryRun": false}`.
Answer: `{"items": […], "refused": […], "problems": […]}`. The items are in the same order, each `{"result": …,
"object": {…}}` with `created`, `configured` or `unchanged`, or `{"status": {…}}` for an object that was refused; the
others are written all the same. Listeners of the store hear of all of it together. `refused` and `problems` are texts
as in `/lateen/v1/info`: those about the objects written, and those that the change has caused elsewhere.
"""

from collections.abc import Sequence
from typing import Any

from lateen.config.objects import Origin
from lateen.local_runtime.api import statuses
from lateen.local_runtime.api.resources import parse_origin
from lateen.local_runtime.objects.store import DEFAULT_NAMESPACE, InvalidObject, ObjectStore

Json = dict[str, Any]


def handle(store: ObjectStore, body: Json) -> Json:
    items = body.get("items")
    if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
        raise statuses.bad_request("items must be a list of objects to write")
    namespace = body.get("namespace") or DEFAULT_NAMESPACE
    dry_run = body.get("dryRun") is True
    with store.batch():
        return {"items": [_write(store, each, namespace, dry_run) for each in items]}


def _write(store: ObjectStore, item: Json, namespace: str, dry_run: bool) -> Json:
    raw = item.get("object")
    origin = parse_origin(item["origin"]) if isinstance(item.get("origin"), str) else Origin("apply")
    if not isinstance(raw, dict):
        return {"status": statuses.bad_request("an object must be a mapping").status}
    try:
        before = store.get(store.ref_of(raw, namespace))
        stored = store.put(raw, origin=origin, namespace=namespace, dry_run=dry_run)
    except InvalidObject as error:
        return {"status": statuses.invalid(error).status}
    result = "created" if before is None else "unchanged" if stored.raw is before.raw else "configured"
    return {"result": result, "object": stored.raw}


def told(answer: Json, before: Sequence[str], after: Sequence[str]) -> list[str]:
    """What to tell whoever applied the objects, of everything that is wrong in the mesh before and after."""
    written = [item["object"] for item in answer["items"] if "object" in item]
    names = [f"{raw['kind']} {raw['metadata'].get('namespace', '')}/{raw['metadata']['name']}: " for raw in written]
    return [text for text in after if text not in before or any(name in text for name in names)]
