"""Kubernetes ServiceAccount: the identity that pods run under."""

from typing import ClassVar

from lateen.config.objects import ConfigObject


class ServiceAccount(ConfigObject, frozen=True, kw_only=True):
    GROUP: ClassVar[str] = ""
    KIND: ClassVar[str] = "ServiceAccount"
