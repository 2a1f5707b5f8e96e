"""A container of a pod as a process of a sandbox: user, capabilities, environment, mounts. Pure.

`pods.py` asks for it when a container is about to start, since environment and files follow the objects of that moment.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

import msgspec

from lateen.local_runtime.plan.workloads import Json
from lateen.local_runtime.pods.environment import Host, Lookup, NotConfigured, container_environment, expand
from lateen.local_runtime.pods.images import DEFAULT_USER, Image, command_of
from lateen.local_runtime.pods.volumes import Files, Volume
from lateen.local_runtime.sandbox.sandbox import Mount, ProcessSpec
from lateen.local_runtime.sandbox.syscalls import CAPABILITIES
from lateen.local_runtime.users import Users

PROXY_CONTAINER: Final = "istio-proxy"
INIT_CONTAINER: Final = "istio-init"
_INJECTED: Final = (PROXY_CONTAINER, INIT_CONTAINER)
CONTROL_SOCKET: Final = "/var/run/lateen/xds.sock"
"""Where the proxy container finds the control plane."""
COMMANDS: Final = "/opt/lateen/bin"
"""Where it finds `pilot-agent`, which hooks and people call by name."""

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# fmt: off
_ROOT_CAPABILITIES: Final = frozenset(
    {
        "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP",
        "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"
    }
)
"""What container runtimes give a process of uid 0 unless told otherwise."""

# fmt: on

_ALL_CAPABILITIES: Final = frozenset(CAPABILITIES)


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What a pod's containers share: volumes, files under /etc, and for the proxy the control plane's socket and a
    directory of commands.
    """

    volumes: Mapping[str, Volume]
    paths: Mapping[str, Path]
    files: Mapping[str, bytes]
    control_socket: Path
    commands: Path


def process_spec(
    container: Json, pod: Json, image: Image, around: Surroundings, lookup: Lookup, host: Host
) -> ProcessSpec:
    """The process of a container. Raises `NotConfigured` or `NothingToRun` with what the status shall say."""
    path = f"{COMMANDS}:{_PATH}" if container.get("name") == PROXY_CONTAINER else _PATH
    base = {"PATH": path, "HOSTNAME": str(pod["metadata"]["name"]), "HOME": "/", **image.env}
    environment = container_environment(container, pod, base, lookup, host)
    command = [expand(str(part), environment) for part in container.get("command") or ()]
    args = [expand(str(part), environment) for part in container.get("args") or ()]
    asked = user_of(container, pod, image)
    uid, gid = _as_here(*asked, host.users)
    security = container.get("securityContext") or {}
    privileged = bool(security.get("privileged"))
    return ProcessSpec(
        argv=command_of(image, command, args).argv,
        env=environment,
        uid=uid,
        gid=gid,
        capabilities=capabilities_of(security, asked[0]),
        no_new_privileges=not (privileged or security.get("allowPrivilegeEscalation")),
        cwd=str(container.get("workingDir") or image.working_dir),
        mounts=(*_mounts(container, environment, around), *_control_mounts(container, around)),
        files=around.files,
        visible=image.mounts,
        read_only_root=bool(security.get("readOnlyRootFilesystem")),
    )


def user_of(container: Json, pod: Json, image: Image) -> tuple[int, int]:
    """The uid and gid of a container: its securityContext, the pod's, the image's, then an ordinary user.

    Raises `NotConfigured` where `runAsNonRoot` forbids the outcome.
    """
    contexts: list[Json] = [container.get("securityContext") or {}, pod["spec"].get("securityContext") or {}]
    uid = _first("runAsUser", contexts)
    if uid is None:
        uid = DEFAULT_USER if image.user is None else image.user
    if uid == 0 and _first("runAsNonRoot", contexts):
        raise NotConfigured(
            "container has runAsNonRoot and would run as root: set securityContext.runAsUser to another"
        )
    gid = _first("runAsGroup", contexts)
    if gid is None:
        gid = 0 if uid == 0 else DEFAULT_USER
    return int(uid), int(gid)


def _as_here(uid: int, gid: int, users: Users) -> tuple[int, int]:
    """The user and group that a container has in the end. Raises `NotConfigured` for one that there is not."""
    if users.one:
        return 0, 0
    for field, number in (("runAsUser", uid), ("runAsGroup", gid)):
        if number >= users.count:
            raise NotConfigured(f"{field} {number}: {_out_of_range(users)}")
    return uid, gid


def volume_group_of(pod: Json, users: Users) -> int | None:
    """The pod's `fsGroup`; None where groups have no effect. Raises `NotConfigured` for one that there is not."""
    group = (pod["spec"].get("securityContext") or {}).get("fsGroup")
    if group is None or users.one:
        return None
    if int(group) >= users.count:
        raise NotConfigured(f"fsGroup {group}: {_out_of_range(users)}")
    return int(group)


def _out_of_range(users: Users) -> str:
    return f"this mesh runs without root and has ids up to {users.count - 1}; /etc/subuid and /etc/subgid may give more"


def without_effect(pod: Json) -> Iterator[str]:
    """The fields by which a pod asks for users, where all processes are one: path and value of each."""
    spec = pod["spec"]
    yield from _users_in("spec", spec, ("runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"))
    for place in ("initContainers", "containers"):
        for number, container in enumerate(spec.get(place) or ()):
            path = f"spec.{place}[{number}]"
            if container["name"] not in _INJECTED:
                yield from _users_in(path, container, ("runAsUser", "runAsGroup"))
            elif container["name"] == INIT_CONTAINER:
                yield from (
                    f"{path}.env {variable['name']}"
                    for variable in container.get("env") or ()
                    if str(variable["name"]).startswith("ISTIO_OUTBOUND_OWNER_GROUPS")
                )


def _users_in(path: str, holder: Json, fields: Sequence[str]) -> Iterator[str]:
    security = holder.get("securityContext") or {}
    yield from (f"{path}.securityContext.{field}" for field in fields if security.get(field) is not None)


def capabilities_of(security: Mapping[str, Any], uid: int) -> frozenset[str]:
    """The capabilities of a container's `securityContext`, without `CAP_`; an ordinary user has none by default."""
    if security.get("privileged"):
        return _ALL_CAPABILITIES
    asked = security.get("capabilities") or {}
    added = {str(name).upper().removeprefix("CAP_") for name in asked.get("add") or ()}
    dropped = {str(name).upper().removeprefix("CAP_") for name in asked.get("drop") or ()}
    kept = (_ROOT_CAPABILITIES if uid == 0 else frozenset()) - dropped
    if "ALL" in dropped:
        kept = frozenset()
    return _ALL_CAPABILITIES - dropped if "ALL" in added else kept | added


def _mounts(container: Json, environment: Mapping[str, str], around: Surroundings) -> Sequence[Mount]:
    mounts = []
    for wanted in container.get("volumeMounts") or ():
        name, target = str(wanted["name"]), str(wanted["mountPath"])
        if name not in around.paths:
            raise NotConfigured(f'volumeMounts: "{name}" is not among spec.volumes of the pod')
        if not target.startswith("/"):
            raise NotConfigured(f'volumeMounts: mountPath "{target}" must be absolute')
        fixed = isinstance(around.volumes[name], Files)
        mounts.append(
            Mount(
                source=around.paths[name],
                inside=_sub_path(wanted, environment),
                target=target,
                read_only=fixed or bool(wanted.get("readOnly")),
            )
        )
    return mounts


def _sub_path(wanted: Json, environment: Mapping[str, str]) -> str:
    text = str(wanted.get("subPath") or expand(str(wanted.get("subPathExpr") or ""), environment))
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts:
        raise NotConfigured(f'volumeMounts: subPath "{text}" must be relative and without ".."')
    return "" if str(path) == "." else str(path)


def _control_mounts(container: Json, around: Surroundings) -> Sequence[Mount]:
    if container.get("name") != PROXY_CONTAINER:
        return ()
    return (
        Mount(source=around.control_socket, target=CONTROL_SOCKET, read_only=True),
        Mount(source=around.commands, target=COMMANDS, read_only=True),
    )


def _first(key: str, contexts: Sequence[Json]) -> Any:
    return next((c[key] for c in contexts if c.get(key) is not None), None)
