"""`lateen apply`: writes objects into the running mesh, all of them as one change."""

from pathlib import Path
from typing import Any

import click

from lateen.cli.connection import mesh, state_option
from lateen.cli.output import complain, say, warn

Json = dict[str, Any]


@click.command("apply")
@click.option("-f", "--filename", "names", multiple=True, required=True, metavar="FILE|DIR|-", help="What to apply.")
@click.option("-n", "--namespace", default="default", metavar="NAMESPACE", help="For objects that name none.")
@click.option("--dry-run", is_flag=True, help="Check, and say what would be done, without doing it.")
@state_option
def command(names: tuple[str, ...], namespace: str, dry_run: bool, state_dir: Path | None) -> int:
    """Write objects of files into the running mesh.

    All of them take effect together. An object that is wrong is refused with its place; the others are written.
    """
    from lateen.cli.manifests import read

    documents, refused = read(names, namespace)
    if not documents:
        return 1
    items = [{"object": each.raw, "origin": _absolute(str(each.origin))} for each in documents]
    with mesh(state_dir) as client:
        answer = client.request(
            "POST", "/lateen/v1/apply", body={"items": items, "namespace": namespace, "dryRun": dry_run}
        )
    for document, item in zip(documents, answer["items"], strict=True):
        if "status" in item:
            complain(f"{document.origin}: {item['status']['message']}")
            refused = True
        else:
            say(f"{_named(item['object'])} {item['result']}{' (dry run)' if dry_run else ''}")
    for text in answer["refused"]:
        complain(text)
    for text in answer["problems"]:
        warn(text)
    return 1 if refused or answer["refused"] else 0


def _absolute(origin: str) -> str:
    return origin if origin.startswith("<") else str(Path(origin).absolute())


def _named(raw: Json) -> str:
    """`deployment.apps/reviews-v1`, as kubectl names what it wrote."""
    group = str(raw["apiVersion"]).rpartition("/")[0]
    kind = str(raw["kind"]).lower()
    return f"{f'{kind}.{group}' if group else kind}/{raw['metadata']['name']}"
