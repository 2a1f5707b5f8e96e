"""Kubernetes ConfigMap."""

from collections.abc import Mapping
from typing import ClassVar

from lateen.config.objects import ConfigObject


class ConfigMap(ConfigObject, frozen=True, kw_only=True):
    """`binary_data` holds the decoded bytes; its keys and those of `data` differ."""

    GROUP: ClassVar[str] = ""
    KIND: ClassVar[str] = "ConfigMap"

    data: Mapping[str, str] = {}
    binary_data: Mapping[str, bytes] = {}
