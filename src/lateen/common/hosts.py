"""Host names as the mesh writes them: fully qualified names, wildcards, and how specific each is."""

from ipaddress import ip_address
from typing import NewType

Hostname = NewType("Hostname", str)
"""A lower-case DNS name, or a wildcard pattern: `*`, or `*.` followed by a name."""

CLUSTER_DOMAIN = "cluster.local"


def service_hostname(name: str, namespace: str, domain: str = CLUSTER_DOMAIN) -> Hostname:
    """The host name of a Kubernetes Service: `<name>.<namespace>.svc.<domain>`."""
    return Hostname(f"{name}.{namespace}.svc.{domain}")


def expand(name: str, namespace: str, domain: str = CLUSTER_DOMAIN) -> Hostname:
    """A host as written in an object of `namespace`, fully qualified.

    A name without a dot is a Service of that namespace. `*`, addresses and names with dots stay as they are.
    Source: Istio VirtualService reference, `destination.host`.
    """
    lowered = name.lower()
    if "." in lowered or lowered == "*" or ":" in lowered:
        return Hostname(lowered)
    return service_hostname(lowered, namespace, domain)


def is_address(text: str) -> bool:
    """Whether the text is an IPv4 or IPv6 address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_wildcard(host: str) -> bool:
    """Whether the host stands for many: `*` or `*.example.com`."""
    return host.startswith("*")


def covers(pattern: str, host: str) -> bool:
    """Whether every name that `host` stands for is one that `pattern` stands for."""
    if pattern.startswith("*"):
        suffix = pattern[1:]
        return host.removeprefix("*").endswith(suffix) if suffix else True
    return pattern == host


def patterns_for(host: str) -> tuple[Hostname, ...]:
    """Every pattern that covers the host, most specific first: itself, `*.b.c`, `*.c`, `*`."""
    labels = host.removeprefix("*.").split(".")
    start = 0 if host.startswith("*.") else 1
    wildcards = [Hostname("*." + ".".join(labels[i:])) for i in range(start, len(labels))]
    own = [] if is_wildcard(host) else [Hostname(host)]
    return (*own, *wildcards, Hostname("*"))
