"""AdmissionReviews as an API server sends them, and what their answers mean."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from support.json_patch import applied

UID = "705ab4f5-6393-11e8-b7cc-42010a800002"


def review_of(pod: object, namespace: str = "default", **request: Any) -> dict[str, Any]:
    """A review of a pod that is to be created; None for a request that is left out."""
    asked: dict[str, Any] = {
        "uid": UID,
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CREATE",
        "namespace": namespace,
        "object": pod,
        **request,
    }
    found = {key: value for key, value in asked.items() if value is not None}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": found}


def patch_of(answer: bytes) -> list[dict[str, Any]]:
    """The operations of an answer that allows the pod; none where it has no patch."""
    response = json.loads(answer)["response"]
    assert response["allowed"], response
    if "patch" not in response:
        return []
    assert response["patchType"] == "JSONPatch"
    found: list[dict[str, Any]] = json.loads(base64.b64decode(response["patch"]))
    return found


def admitted(pod: Mapping[str, Any], answer: bytes) -> Any:
    """The pod as the API server then creates it."""
    return applied(patch_of(answer), pod)


def refusal_of(answer: bytes) -> str:
    """Why the pod is not allowed."""
    response = json.loads(answer)["response"]
    assert response["allowed"] is False, response
    return str(response["status"]["message"])
