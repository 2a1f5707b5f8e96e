"""Lifecycle hooks of a container: what is done after it has started and before it is told to end. Pure."""

import msgspec

from lateen.local_runtime.plan.workloads import Json
from lateen.local_runtime.pods.probes import Action, action_of


class Sleep(msgspec.Struct, frozen=True):
    seconds: float


Hook = Action | Sleep


class Hooks(msgspec.Struct, frozen=True):
    post_start: Hook | None = None
    pre_stop: Hook | None = None


def hooks_of(container: Json, pod: Json) -> Hooks:
    """The hooks of a container of the pod's spec; named ports are looked up in its containers."""
    lifecycle = container.get("lifecycle") or {}
    return Hooks(_hook(lifecycle.get("postStart"), pod), _hook(lifecycle.get("preStop"), pod))


def _hook(handler: Json | None, pod: Json) -> Hook | None:
    if not handler:
        return None
    if handler.get("sleep"):
        return Sleep(float(handler["sleep"].get("seconds") or 0))
    return action_of(handler, pod)
