"""The rules of a VirtualService -> Routes, in order, for one place where they serve.

One Route per rule and match. What is known beforehand (port, gateway, client) is decided here and is no condition of
the Route. A rule that cannot be translated is reported and left out. Source: Istio, VirtualService.
"""

from typing import Final

import msgspec
from envoy.config.route.v3.route_components_pb2 import Route

from lateen.common.hosts import Hostname, expand
from lateen.config.kinds.virtual_service import (
    Destination,
    HTTPMatchRequest,
    HTTPRoute,
    HTTPRouteDestination,
    VirtualService,
)
from lateen.config.objects import ObjectRef
from lateen.model import http_rules, mesh_config, traffic_policy
from lateen.model.audience import Audience
from lateen.model.mesh import Diagnostic, Mesh
from lateen.model.services import Service, service, service_key, unaliased
from lateen.translate import names
from lateen.translate.config_metadata import config_metadata
from lateen.translate.routes.action import Target, direct_response, forward, redirect
from lateen.translate.routes.hash_policy import hash_policy
from lateen.translate.routes.headers import apply_headers
from lateen.translate.routes.match import is_catch_all, path_pattern, route_match
from lateen.translate.routes.retries import retry_policy

_NOWHERE: Final = Destination()

_WITHOUT_EFFECT: Final = (
    ("delegate", "delegate"),
    ("fault", "fault"),
    ("mirror", "mirror"),
    ("mirrors", "mirrors"),
    ("cors_policy", "corsPolicy"),
)
"""Fields of a rule that are read and not translated."""


class Scope(msgspec.Struct, frozen=True):
    """Where routes serve: on sidecars (`("mesh",)`) or gateways, on a port, and for which clients.

    Without an audience they serve every client that no rule sets apart.
    """

    attachments: tuple[str, ...]
    port: int
    audience: Audience | None = None

    @property
    def client_namespace(self) -> str | None:
        return self.audience.namespace if self.audience is not None else None


def routes(mesh: Mesh, ref: ObjectRef, scope: Scope) -> list[Route]:
    """The Routes of a VirtualService up to and with its first catch-all; empty where nothing of it applies."""
    virtual_service = mesh.get(VirtualService, ref)
    if virtual_service is None:
        return []
    reading = _Reading(mesh, virtual_service, scope)
    found: list[Route] = []
    for index, rule in enumerate(virtual_service.spec.http):
        for route in reading.routes_of(index, rule):
            found.append(route)
            if is_catch_all(route.match):
                return found
        if not rule.match:
            return found
    return found


def applies(match: HTTPMatchRequest, namespace: str, scope: Scope) -> bool:
    """Whether the conditions hold that are none of Envoy's: port, gateway and, where no gateway is named, client."""
    if match.port and match.port != scope.port:
        return False
    if match.gateways:
        return any(name in scope.attachments for name in http_rules.attachments(match.gateways, namespace))
    return http_rules.admits(match, scope.audience)


class _Reading:
    """One VirtualService being read for one scope."""

    def __init__(self, mesh: Mesh, virtual_service: VirtualService, scope: Scope) -> None:
        self.mesh = mesh
        self.ref = virtual_service.ref
        self.namespace = virtual_service.metadata.namespace
        self.scope = scope
        self.metadata = config_metadata(virtual_service.ref)

    def routes_of(self, index: int, rule: HTTPRoute) -> list[Route]:
        """One Route per match that applies. All share one action, which is made once and copied."""
        matches: list[HTTPMatchRequest | None] = [m for m in rule.match if applies(m, self.namespace, self.scope)]
        if rule.match and not matches:
            return []
        path = f"spec.http[{index}]"
        for field, written in _WITHOUT_EFFECT:
            if getattr(rule, field):
                self._report(f"{path}.{written}", f"{written} has no effect yet", "without-effect")
        pattern = Route(metadata=self.metadata)
        apply_headers(pattern, rule.headers)
        operation = self._act(pattern, path, rule)
        if operation is None:
            return []
        *others, last = matches or [None]
        return [
            *(_copied(pattern, rule, match, operation) for match in others),
            _finish(pattern, rule, last, operation),
        ]

    def _act(self, out: Route, path: str, rule: HTTPRoute) -> str | None:
        """Write what the rule does; returns what it is called in traces, before the path. None if it does nothing."""
        if rule.redirect is not None:
            redirect(out, rule.redirect, self.scope.port)
        elif rule.direct_response is not None:
            direct_response(out, rule.direct_response)
        elif rule.route:
            targets = [self._target(f"{path}.route[{i}].destination", entry) for i, entry in enumerate(rule.route)]
            hashed = len(targets) == 1 and targets[0].hash_policy is not None
            retries = rule.retries if rule.retries is not None else mesh_config.default_http_retry_policy(self.mesh)
            forward(out, rule, targets, retry_policy(retries, hashed=hashed))
        else:
            return None
        only = rule.route[0].destination if len(rule.route) == 1 else None
        return f"{expand(only.host, self.namespace) if only is not None else self.ref.name}:{self.scope.port}"

    def _target(self, where: str, entry: HTTPRouteDestination) -> Target:
        """Where one entry sends requests. The cluster is named even if nobody offers it: Envoy then answers 503."""
        destination = entry.destination or _NOWHERE
        written = expand(destination.host, self.namespace)
        host = unaliased(self.mesh, written)
        client = self.scope.client_namespace
        key = service_key(self.mesh, host, client or self.namespace)
        found = service(self.mesh, key) if key is not None else None
        given = destination.port.number if destination.port is not None else 0
        port = given or _only_port(found) or self.scope.port
        subset = destination.subset or ""
        rule = traffic_policy.destination_rule(self.mesh, host, key.namespace if key else self.namespace, client)
        if found is None:
            self._report(f"{where}.host", _unknown_host(written, host), "unknown-host")
        elif found.port(port) is None:
            ports = ", ".join(str(p.number) for p in found.proxied_ports)
            self._report(f"{where}.port", f"{host} has no port {port}, only {ports}", "unknown-port")
        elif subset and subset not in (known := traffic_policy.subsets(self.mesh, rule)):
            self._report(f"{where}.subset", _unknown_subset(host, subset, known), "unknown-subset")
        hashed = traffic_policy.consistent_hash(self.mesh, rule, given or None, subset)
        cluster = names.outbound_cluster(port, subset, host)
        return Target(cluster, entry.weight, entry.headers, hash_policy(hashed))

    def _report(self, path: str, message: str, code: str) -> None:
        self.mesh.report(Diagnostic(self.ref, path, message, code))


def _copied(pattern: Route, rule: HTTPRoute, match: HTTPMatchRequest | None, operation: str) -> Route:
    out = Route()
    out.CopyFrom(pattern)
    return _finish(out, rule, match, operation)


def _finish(out: Route, rule: HTTPRoute, match: HTTPMatchRequest | None, operation: str) -> Route:
    """Write what differs from match to match into a Route that has the rest."""
    out.match.CopyFrom(route_match(match))
    out.name = f"{rule.name or ''}.{match.name}" if match is not None and match.name else rule.name or ""
    if match is not None and match.stat_prefix:
        out.stat_prefix = match.stat_prefix
    out.decorator.operation = operation + path_pattern(out.match)
    return out


def _only_port(found: Service | None) -> int | None:
    numbers = {port.number for port in found.proxied_ports} if found is not None else set()
    return numbers.pop() if len(numbers) == 1 else None


def _unknown_host(written: Hostname, host: Hostname) -> str:
    stands = f"; {written} is an ExternalName Service that stands for it" if written != host else ""
    return f"there is no service {host}{stands}; requests are answered 503"


def _unknown_subset(host: Hostname, subset: str, known: tuple[str, ...]) -> str:
    there = f"it has {', '.join(known)}" if known else "it has none"
    return f"no DestinationRule defines subset {subset} of {host} ({there}); requests are answered 503"
