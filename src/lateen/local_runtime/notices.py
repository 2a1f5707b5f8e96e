"""What went wrong or deserves a word, by what it concerns, for `lateen up`, `ps` and the log.

Not for what an object's own status says: a pod that fails tells so there.
"""

import logging
from collections.abc import Iterable, Iterator

from lateen.config.objects import ObjectRef

_log = logging.getLogger(__name__)

Subject = ObjectRef | str
"""An object, or a word such as "manifests" for what is none."""


class Notices:
    """Texts by subject, each once, in the order in which they came."""

    def __init__(self) -> None:
        self._texts: dict[Subject, dict[str, None]] = {}

    def add(self, subject: Subject, text: str) -> None:
        """Keep a text."""
        texts = self._texts.setdefault(subject, {})
        if text not in texts:
            texts[text] = None
            _log.warning("%s: %s", subject, text)

    def remove(self, subject: Subject, text: str) -> None:
        """Forget one text."""
        texts = self._texts.get(subject, {})
        texts.pop(text, None)
        if not texts:
            self.clear(subject)

    def clear(self, subject: Subject) -> None:
        """Forget what was said about a subject."""
        self._texts.pop(subject, None)

    def replace(self, subject: Subject, texts: Iterable[str]) -> None:
        """Keep these texts about a subject and no others."""
        before = self._texts.pop(subject, {})
        for text in texts:
            if text in before:
                self._texts.setdefault(subject, {})[text] = None
            else:
                self.add(subject, text)

    def __iter__(self) -> Iterator[str]:
        """Each text, after the object's name where it is about one."""
        for subject, texts in self._texts.items():
            for text in texts:
                yield f"{subject}: {text}" if isinstance(subject, ObjectRef) else text
