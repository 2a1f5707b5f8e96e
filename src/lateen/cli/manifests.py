"""Manifests that `apply` and `delete` read: files, directories, standard input; refusals are told with their place."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lateen.cli.output import Failure, complain, warn
from lateen.config.problems import Notice, Rejected
from lateen.local_runtime.objects.reading import decode
from lateen.sources.documents import Document
from lateen.sources.file_state import FileState
from lateen.sources.files import load

STANDARD_INPUT: Final = "-"


def read(names: Sequence[str], namespace: str) -> tuple[list[Document], bool]:
    """The usable objects of what is named, in order, and whether anything was refused.

    `namespace` is for objects that name none. Raises `Failure` where there is no object at all.
    """
    loaded = load([Path(name) for name in names if name != STANDARD_INPUT], namespace, decode)
    documents: list[Document] = list(loaded.documents)
    rejected: list[Rejected] = list(loaded.rejected)
    notices: list[Notice] = list(loaded.notices)
    if STANDARD_INPUT in names:
        update = FileState(namespace, decode).update(["<stdin>"], {"<stdin>": sys.stdin.read()})
        documents += update.changed
        rejected += update.rejected
        notices += update.notices
    for notice in notices:
        warn(str(notice))
    for each in rejected:
        complain(str(each))
    if not documents and not rejected:
        raise Failure("there is no object in what was given")
    return documents, bool(rejected)
