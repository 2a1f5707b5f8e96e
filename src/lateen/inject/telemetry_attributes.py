"""What traces say of the workload that they come from, by OpenTelemetry's semantic conventions."""

from collections.abc import Iterator, Sequence

from lateen.common.labels import Labels
from lateen.inject.pods import JsonMap

_PREFIX = "resource.opentelemetry.io/"


def attributes(annotations: Labels, labels: Labels, containers: Sequence[JsonMap], namespace: str) -> str:
    """Namespace, version and instance of the service as `OTEL_RESOURCE_ATTRIBUTES` lists them."""
    return ",".join(_parts(annotations, labels, containers, namespace))


def _parts(annotations: Labels, labels: Labels, containers: Sequence[JsonMap], namespace: str) -> Iterator[str]:
    if own := annotations.get(_PREFIX + "service.namespace") or namespace:
        yield f"service.namespace={own}"
    version = annotations.get(_PREFIX + "service.version") or labels.get("app.kubernetes.io/version")
    if version or (len(containers) == 1 and (version := _image_version(containers[0].get("image") or ""))):
        yield f"service.version={version}"
    first = containers[0].get("name", "") if containers else ""
    instance = annotations.get(_PREFIX + "service.instance.id")
    yield f"service.instance.id={instance or f'{namespace}.$(POD_NAME).{first}'}"


def _image_version(image: str) -> str:
    """Tag and digest of an image, as far as it has them."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return "@".join(part for part in (tag, digest) if part)
