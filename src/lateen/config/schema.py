"""The registry of kinds: how each is called, which versions are served, its struct, and its semantic checks."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from lateen.config.kinds.config_map import ConfigMap
from lateen.config.kinds.deployment import Deployment
from lateen.config.kinds.destination_rule import DestinationRule
from lateen.config.kinds.endpoint_slice import EndpointSlice
from lateen.config.kinds.endpoints import Endpoints
from lateen.config.kinds.gateway import Gateway
from lateen.config.kinds.namespace import Namespace
from lateen.config.kinds.pod import Pod
from lateen.config.kinds.secret import Secret
from lateen.config.kinds.service import KubernetesService
from lateen.config.kinds.service_account import ServiceAccount
from lateen.config.kinds.virtual_service import VirtualService
from lateen.config.objects import ConfigObject, ObjectRef
from lateen.config.problems import Problem
from lateen.config.validation.destination_rule import destination_rule
from lateen.config.validation.gateway import gateway
from lateen.config.validation.kubernetes import config_map, endpoint_slice, endpoints, kubernetes_service
from lateen.config.validation.virtual_service import virtual_service

Validator = Callable[[Any], Iterable[Problem]]


def _nothing(_: ConfigObject) -> Iterable[Problem]:
    return ()


class KindSchema(msgspec.Struct, frozen=True, kw_only=True):
    """One kind. `strict` kinds (Istio's) refuse fields they do not know; the others let them pass.

    `versions` are all served, the one to write first; they share one struct.
    """

    type: type[ConfigObject]
    plural: str
    short_names: tuple[str, ...] = ()
    versions: tuple[str, ...] = ("v1",)
    namespaced: bool = True
    strict: bool = False
    validate: Validator = _nothing

    @property
    def group(self) -> str:
        return self.type.GROUP

    @property
    def kind(self) -> str:
        return self.type.KIND

    @property
    def api_version(self) -> str:
        """As objects of the kind are written: `networking.istio.io/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.versions[0]}" if self.group else self.versions[0]


_ISTIO_VERSIONS = ("v1", "v1beta1", "v1alpha3")

SCHEMAS: tuple[KindSchema, ...] = (
    KindSchema(type=Namespace, plural="namespaces", short_names=("ns",), namespaced=False),
    KindSchema(type=ServiceAccount, plural="serviceaccounts", short_names=("sa",)),
    KindSchema(type=ConfigMap, plural="configmaps", short_names=("cm",), validate=config_map),
    KindSchema(type=Secret, plural="secrets"),
    KindSchema(type=KubernetesService, plural="services", short_names=("svc",), validate=kubernetes_service),
    KindSchema(type=Endpoints, plural="endpoints", short_names=("ep",), validate=endpoints),
    KindSchema(type=EndpointSlice, plural="endpointslices", validate=endpoint_slice),
    KindSchema(type=Pod, plural="pods", short_names=("po",)),
    KindSchema(type=Deployment, plural="deployments", short_names=("deploy",)),
    KindSchema(
        type=VirtualService,
        plural="virtualservices",
        short_names=("vs",),
        versions=_ISTIO_VERSIONS,
        strict=True,
        validate=virtual_service,
    ),
    KindSchema(
        type=DestinationRule,
        plural="destinationrules",
        short_names=("dr",),
        versions=_ISTIO_VERSIONS,
        strict=True,
        validate=destination_rule,
    ),
    KindSchema(
        type=Gateway,
        plural="gateways",
        short_names=("gw",),
        versions=_ISTIO_VERSIONS,
        strict=True,
        validate=gateway,
    ),
)

_BY_KIND = {(schema.group, schema.kind): schema for schema in SCHEMAS}


def group_of(api_version: str) -> str:
    """The group of an `apiVersion`; empty for the core group."""
    return api_version.rpartition("/")[0]


def by_api(api_version: str, kind: str) -> KindSchema | None:
    """The schema of a kind, whether or not this version of it is served."""
    return _BY_KIND.get((group_of(api_version), kind))


def schema_of(what: ConfigObject | ObjectRef) -> KindSchema | None:
    """The schema of an object or a reference; None for kinds nobody applies, such as MeshConfig."""
    if isinstance(what, ObjectRef):
        return _BY_KIND.get((what.group, what.kind))
    return _BY_KIND.get((what.GROUP, what.KIND))
