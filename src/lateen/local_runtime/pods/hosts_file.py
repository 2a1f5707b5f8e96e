"""A pod's /etc/hosts, as a kubelet writes it. Pure."""

from collections.abc import Sequence

from lateen.local_runtime.network.dns import CLUSTER_DOMAIN
from lateen.local_runtime.plan.workloads import Json


def hosts_file(pod: Json, addresses: Sequence[str]) -> str:
    """The text: localhost, the pod's own names, then its `hostAliases`."""
    meta, spec = pod["metadata"], pod["spec"]
    hostname = str(spec.get("hostname") or meta["name"])[:63]
    names = [hostname]
    if spec.get("subdomain"):
        names.insert(0, f"{hostname}.{spec['subdomain']}.{meta['namespace']}.svc.{CLUSTER_DOMAIN}")
    lines = ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost"]
    lines += ["\t".join((address, *names)) for address in addresses]
    aliases = spec.get("hostAliases") or ()
    lines += ["\t".join((str(alias["ip"]), *map(str, alias.get("hostnames") or ()))) for alias in aliases]
    return "".join(f"{line}\n" for line in lines)
