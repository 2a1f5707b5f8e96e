"""Names of the images that the proxy and the init container run."""

import re

from lateen.common.labels import Labels
from lateen.inject.proxy_config import ProxyConfig
from lateen.inject.settings import Values

_VARIANT = re.compile("-(distroless|debug)$")
_IMAGE = "sidecar.istio.io/proxyImage"
_IMAGE_TYPE = "sidecar.istio.io/proxyImageType"


def proxy_image(values: Values, config: ProxyConfig, annotations: Labels) -> str:
    """The proxy's image; an annotation with a slash in it names one outright."""
    image_type = annotations.get(_IMAGE_TYPE, config.image_type or values.variant)
    return _image(values.proxy_image, values, image_type, annotations)


def init_image(values: Values, annotations: Labels) -> str:
    """The init container's image."""
    return _image(values.init_image, values, annotations.get(_IMAGE_TYPE, values.variant), annotations)


def _image(name: str, values: Values, image_type: str, annotations: Labels) -> str:
    for full in (annotations.get(_IMAGE, ""), name):
        if "/" in full:
            return full
    tag = values.tag
    if image_type:
        tag = _VARIANT.sub("", tag)
        if image_type != "default":
            tag = f"{tag}-{image_type}"
    return f"{values.hub}/{name or 'proxyv2'}:{tag}"
