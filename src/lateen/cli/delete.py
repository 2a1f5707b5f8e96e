"""`lateen delete`: removes objects from the running mesh, by file or by kind and name."""

from pathlib import Path
from typing import Any

import click

from lateen.cli.connection import mesh, state_option
from lateen.cli.output import Failure, complain, say
from lateen.local_runtime.api.client import ApiClient, ApiFailure, object_path

Json = dict[str, Any]


@click.command("delete")
@click.argument("words", nargs=-1, metavar="[KIND NAME... | KIND/NAME...]")
@click.option("-f", "--filename", "names", multiple=True, metavar="FILE|DIR|-", help="Delete the objects it has.")
@click.option("-n", "--namespace", default="default", metavar="NAMESPACE", help="For objects that name none.")
@click.option("--ignore-not-found", is_flag=True, help="An object that is not there is no failure.")
@state_option
def command(
    words: tuple[str, ...], names: tuple[str, ...], namespace: str, ignore_not_found: bool, state_dir: Path | None
) -> int:
    """Remove objects from the running mesh: those of a file, or those named by kind and name."""
    if bool(words) == bool(names):
        raise click.UsageError("give either -f FILE, or KIND and NAME")
    with mesh(state_dir) as client:
        failed = False
        if names:
            targets, failed = _of_files(client, names, namespace)
        else:
            targets = _of_words(client, words, namespace)
        for shown, path in targets:
            try:
                client.request("DELETE", path)
                say(f"{shown} deleted")
            except ApiFailure as error:
                if error.code != 404 or not ignore_not_found:
                    complain(str(error))
                    failed = True
    return 1 if failed else 0


def _of_files(client: ApiClient, names: tuple[str, ...], namespace: str) -> tuple[list[tuple[str, str]], bool]:
    """Last first, as what comes later in a file tends to need what comes before; and whether anything was refused."""
    from lateen.cli.manifests import read

    documents, refused = read(names, namespace)
    targets = []
    for document in reversed(documents):
        api_version, kind = str(document.raw["apiVersion"]), document.ref.kind
        found = next((each for each in _types(client, api_version) if each["kind"] == kind), None)
        if found is None:
            raise Failure(f"{document.origin}: the mesh has no {kind} in {api_version}")
        targets.append(_target(found, document.ref.namespace or namespace, document.ref.name))
    return targets, refused


def _of_words(client: ApiClient, words: tuple[str, ...], namespace: str) -> list[tuple[str, str]]:
    if all("/" in word for word in words):
        pairs = [tuple(word.split("/", 1)) for word in words]
    else:
        pairs = [(words[0], name) for name in words[1:]]
    if not pairs:
        raise click.UsageError(f"which {words[0]}? Give its NAME")
    return [_target(_type_named(client, kind), namespace, name) for kind, name in pairs]


def _type_named(client: ApiClient, word: str) -> Json:
    """The type a word means. Where several groups have the kind, that of Istio or the core group is meant."""
    kind, _, group = word.lower().partition(".")
    versions = ["v1", *(each["preferredVersion"]["groupVersion"] for each in client.get("/apis")["groups"])]
    found = [
        each
        for version in versions
        for each in _types(client, version)
        if kind in (each["kind"].lower(), each["name"], *each.get("shortNames", []))
        and (not group or version.rpartition("/")[0] == group)
    ]
    if not found:
        raise Failure(f"there is no kind {word!r}")
    return min(found, key=lambda each: "gateway.networking" in each["apiVersion"])


def _types(client: ApiClient, api_version: str) -> list[Json]:
    prefix = "/apis/" if "/" in api_version else "/api/"
    try:
        listed = client.get(prefix + api_version)["resources"]
    except ApiFailure:
        return []
    return [{**each, "apiVersion": api_version} for each in listed if "/" not in each["name"]]


def _target(found: Json, namespace: str, name: str) -> tuple[str, str]:
    """How an object is shown, and its path."""
    group = found["apiVersion"].rpartition("/")[0]
    kind = found["kind"].lower()
    shown = f'{f"{kind}.{group}" if group else kind} "{name}"'
    return shown, object_path(found["apiVersion"], found["name"], namespace if found["namespaced"] else "", name)
