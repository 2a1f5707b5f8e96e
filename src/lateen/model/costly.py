"""What users wrote that is in force, and costs every proxy more than they may expect."""

from typing import Final

from lateen.config.kinds.destination_rule import ConsistentHashLB, DestinationRule
from lateen.config.objects import ObjectRef
from lateen.model.mesh import Diagnostic, Mesh
from lateen.model.traffic_policy import written_policies

CODE = "costly"
_LARGE_RING: Final = 1_000_000


def report_rule(mesh: Mesh, rule: tuple[ObjectRef, ...]) -> None:
    """Large rings of DestinationRules; called by the query that uses them."""
    for ref in rule:
        found = mesh.get(DestinationRule, ref)
        for path, policy in written_policies(found) if found is not None else ():
            hashed = policy.load_balancer.consistent_hash if policy.load_balancer is not None else None
            if hashed is not None:
                _report_ring(mesh, ref, f"{path}.loadBalancer.consistentHash", hashed)


def _report_ring(mesh: Mesh, ref: ObjectRef, path: str, hashed: ConsistentHashLB) -> None:
    sizes = {"minimumRingSize": hashed.minimum_ring_size}
    if hashed.ring_hash is not None:
        sizes = {"ringHash.minimumRingSize": hashed.ring_hash.minimum_ring_size}
    for field, size in sizes.items():
        if size is not None and size > _LARGE_RING:
            message = (
                f"{size} entries cost memory in every proxy, and time whenever an endpoint changes, since each Envoy "
                "then builds the ring of the cluster anew; write fewer unless there are thousands of endpoints"
            )
            mesh.report(Diagnostic(ref, f"{path}.{field}", message, CODE))
