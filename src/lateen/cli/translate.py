"""`lateen translate`: files in, the configuration of one proxy out. Nothing runs and nothing is asked for."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from lateen.cli.output import Failure, Format, complain, rendered, say, warn

TYPES = {"cds": "clusters", "eds": "endpoints", "lds": "listeners", "rds": "routes"}


def _types(_context: click.Context, _option: click.Parameter, value: str) -> tuple[str, ...]:
    wanted = [name.strip().lower() for name in value.split(",") if name.strip()]
    for name in wanted:
        if name not in TYPES:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(TYPES)}")
    return tuple(name for name in TYPES if name in wanted)


@click.command("translate")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="FILES")
@click.option(
    "--proxy", required=True, metavar="POD[.NAMESPACE]", help="The pod, or the Deployment, whose proxy it is."
)
@click.option(
    "--type", "types", default=",".join(TYPES), callback=_types, metavar="cds,eds,lds,rds", help="What to show."
)
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", help="Output format.")
def command(paths: tuple[Path, ...], proxy: str, types: tuple[str, ...], output: str) -> int:
    """Show what manifests mean for one proxy: the xDS resources it would be sent.

    The workloads of the files are taken to run, one ready pod for each replica, as `lateen up` would run them.
    """
    from lateen.local_runtime.objects.reading import decode
    from lateen.local_runtime.plan.control_plane import with_control_plane
    from lateen.local_runtime.plan.planned import planned
    from lateen.sources.files import load

    loaded = load(paths, decode=decode)
    for rejected in loaded.rejected:
        complain(str(rejected))
    for notice in loaded.notices:
        warn(str(notice))
    objects = planned(with_control_plane([document.raw for document in loaded.documents]))
    say(rendered(translated(objects, proxy, types), Format(output)))
    return 1 if loaded.rejected else 0


def translated(objects: Sequence[dict[str, Any]], name: str, types: Iterable[str]) -> dict[str, Any]:
    """The resources of the proxy of a pod, by the names in `TYPES`; what is wrong with the objects is told as warnings.

    The objects are those of a whole mesh, pods and slices too. Raises `Failure` where there is no such pod.
    """
    from lateen.config.decode import decode
    from lateen.config.objects import ConfigObject
    from lateen.config.store import ConfigStore
    from lateen.incremental.tables import Change
    from lateen.model.mesh import Mesh
    from lateen.model.proxy import Proxy
    from lateen.model.views import views
    from lateen.translate.catalogue import questions
    from lateen.xds.resource import SHORT_NAMES

    mesh = Mesh()
    decoded = [decode(raw) for raw in objects]
    mesh.apply(ConfigStore().apply([found for found in decoded if isinstance(found, ConfigObject)]))
    proxy = _proxy(objects, name)
    mesh.commit([Change(Proxy, proxy.id, proxy)])
    seen = views(mesh, proxy.id)
    assert seen is not None  # it has just been put there
    watched = {
        type_url: [mesh.watch(function, *arguments) for function, arguments in asked]
        for type_url, asked in questions(seen).items()
    }
    for _ in mesh.settle():
        pass
    for diagnostic in mesh.diagnostics():
        warn(str(diagnostic))
    return {
        TYPES[short]: _messages(type_url, [resource.body for node in nodes for resource in node.value])
        for type_url, nodes in watched.items()
        if (short := SHORT_NAMES[type_url].lower()) in types
    }


def _messages(type_url: str, bodies: Iterable[bytes]) -> list[Any]:
    """Serialised messages in protobuf's JSON, with Envoy's field names."""
    from google.protobuf.descriptor_pool import Default
    from google.protobuf.json_format import MessageToJson
    from google.protobuf.message_factory import GetMessageClass

    message = GetMessageClass(Default().FindMessageTypeByName(type_url.rpartition("/")[2]))
    return [json.loads(MessageToJson(message.FromString(body), preserving_proto_field_name=True)) for body in bodies]


def _proxy(objects: Iterable[dict[str, Any]], text: str) -> Any:
    """The proxy of the pod that is named, or of the first pod of the Deployment that is."""
    from lateen.inject.facts import INTERCEPTION_MODE
    from lateen.model.proxy import Proxy, ProxyId, ProxyType, interception_of

    pods = [found for found in objects if found.get("kind") == "Pod"]
    name, _, namespace = text.partition(".")
    for pod in pods:
        metadata = pod["metadata"]
        if (namespace or metadata["namespace"]) != metadata["namespace"]:
            continue
        if metadata["name"] == name or metadata["name"].startswith(f"{name}-"):
            return Proxy(
                id=ProxyId(metadata["namespace"], metadata["name"]),
                type=ProxyType(_type(pod)),
                addresses=(pod["status"]["podIP"],),
                domain=f"{metadata['namespace']}.svc.cluster.local",
                interception=interception_of((metadata.get("annotations") or {}).get(INTERCEPTION_MODE)),
            )
    known = ", ".join(f"{pod['metadata']['name']}.{pod['metadata']['namespace']}" for pod in pods) or "none"
    raise Failure(f"the files make no pod {text!r}; they make: {known}")


def _type(pod: dict[str, Any]) -> str:
    """The type of proxy: a client without one is a pod whose containers are told where gRPC finds its bootstrap."""
    annotations = pod["metadata"].get("annotations") or {}
    if "gateway" in str(annotations.get("inject.istio.io/templates", "")):
        return "router"
    environment = [variable for each in pod["spec"]["containers"] for variable in each.get("env") or ()]
    return "proxyless" if any(each["name"] == "GRPC_XDS_BOOTSTRAP" for each in environment) else "sidecar"
