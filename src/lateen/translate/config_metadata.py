"""The metadata under `istio` that says which object a resource comes from; `proxy-config` and access logs show it."""

import re
from typing import Final

from envoy.config.core.v3.base_pb2 import Metadata

from lateen.config.objects import ObjectRef

NAMESPACE: Final = "istio"

_WORD_START = re.compile(r"(?<=[a-z])(?=[A-Z])")


def config_path(ref: ObjectRef) -> str:
    """`/apis/networking.istio.io/v1/namespaces/<namespace>/virtual-service/<name>`, as Istio writes it."""
    kind = _WORD_START.sub("-", ref.kind).lower()
    return f"/apis/{ref.group}/v1/namespaces/{ref.namespace}/{kind}/{ref.name}"


def config_metadata(ref: ObjectRef) -> Metadata:
    """Metadata with that path under `config`."""
    out = Metadata()
    out.filter_metadata[NAMESPACE].fields["config"].string_value = config_path(ref)
    return out
