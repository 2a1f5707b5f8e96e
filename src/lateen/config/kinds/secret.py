"""Kubernetes Secret."""

from collections.abc import Mapping
from typing import ClassVar

from lateen.config.objects import ConfigObject


class Secret(ConfigObject, frozen=True, kw_only=True):
    """`data` holds the decoded bytes; `string_data` is what a manifest may write in plain text instead."""

    GROUP: ClassVar[str] = ""
    KIND: ClassVar[str] = "Secret"

    type: str = "Opaque"
    data: Mapping[str, bytes] = {}
    string_data: Mapping[str, str] = {}

    @property
    def content(self) -> dict[str, bytes]:
        """Every key with its bytes; `string_data` wins, as it does when an API server stores the object."""
        return {**self.data, **{key: text.encode() for key, text in self.string_data.items()}}
