"""Discovery documents: which groups, versions and kinds the server has. Pure functions of the resource types."""

from typing import Any, Final

from lateen.config.known_types import ResourceType
from lateen.local_runtime.objects.resource_types import ResourceTypes

Json = dict[str, Any]

_VERBS: Final = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_STATUS_VERBS: Final = ["get", "patch", "update"]
_POD_PARTS: Final = (("log", "Pod", ["get"]), ("exec", "PodExecOptions", ["create", "get"]), ("proxy", "Pod", ["get"]))


def core_versions() -> Json:
    """`/api`."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def groups(types: ResourceTypes) -> Json:
    """`/apis`."""
    names = sorted({each.group for each in types if each.group})
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(types, name) for name in names]}


def group(types: ResourceTypes, name: str) -> Json | None:
    """`/apis/<group>`; None for a group without kinds."""
    if not name or all(each.group != name for each in types):
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(types, name)}


def resources(types: ResourceTypes, group: str, version: str) -> Json | None:
    """`/api/v1` and `/apis/<group>/<version>`; None where there is nothing."""
    found = [each for each in types if each.group == group and version in each.versions]
    if not found:
        return None
    listed = [entry for each in sorted(found, key=lambda each: each.plural) for entry in _entries(each)]
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}


def _group(types: ResourceTypes, name: str) -> Json:
    versions: dict[str, None] = {}
    for each in types:
        if each.group == name:
            versions |= dict.fromkeys(each.versions)
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _entries(each: ResourceType) -> list[Json]:
    entry: Json = {"name": each.plural, "singularName": each.kind.lower(), "namespaced": each.namespaced}
    entry |= {"kind": each.kind, "verbs": _VERBS}
    if each.short_names:
        entry["shortNames"] = list(each.short_names)
    parts = [("status", each.kind, _STATUS_VERBS)]
    if (each.group, each.kind) == ("", "Pod"):
        parts += _POD_PARTS
    shared: Json = {"singularName": "", "namespaced": each.namespaced}
    return [entry, *({"name": f"{each.plural}/{part}", **shared, "kind": k, "verbs": v} for part, k, v in parts)]
