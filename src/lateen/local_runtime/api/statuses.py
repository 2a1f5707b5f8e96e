"""Refusals as Kubernetes writes them: an exception that is answered with a `Status` object."""

from collections.abc import Sequence
from typing import Any

from lateen.config.known_types import ResourceType
from lateen.config.objects import ObjectRef
from lateen.config.problems import render
from lateen.local_runtime.objects.store import InvalidObject, described

Json = dict[str, Any]


class ApiError(Exception):
    """Ends a request with an HTTP code and a Status; `reason` is Kubernetes' word for the kind of failure."""

    def __init__(self, code: int, reason: str, message: str, details: Json | None = None) -> None:
        self.code = code
        self.reason = reason
        self.details = details
        super().__init__(message)

    @property
    def status(self) -> Json:
        return failure(self.code, self.reason, str(self), self.details)


def failure(code: int, reason: str, message: str, details: Json | None = None) -> Json:
    """A Status object that says what failed."""
    body: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    body |= {"message": message, "reason": reason}
    if details is not None:
        body["details"] = details
    return body | {"code": code}


def deleted(resource_type: ResourceType, raw: Json) -> Json:
    """The Status that answers a deletion."""
    details = {"name": raw["metadata"]["name"], "group": resource_type.group, "kind": resource_type.plural}
    details["uid"] = raw["metadata"]["uid"]
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def expired(asked: int, oldest: int) -> Json:
    """What a watch is told, in an ERROR event, when it asks for changes that are no longer kept."""
    return failure(410, "Expired", f"too old resource version: {asked} ({oldest})")


def no_such_path(path: str) -> ApiError:
    return ApiError(404, "NotFound", f"the server could not find the requested resource: {path}")


def not_found(resource_type: ResourceType, name: str) -> ApiError:
    message = f'{resource_type.qualified_plural} "{name}" not found'
    return ApiError(404, "NotFound", message, _details(resource_type, name))


def already_exists(resource_type: ResourceType, name: str) -> ApiError:
    message = f'{resource_type.qualified_plural} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(resource_type, name))


def conflict(resource_type: ResourceType, name: str) -> ApiError:
    message = (
        f'Operation cannot be fulfilled on {resource_type.qualified_plural} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return ApiError(409, "Conflict", message, _details(resource_type, name))


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def method_not_allowed() -> ApiError:
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def invalid(problem: InvalidObject) -> ApiError:
    """422 Invalid, with one cause for every field that is wrong."""
    ref = problem.ref
    causes: Sequence[Json] = [
        {"reason": "FieldValueInvalid", "message": each.message, "field": render(each.path)}
        for each in problem.problems
    ]
    listed = ", ".join(map(described, problem.problems))
    said = f"[{listed}]" if len(causes) > 1 else listed
    details = {"name": ref.name, "group": ref.group, "kind": ref.kind, "causes": causes}
    return ApiError(422, "Invalid", f'{_qualified_kind(ref)} "{ref.name}" is invalid: {said}', details)


def _qualified_kind(ref: ObjectRef) -> str:
    return f"{ref.kind}.{ref.group}" if ref.group else ref.kind


def _details(resource_type: ResourceType, name: str) -> Json:
    return {"name": name, "group": resource_type.group, "kind": resource_type.plural}
