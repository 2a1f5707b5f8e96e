"""Messages that a user does not want to see: `-S CODE=RESOURCE`."""

from fnmatch import fnmatchcase

import msgspec

from lateen.analysis.analyzer import Message
from lateen.analysis.catalogue import BY_CODE


class Suppression(msgspec.Struct, frozen=True):
    """`pattern` is `Kind name` or `Kind name.namespace`, in which `*` stands for anything."""

    code: str
    pattern: str

    @classmethod
    def parse(cls, text: str) -> "Suppression":
        """Raises `ValueError` that says how it is written."""
        code, equals, pattern = text.partition("=")
        if not equals or not code or not pattern:
            raise ValueError(f"{text!r} is not CODE=RESOURCE, such as 'IST0103=Pod *.testing'")
        return cls(code, pattern)

    @property
    def is_known(self) -> bool:
        """Whether there is a message of that code."""
        return self.code in BY_CODE

    def hides(self, message: Message) -> bool:
        if message.resource is None or message.type.code != self.code:
            return False
        ref = message.resource.ref
        name = f"{ref.name}.{ref.namespace}" if ref.namespace else ref.name
        return fnmatchcase(f"{ref.kind} {name}", self.pattern)
