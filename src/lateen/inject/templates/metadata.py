"""Labels, annotations and fields of the pod itself that templates write."""

from lateen.inject import pods
from lateen.inject.facts import Facts
from lateen.inject.pods import JsonMap

CANONICAL_NAME = "service.istio.io/canonical-name"
CANONICAL_REVISION = "service.istio.io/canonical-revision"
_LONGEST_LABEL = 63


def canonical_name(facts: Facts) -> str:
    """The name that metrics know the workload's service by."""
    labels = facts.labels
    found = labels.get(CANONICAL_NAME) or labels.get("app.kubernetes.io/name") or labels.get("app")
    return found or facts.owner.name


def shortened(name: str) -> str:
    """A name cut to what a label can hold."""
    return name[:_LONGEST_LABEL].strip("-_.")


def secrets(facts: Facts) -> JsonMap:
    """The pod's `imagePullSecrets`, if there are any."""
    names = facts.values.image_pull_secrets
    return {"imagePullSecrets": [{"name": name} for name in names]} if names else {}


def canonical_revision(facts: Facts) -> str:
    """The version that metrics know the workload by."""
    labels = facts.labels
    found = labels.get(CANONICAL_REVISION) or labels.get("app.kubernetes.io/version") or labels.get("version")
    return found or "latest"


def annotations(facts: Facts) -> dict[str, str]:
    """The control plane's revision, and which container kubectl means when none is named."""
    found = {"istio.io/rev": facts.settings.revision}
    application = pods.application_containers(facts.pod)
    for name in ("kubectl.kubernetes.io/default-logs-container", "kubectl.kubernetes.io/default-container"):
        if application and name not in facts.annotations:
            found[name] = application[0]["name"]
    return found
