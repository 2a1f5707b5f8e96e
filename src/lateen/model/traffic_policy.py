"""DestinationRules: which of them govern a host for a client, their subsets, and the policy they amount to.

A lookup resolves to a `Rule`, the references of the objects that are merged, so that clients that find the same rules
share what is computed from them. Source of lookup order and layers: Istio, DestinationRule; `exportTo`.
"""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from lateen.common.hosts import Hostname, expand, is_wildcard, patterns_for
from lateen.common.labels import Selector
from lateen.config.kinds.destination_rule import (
    ConsistentHashLB,
    DestinationRule,
    PortTrafficPolicy,
    Subset,
    TrafficPolicy,
)
from lateen.config.objects import ObjectRef
from lateen.incremental.engine import query
from lateen.incremental.tables import Index
from lateen.model import mesh_config
from lateen.model.mesh import Diagnostic, Mesh
from lateen.model.visibility import EVERYONE, audiences, is_visible

Rule = tuple[ObjectRef, ...]
"""The DestinationRules in force for a host, oldest first; empty where there is none."""

NO_RULE: Rule = ()

_NO_POLICY = TrafficPolicy()


def _host(rule: DestinationRule) -> Hostname:
    return expand(rule.spec.host, rule.metadata.namespace)


def _clients(rule: DestinationRule) -> Iterable[str]:
    """The namespaces for which this rule may change what everybody else sees; empty export lists are in `""`."""
    own = rule.metadata.namespace
    if not rule.spec.export_to:
        return {own, ""}
    return {own, *audiences(rule.spec.export_to, own)} - {EVERYONE}


RULES_BY_HOST = Index(DestinationRule, lambda rule: [(rule.metadata.namespace, _host(rule))], "rules by host")
WILDCARD_RULES = Index(
    DestinationRule, lambda rule: [rule.metadata.namespace] if is_wildcard(_host(rule)) else [], "wildcard rules"
)
RULES_BY_CLIENT = Index(DestinationRule, _clients, "rules by client")


@query
def destination_rule(mesh: Mesh, host: Hostname, service_namespace: str, client_namespace: str | None) -> Rule:
    """The rules that govern a host for clients of a namespace; without a client, as most clients see it.

    Looked for in the client's namespace, then among the exported rules of the service's, then of the root namespace;
    in each the exact host first, then the longest wildcard. Rules with a workload selector do not take part.
    """
    root = mesh_config.root_namespace(mesh)
    if client_namespace is not None:
        wanted = _only(root) if client_namespace == root else _any
        own = _rules_in(mesh, host, client_namespace, wanted)
        if own:
            return own
    for namespace in dict.fromkeys((service_namespace, root)):
        exported = _rules_in(mesh, host, namespace, _exported_to(client_namespace))
        if exported:
            return exported
    return NO_RULE


_Wanted = Callable[[tuple[str, ...]], bool]
"""Whether a rule that is exported to these namespaces counts."""


def _any(_seen_by: tuple[str, ...]) -> bool:
    return True


def _only(namespace: str) -> _Wanted:
    return lambda seen_by: seen_by == (namespace,)


def _exported_to(client: str | None) -> _Wanted:
    return lambda seen_by: EVERYONE in seen_by or client in seen_by


def _rules_in(mesh: Mesh, host: Hostname, namespace: str, wanted: _Wanted) -> Rule:
    """The rules of one namespace that count, for the most specific pattern of the host that has any."""
    patterns = patterns_for(host) if mesh.find(WILDCARD_RULES, namespace) else (host,)
    for pattern in patterns:
        refs = mesh.find(RULES_BY_HOST, (namespace, pattern))
        found = _merged(mesh, refs, wanted) if refs else NO_RULE
        if found:
            return found
    return NO_RULE


def _merged(mesh: Mesh, refs: Iterable[ObjectRef], wanted: _Wanted) -> Rule:
    """The oldest rule that counts, and those that are exported just as it is."""
    rules = [rule for ref in refs if (rule := mesh.get(DestinationRule, ref)) and _takes_part(mesh, rule)]
    seen = [(rule, audiences(_export_to(mesh, rule), rule.metadata.namespace)) for rule in rules]
    counted = sorted(((r, by) for r, by in seen if wanted(by)), key=lambda pair: pair[0].metadata.age)
    return tuple(rule.ref for rule, seen_by in counted if seen_by == counted[0][1])


def _takes_part(mesh: Mesh, rule: DestinationRule) -> bool:
    if rule.spec.workload_selector is None:
        return True
    message = "rules for some workloads only have no effect yet; this one is not in force for anybody"
    mesh.report(Diagnostic(rule.ref, "spec.workloadSelector", message, "without-effect"))
    return False


def _export_to(mesh: Mesh, rule: DestinationRule) -> tuple[str, ...]:
    return rule.spec.export_to or mesh_config.default_destination_rule_export_to(mesh)


@query
def client_rule_hosts(mesh: Mesh, client_namespace: str) -> tuple[Hostname, ...]:
    """The hosts, wildcards too, for which these clients may find other rules than most clients do, sorted."""
    refs = set(mesh.find(RULES_BY_CLIENT, client_namespace))
    defaults = mesh_config.default_destination_rule_export_to(mesh)
    if EVERYONE not in defaults:
        refs |= {ref for ref in mesh.find(RULES_BY_CLIENT, "") if is_visible(defaults, ref.namespace, client_namespace)}
    return tuple(sorted({_host(rule) for ref in refs if (rule := mesh.get(DestinationRule, ref))}))


@query
def subsets(mesh: Mesh, rule: Rule) -> tuple[str, ...]:
    """The names of the rule's subsets, in the order written."""
    return tuple(dict.fromkeys(subset.name for subset in _subsets(mesh, rule)))


@query
def subset_selector(mesh: Mesh, rule: Rule, name: str) -> Selector | None:
    """Which endpoints are of a subset; None where the rule has none of that name."""
    found = _subset(mesh, rule, name)
    return Selector.of(found.labels) if found is not None else None


def _subset(mesh: Mesh, rule: Rule, name: str) -> Subset | None:
    """The first definition of a subset."""
    return next((subset for subset in _subsets(mesh, rule) if subset.name == name), None)


def _subsets(mesh: Mesh, rule: Rule) -> Iterable[Subset]:
    for ref in rule:
        found = mesh.get(DestinationRule, ref)
        if found is not None:
            yield from found.spec.subsets


def policy(mesh: Mesh, rule: Rule, port: int | None, subset_name: str) -> TrafficPolicy:
    """The policy in force for a port and subset; without a port, that of no port in particular.

    Blocks are replaced whole: rule, its port, subset (`""` is none), its port. Port settings drop what surrounds them,
    except that those of a subset keep proxy protocol and retry budget.
    """
    effective = _at_port(_rule_policy(mesh, rule), port)
    inner = _subset(mesh, rule, subset_name) if subset_name else None
    if inner is None or inner.traffic_policy is None:
        return effective
    return _subset_over(effective, inner.traffic_policy, port)


def consistent_hash(mesh: Mesh, rule: Rule, port: int | None, subset_name: str) -> ConsistentHashLB | None:
    """How the policy in force picks endpoints by a hash of the request; None where it does not."""
    if not rule or not _hashes_at_all(mesh, rule):
        return None
    balancer = policy(mesh, rule, port, subset_name).load_balancer
    return balancer.consistent_hash if balancer is not None else None


@query
def _hashes_at_all(mesh: Mesh, rule: Rule) -> bool:
    """Whether any policy of the rule does: routes depend on this, and on no other change of most rules."""
    policies = [_rule_policy(mesh, rule), *(subset.traffic_policy for subset in _subsets(mesh, rule))]
    balancers = [block.load_balancer for found in policies if found is not None for block in _blocks(found)]
    return any(balancer is not None and balancer.consistent_hash is not None for balancer in balancers)


def _blocks(policy: TrafficPolicy) -> Iterable[TrafficPolicy | PortTrafficPolicy]:
    yield policy
    yield from policy.port_level_settings


def _rule_policy(mesh: Mesh, rule: Rule) -> TrafficPolicy:
    for ref in rule:
        found = mesh.get(DestinationRule, ref)
        if found is not None and found.spec.traffic_policy is not None:
            return found.spec.traffic_policy
    return _NO_POLICY


def _port_settings(outer: TrafficPolicy, port: int | None) -> PortTrafficPolicy | None:
    if port is None:
        return None
    return next((s for s in outer.port_level_settings if s.port is not None and s.port.number == port), None)


def _at_port(outer: TrafficPolicy, port: int | None) -> TrafficPolicy:
    settings = _port_settings(outer, port)
    if settings is None:
        return msgspec.structs.replace(outer, port_level_settings=()) if outer.port_level_settings else outer
    return TrafficPolicy(
        load_balancer=settings.load_balancer,
        connection_pool=settings.connection_pool,
        outlier_detection=settings.outlier_detection,
        tls=settings.tls,
    )


def _subset_over(outer: TrafficPolicy, inner: TrafficPolicy, port: int | None) -> TrafficPolicy:
    blocks: TrafficPolicy | PortTrafficPolicy | None = _port_settings(inner, port)
    if blocks is None:
        blocks = TrafficPolicy(
            load_balancer=inner.load_balancer or outer.load_balancer,
            connection_pool=inner.connection_pool or outer.connection_pool,
            outlier_detection=inner.outlier_detection or outer.outlier_detection,
            tls=inner.tls or outer.tls,
        )
    return TrafficPolicy(
        load_balancer=blocks.load_balancer,
        connection_pool=blocks.connection_pool,
        outlier_detection=blocks.outlier_detection,
        tls=blocks.tls,
        tunnel=inner.tunnel,
        proxy_protocol=inner.proxy_protocol or outer.proxy_protocol,
        retry_budget=inner.retry_budget or outer.retry_budget,
    )


def written_policies(rule: DestinationRule) -> Iterator[tuple[str, TrafficPolicy | PortTrafficPolicy]]:
    """Every policy of a DestinationRule as it is written, for the host, its subsets and ports, with its path."""
    written = {
        f"spec.subsets[{index}].trafficPolicy": subset.traffic_policy for index, subset in enumerate(rule.spec.subsets)
    }
    for path, policy in {"spec.trafficPolicy": rule.spec.traffic_policy, **written}.items():
        if policy is not None:
            yield path, policy
            for index, at_port in enumerate(policy.port_level_settings):
                yield f"{path}.portLevelSettings[{index}]", at_port
