"""The names and addresses under which a service's virtual host answers. Source: Istio, sidecar virtual host domains."""

from lateen.model.services import Service


def own_domain(service: Service) -> str:
    """The name that no other virtual host may take."""
    return service.key.hostname


def other_domains(service: Service, *, local: bool) -> list[str]:
    """Every other domain, in order: absolute, short names, addresses, and hosts below a headless service.

    `local` is for clients of the service's own namespace, who may say just its name.
    """
    host, name, namespace = service.key.hostname, service.name, service.key.namespace
    names = [f"{host}."]
    if host.startswith(f"{name}.{namespace}.svc."):
        short = (name, f"{name}.{namespace}.svc", f"{name}.{namespace}")
        names += short if local else (f"{name}.{namespace}", f"{name}.{namespace}.svc")
    names += [in_brackets(address) for address in service.addresses]
    if service.headless:
        names += [f"*.{domain}" for domain in (host, *names)]
    return names


def in_brackets(host: str) -> str:
    """The host as it stands in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host
