"""Mapping to typed object, and back. All problems of an object come at once, each with its field path.

Istio's kinds are strict: an unknown field is a problem. Kubernetes' kinds keep what the mesh reads and let the rest
pass.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lateen.config.conform import nearest
from lateen.config.convert import convert, to_plain
from lateen.config.known_types import meant
from lateen.config.objects import ConfigObject, ObjectRef, Origin
from lateen.config.problems import LineOf, Path, Problem, Rejected, rejected
from lateen.config.schema import KindSchema, by_api, group_of
from lateen.config.validation.names import not_an_object_name

DEFAULT_NAMESPACE = "default"
_TOP_LEVEL = ("apiVersion", "kind", "metadata", "spec", "status")


class UnknownKind(msgspec.Struct, frozen=True):
    """An object of a kind the mesh does not read. Its namespace is the one written, which may be none."""

    ref: ObjectRef
    api_version: str


class Untyped(msgspec.Struct, frozen=True):
    """An object of a kind the mesh does not read, but whoever decodes it does; it is used as it is written."""

    ref: ObjectRef


class Invalid(msgspec.Struct, frozen=True):
    """An object that cannot be used. `ref` is None where it does not even say which it is."""

    ref: ObjectRef | None
    problems: tuple[Problem, ...]

    def rejections(self, origin: Origin, line_of: LineOf | None = None) -> tuple[Rejected, ...]:
        """The problems at their places, in the order of their lines."""
        found = [rejected(self.ref, origin, problem, line_of) for problem in self.problems]
        return tuple(sorted(found, key=lambda problem: problem.origin.line))


Decoded = ConfigObject | Untyped | UnknownKind | Invalid
Decoder = Callable[[Mapping[str, Any], str], Decoded]
"""`decode`, or what does more; takes the default namespace too."""


def decode(raw: Mapping[str, Any], default_namespace: str = DEFAULT_NAMESPACE) -> Decoded:
    """The object that a mapping describes. A namespaced object that names no namespace gets the default one."""
    named = _names(raw)
    if not isinstance(named, ObjectRef):
        return Invalid(None, tuple(named))
    schema = by_api(raw["apiVersion"], named.kind)
    if schema is None:
        slip = _slip(raw["apiVersion"], named)
        return UnknownKind(named, raw["apiVersion"]) if slip is None else Invalid(None, (slip,))
    if not named.name:
        return Invalid(None, (Problem(("metadata", "name"), "missing; every object needs a name"),))
    namespace = (named.namespace or default_namespace) if schema.namespaced else ""
    ref = ObjectRef(named.group, named.kind, namespace, named.name)
    problems = [*_version_problems(raw["apiVersion"], schema), *_top_level_problems(raw, schema), *_name_problems(ref)]

    def named_as_it_will_be(found: ConfigObject) -> ConfigObject:
        return found if found.ref == ref else found.renamed(namespace, ref.name)

    found = convert(raw, schema.type, lambda found: schema.validate(named_as_it_will_be(found)))
    if isinstance(found, tuple) or problems:
        return Invalid(ref, (*problems, *(found if isinstance(found, tuple) else ())))
    return named_as_it_will_be(found)


def encode(found: ConfigObject, schema: KindSchema) -> dict[str, Any]:
    """The object as a plain mapping in the API's spelling; fields with their default value are left out."""
    return {"apiVersion": schema.api_version, "kind": schema.kind, **to_plain(found)}


def _names(raw: Mapping[str, Any]) -> ObjectRef | list[Problem]:
    """What the mapping says it is, as written; the name and namespace may be empty."""
    metadata = raw.get("metadata")
    if metadata is None:
        metadata = {}
    if not isinstance(metadata, Mapping):
        return [Problem(("metadata",), "must be a mapping with at least `name`")]
    fields: dict[Path, Any] = {("apiVersion",): raw.get("apiVersion"), ("kind",): raw.get("kind")}
    problems = [Problem(path, "missing; every object needs it") for path, value in fields.items() if value is None]
    fields |= {("metadata", key): metadata.get(key) for key in ("name", "namespace")}
    texts = {path: "" if value is None else value for path, value in fields.items()}
    problems += [
        Problem(path, f"must be text in quotes, not {value!r}")
        for path, value in texts.items()
        if not isinstance(value, str)
    ]
    if problems:
        return problems
    api_version, kind, name, namespace = texts.values()
    return ObjectRef(group_of(api_version), kind, namespace, name)


def _version_problems(api_version: str, schema: KindSchema) -> list[Problem]:
    version = api_version.rpartition("/")[2]
    if version in schema.versions:
        return []
    served = " or ".join(f"`{schema.group}/{known}`" if schema.group else f"`{known}`" for known in schema.versions)
    return [Problem(("apiVersion",), f"`{api_version}` has no {schema.kind}; write {served}")]


def _top_level_problems(raw: Mapping[str, Any], schema: KindSchema) -> list[Problem]:
    if not schema.strict:
        return []
    problems = []
    for key in raw:
        if key not in _TOP_LEVEL:
            near = nearest(key, _TOP_LEVEL)
            hint = f"did you mean `{near}`?" if near else "the fields of the object belong under `spec`"
            problems.append(Problem((key,), f"unknown field; {hint}"))
    return problems


def _name_problems(ref: ObjectRef) -> list[Problem]:
    problems = []
    if wrong := not_an_object_name(ref.name):
        problems.append(Problem(("metadata", "name"), wrong))
    if ref.namespace and (wrong := not_an_object_name(ref.namespace)):
        problems.append(Problem(("metadata", "namespace"), wrong))
    return problems


def _slip(api_version: str, named: ObjectRef) -> Problem | None:
    """What is wrong with a type that is nearly a known one. Taken as others', it would take its object out of force."""
    found = meant(named.group, named.kind)
    if found is None or (found.group, found.kind) == (named.group, named.kind):
        return None
    if found.kind == named.kind:
        return Problem(("apiVersion",), f"`{api_version}` has no {named.kind}; did you mean `{found.api_version()}`?")
    written = found.kind if found.group == named.group else f"{found.kind}` of `{found.api_version()}"
    return Problem(("kind",), f"`{api_version}` has no `{named.kind}`; did you mean `{written}`?")
