"""Objects over HTTP: get, list, create, replace, patch and delete, as Kubernetes answers them."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from lateen.config.objects import ObjectRef, Origin
from lateen.local_runtime.api import bodies, statuses
from lateen.local_runtime.api.paths import Target
from lateen.local_runtime.api.selectors import Predicate, field_selector, label_selector
from lateen.local_runtime.objects.deletion import delete
from lateen.local_runtime.objects.patches import PatchFailed, json_patch, merge, strategic_merge
from lateen.local_runtime.objects.store import DEFAULT_NAMESPACE, InvalidObject, ObjectStore, StoredObject

Json = dict[str, Any]

ORIGIN_HEADER: Final = "Lateen-Origin"
"""Where the body of a write was read: a file and a line, `/etc/mesh/reviews.yaml:12`."""

_SUFFIX_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"


class Collection:
    """The objects that one target names, in the version it asks for."""

    def __init__(self, store: ObjectStore, target: Target) -> None:
        found = store.types.of_plural(target.group, target.plural)
        if found is None or target.version not in found.versions:
            raise statuses.no_such_path(f"{target.plural} in {target.group or 'core'}/{target.version}")
        if target.name is not None and found.namespaced != (target.namespace is not None):
            raise statuses.no_such_path(target.plural)
        self.store = store
        self.target = target
        self.type = found

    @property
    def ref(self) -> ObjectRef:
        """The object a path with a name means."""
        return ObjectRef(self.type.group, self.type.kind, self.target.namespace or "", self.target.name or "")

    def existing(self) -> StoredObject:
        stored = self.store.get(self.ref)
        if stored is None:
            raise statuses.not_found(self.type, self.ref.name)
        return stored

    def matching(self, request: web.Request) -> tuple[Sequence[StoredObject], Predicate]:
        """Objects that the namespace and the selectors of a request choose, and the selectors as one predicate."""
        chooses = selection(request)
        listed = self.store.list(self.type.group, self.type.kind, self.target.namespace)
        return [stored for stored in listed if chooses(stored.raw)], chooses

    def shown(self, raw: Json) -> Json:
        """An object as the asked version spells it."""
        return {**raw, "apiVersion": self.type.api_version(self.target.version), "kind": self.type.kind}

    def as_list(self, objects: Sequence[StoredObject]) -> Json:
        return {
            "kind": f"{self.type.kind}List",
            "apiVersion": self.type.api_version(self.target.version),
            "metadata": {"resourceVersion": str(self.store.version)},
            "items": [self.shown(stored.raw) for stored in objects],
        }


def selection(request: web.Request) -> Predicate:
    """The label and field selectors of a request. Raises `ApiError` for one that cannot be read."""
    try:
        by_label = label_selector(request.query.get("labelSelector", ""))
        by_field = field_selector(request.query.get("fieldSelector", ""))
    except ValueError as error:
        raise statuses.bad_request(str(error)) from error
    return lambda raw: by_label(raw) and by_field(raw)


async def handle(request: web.Request, collection: Collection) -> web.StreamResponse:
    """Everything but watches and what reaches into pods."""
    target = collection.target
    if target.subresource not in ("", "status"):
        raise statuses.no_such_path(request.path)
    match request.method, target.name is not None:
        case (("GET" | "HEAD"), True):
            return bodies.answer(collection.shown(collection.existing().raw))
        case (("GET" | "HEAD"), False):
            return bodies.answer(collection.as_list(collection.matching(request)[0]))
        case "POST", False:
            return await _create(request, collection)
        case "PUT", True:
            return await _replace(request, collection)
        case "PATCH", True:
            return await _patch(request, collection)
        case "DELETE", True:
            return await _delete(request, collection)
        case "DELETE", False:
            objects = collection.matching(request)[0]
            with collection.store.batch():
                for stored in objects:
                    delete(collection.store, stored.ref, datetime.now(UTC))
            return bodies.answer(collection.as_list(objects))
        case _:
            raise statuses.method_not_allowed()


async def _create(request: web.Request, collection: Collection) -> web.StreamResponse:
    body = await bodies.read_object(request)
    metadata = body.get("metadata")
    if isinstance(metadata, dict) and not metadata.get("name") and isinstance(metadata.get("generateName"), str):
        suffix = "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(5))
        body = {**body, "metadata": {**metadata, "name": metadata["generateName"] + suffix}}
    ref = _checked_ref(collection, body)
    if collection.store.get(ref) is not None:
        raise statuses.already_exists(collection.type, ref.name)
    return bodies.answer(_put(request, collection, body), 201)


async def _replace(request: web.Request, collection: Collection) -> web.StreamResponse:
    body = await bodies.read_object(request)
    return bodies.answer(_replaced(request, collection, body))


def _replaced(request: web.Request, collection: Collection, body: Json) -> Json:
    before = collection.existing()
    if _checked_ref(collection, body) != collection.ref:
        raise statuses.bad_request("the name of the object does not match the name on the URL")
    asked = body["metadata"].get("resourceVersion")
    if asked and str(asked) != before.raw["metadata"]["resourceVersion"]:
        raise statuses.conflict(collection.type, collection.ref.name)
    if collection.target.subresource == "status":
        status = body.get("status") or {}
        return collection.shown(collection.store.put_status(collection.ref, status).raw)
    return _put(request, collection, body)


async def _patch(request: web.Request, collection: Collection) -> web.StreamResponse:
    patch = await bodies.read(request)
    if request.content_type == "application/apply-patch+yaml" and collection.store.get(collection.ref) is None:
        if not isinstance(patch, dict) or collection.target.subresource:
            raise statuses.not_found(collection.type, collection.ref.name)
        if _checked_ref(collection, patch) != collection.ref:
            raise statuses.bad_request("the name of the object does not match the name on the URL")
        return bodies.answer(_put(request, collection, patch), 201)
    before = collection.shown(collection.existing().raw)
    patched = _apply(request.content_type, before, patch)
    if not isinstance(patched, dict):
        raise statuses.bad_request("the patched value is not an object")
    return bodies.answer(_replaced(request, collection, patched))


def _apply(content_type: str, before: Json, patch: Any) -> Any:
    match content_type, patch:
        case (("application/merge-patch+json" | "application/apply-patch+yaml"), dict()):
            return merge(before, patch)
        case "application/strategic-merge-patch+json", dict():
            return strategic_merge(before, patch)
        case "application/json-patch+json", list():
            try:
                return json_patch(before, patch)
            except PatchFailed as error:
                raise statuses.ApiError(422, "Invalid", str(error)) from error
        case (("application/merge-patch+json" | "application/apply-patch+yaml" | "application/json-patch+json"), _):
            raise statuses.bad_request("the patch has the wrong shape for its content type")
        case _:
            raise statuses.ApiError(415, "UnsupportedMediaType", f"no patch of type {content_type} is known")


async def _delete(request: web.Request, collection: Collection) -> web.StreamResponse:
    stored = collection.existing()
    options = await bodies.read(request) if request.body_exists else None
    wanted = options.get("preconditions") or {} if isinstance(options, dict) else {}
    for key in ("uid", "resourceVersion"):
        if wanted.get(key) and wanted[key] != stored.raw["metadata"][key]:
            raise statuses.conflict(collection.type, collection.ref.name)
    if not _is_dry_run(request):
        delete(collection.store, stored.ref, datetime.now(UTC), _grace(request, options))
        if (left := collection.store.get(stored.ref)) is not None:
            return bodies.answer(collection.shown(left.raw))
    return bodies.answer(statuses.deleted(collection.type, stored.raw))


def _grace(request: web.Request, options: Any) -> float | None:
    """Seconds that the request gives a pod to end; None where it says nothing."""
    given = options.get("gracePeriodSeconds") if isinstance(options, dict) else None
    given = request.query.get("gracePeriodSeconds") if given is None else given
    try:
        return None if given is None else max(0.0, float(given))
    except (TypeError, ValueError):
        raise statuses.bad_request(f"gracePeriodSeconds: {given!r} is not a number of seconds") from None


def _checked_ref(collection: Collection, body: Json) -> ObjectRef:
    """The reference of a written object, which must be of the collection. Fills in nothing; raises `ApiError`."""
    wanted = collection.type
    body.setdefault("apiVersion", wanted.api_version(collection.target.version))
    body.setdefault("kind", wanted.kind)
    namespace = collection.target.namespace
    try:
        ref = collection.store.ref_of(body, namespace or DEFAULT_NAMESPACE)
    except InvalidObject as error:
        raise statuses.invalid(error) from error
    if (ref.group, ref.kind) != (wanted.group, wanted.kind):
        raise statuses.bad_request(f"a {ref.kind} cannot be written as {wanted.qualified_plural}")
    if namespace is not None and ref.namespace != namespace:
        raise statuses.bad_request(
            f"the namespace of the provided object does not match the namespace sent on the request: "
            f"{ref.namespace}, {namespace}"
        )
    return ref


def _put(request: web.Request, collection: Collection, body: Json) -> Json:
    namespace = collection.target.namespace or DEFAULT_NAMESPACE
    try:
        stored = collection.store.put(body, origin=_origin(request), namespace=namespace, dry_run=_is_dry_run(request))
    except InvalidObject as error:
        raise statuses.invalid(error) from error
    return collection.shown(stored.raw)


def _origin(request: web.Request) -> Origin:
    return parse_origin(request.headers.get(ORIGIN_HEADER) or request.query.get("fieldManager") or "api")


def parse_origin(text: str) -> Origin:
    """The reverse of `str(origin)`."""
    file, _, line = text.rpartition(":")
    return Origin(file, int(line)) if file and line.isdecimal() else Origin(text)


def _is_dry_run(request: web.Request) -> bool:
    return request.query.get("dryRun") == "All"
