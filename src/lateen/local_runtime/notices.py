"""What went wrong or deserves a word, by the object it concerns, for `lateen up`, `ps` and the log.

Not for what an object's own status says: a pod that fails tells so there.
"""

import logging
from collections.abc import Iterator

from lateen.config.objects import ObjectRef

_log = logging.getLogger(__name__)


class Notices:
    """Texts by object, each once, in the order in which they came."""

    def __init__(self) -> None:
        self._texts: dict[ObjectRef | None, dict[str, None]] = {}

    def add(self, ref: ObjectRef | None, text: str) -> None:
        """Keep a text about an object; None stands for the mesh as a whole."""
        texts = self._texts.setdefault(ref, {})
        if text not in texts:
            texts[text] = None
            _log.warning("%s: %s", ref or "mesh", text)

    def clear(self, ref: ObjectRef | None) -> None:
        """Forget what was said about an object."""
        self._texts.pop(ref, None)

    def __iter__(self) -> Iterator[str]:
        for ref, texts in self._texts.items():
            for text in texts:
                yield text if ref is None else f"{ref}: {text}"
