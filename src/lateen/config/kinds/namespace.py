"""Kubernetes Namespace: its labels decide on injection and revision."""

from typing import ClassVar

from lateen.config.objects import ConfigObject


class Namespace(ConfigObject, frozen=True, kw_only=True):
    GROUP: ClassVar[str] = ""
    KIND: ClassVar[str] = "Namespace"
