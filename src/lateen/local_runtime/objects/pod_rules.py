"""What an API server would refuse in Pods and workloads: fields they do not have, and rules between fields. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from lateen.config.convert import convert
from lateen.config.problems import Path, Problem
from lateen.config.validation import names
from lateen.local_runtime.objects.field_tables import STRUCTS

Json = Mapping[str, Any]

_TEMPLATE: Final[Path] = ("spec", "template")
_POLICIES: Final = {"Job": ("Never", "OnFailure")}
_EXPRESSIONS: Final = ("In", "NotIn", "Exists", "DoesNotExist")


def problems(raw: Json, kind: str) -> tuple[Problem, ...]:
    """All that is wrong with an object of a kind in the field tables; a kind that is not is left alone."""
    if kind not in STRUCTS:
        return ()
    found = convert(raw, STRUCTS[kind], lambda found: _rules(msgspec.to_builtins(found), kind))
    return found if isinstance(found, tuple) else ()


def _rules(read: Json, kind: str) -> Iterable[Problem]:
    """Of what could be read."""
    spec = read.get("spec") or {}
    if kind == "Pod":
        return _of_pod(spec, ("spec",))
    if kind == "CronJob":
        return _of_template((spec.get("jobTemplate") or {}).get("spec") or {}, ("spec", "jobTemplate", "spec"), "Job")
    return _of_template(spec, ("spec",), kind)


def _of_template(spec: Json, path: Path, kind: str) -> Iterator[Problem]:
    template = spec.get("template") or {}
    pod = template.get("spec") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    if kind != "Job":
        yield from _of_selector(spec.get("selector") or {}, labels, (*path, "selector"))
    yield from _of_pod(pod, (*path, "template", "spec"))
    allowed = _POLICIES.get(kind, ("Always",))
    policy = pod.get("restartPolicy") or "Always"
    if policy not in allowed:
        wrong = f"`{policy}` is not for a {kind}; write {' or '.join(allowed)}"
        yield Problem((*path, "template", "spec", "restartPolicy"), wrong)


def _of_selector(selector: Json, labels: Json, path: Path) -> Iterator[Problem]:
    wanted, expressions = selector.get("matchLabels") or {}, selector.get("matchExpressions") or ()
    if not wanted and not expressions:
        yield Problem(path, "missing; it selects the pods by labels that the template has, under `matchLabels`")
    for key, value in wanted.items():
        if labels.get(key) != value:
            has = f"`{labels[key]}`" if key in labels else "no such label"
            wrong = f"`{value}` is not what the pod template has ({has}); its labels must match the selector"
            yield Problem((*path, "matchLabels", key), wrong)
    for position, expression in enumerate(expressions):
        yield from names.check((*path, "matchExpressions", position), _not_matching(expression, labels))


def _not_matching(expression: Json, labels: Json) -> str | None:
    key, operator, values = expression["key"], expression["operator"], expression.get("values") or ()
    if operator not in _EXPRESSIONS:
        return f"`{operator}` is no operator; write one of {', '.join(_EXPRESSIONS)}"
    holds = key in labels if operator in ("Exists", "DoesNotExist") else labels.get(key) in values
    if holds == (operator in ("In", "Exists")):
        return None
    return f"does not match the pod template, which has {f'`{labels[key]}`' if key in labels else f'no label `{key}`'}"


def _of_pod(pod: Json, path: Path) -> Iterator[Problem]:
    if not pod.get("containers"):
        yield Problem((*path, "containers"), "missing; a pod needs at least one container")
    seen: dict[str, Path] = {}
    for place in ("initContainers", "containers"):
        for position, container in enumerate(pod.get(place) or ()):
            at = (*path, place, position)
            yield from names.check((*at, "name"), names.not_a_label(container["name"]))
            if container["name"] in seen:
                yield Problem((*at, "name"), f"`{container['name']}` is there already; each name must be different")
            seen[container["name"]] = at
            if not container.get("image"):
                yield Problem((*at, "image"), "missing; a container needs an image")
