"""Rules for what the pod sends: exceptions first, then what is captured."""

from collections.abc import Iterator

from lateen.iptables.name_service import name_service
from lateen.iptables.planner import INBOUND_PASSTHROUGH, LOOPBACK_OUT, TCP, Planner, family_of, to
from lateen.iptables.rules import (
    Address,
    Chain,
    Direction,
    Family,
    Interface,
    Jump,
    Mark,
    Match,
    Owner,
    OwnerKind,
    Rule,
    Side,
    Transport,
    Verdict,
)


def outbound(planner: Planner) -> Iterator[Rule]:
    """Everything behind the output hook, in the order in which it is asked."""
    yield planner.nat(Chain.OUTPUT, (), Jump(Chain.OUTBOUND), "What processes of this pod send is looked at here.")
    for port in planner.options.outbound_ports_exclude:
        for transport in Transport:
            yield planner.nat(
                Chain.OUTBOUND,
                (to(port, transport=transport),),
                Verdict.RETURN,
                f"Outbound port {port} is excluded from interception.",
            )
    for family in planner.families:
        yield planner.nat(
            Chain.OUTBOUND,
            (LOOPBACK_OUT, Address(Side.SOURCE, INBOUND_PASSTHROUGH[family])),
            Verdict.RETURN,
            "The proxy delivers inbound requests to the application from this address.",
            families=(family,),
        )
    for proxy in planner.proxies():
        yield from _proxy(planner, proxy)
    yield from _owner_groups(planner)
    if planner.dns:
        yield from name_service(planner)
    yield from _outbound_destinations(planner)


def _proxy(planner: Planner, proxy: Owner | Mark) -> Iterator[Rule]:
    who = f"{proxy.kind} {proxy.id}" if isinstance(proxy, Owner) else f"mark {proxy.value}"
    others = proxy.replaced(negated=True)
    group = isinstance(proxy, Owner) and proxy.kind is OwnerKind.GROUP
    skipped = ("53", planner.options.inbound_tunnel_port) if planner.dns and not group else ()
    for family in planner.families:
        yield planner.nat(
            Chain.OUTBOUND,
            (
                LOOPBACK_OUT,
                Address(Side.DESTINATION, planner.loopback(family), negated=True),
                TCP,
                to(*(skipped or (planner.options.inbound_tunnel_port,)), negated=True),
                proxy,
            ),
            Jump(Chain.IN_REDIRECT),
            f"When the proxy ({who}) calls its own pod by the pod's address, the call passes the inbound side too.",
            families=(family,),
        )
    if not _captures_loopback(planner):
        not_dns: tuple[Match, ...] = (TCP, to("53", negated=True)) if planner.dns else ()
        yield planner.nat(
            Chain.OUTBOUND,
            (LOOPBACK_OUT, *not_dns, others),
            Verdict.RETURN,
            "When the application calls its own pod, the call stays inside it.",
        )
    yield planner.nat(
        Chain.OUTBOUND, (proxy,), Verdict.RETURN, f"What the proxy ({who}) sends is never captured again."
    )


def _captures_loopback(planner: Planner) -> bool:
    """Whether a range to capture is a loopback one; then calls to the pod itself are captured too."""
    return any(cidr == "::1" or cidr.startswith(("127.", "::1/")) for cidr in planner.options.outbound_cidrs)


def _owner_groups(planner: Planner) -> Iterator[Rule]:
    if planner.options.proxy_mark:
        return  # there is one user, and groups tell nothing apart
    if planner.options.owner_groups == ("*",):
        for group in planner.options.owner_groups_exclude:
            yield planner.nat(
                Chain.OUTBOUND,
                (Owner(OwnerKind.GROUP, group),),
                Verdict.RETURN,
                f"Group {group} is excluded from outbound interception.",
            )
        return
    yield planner.nat(
        Chain.OUTBOUND,
        tuple(Owner(OwnerKind.GROUP, group, negated=True) for group in planner.options.owner_groups if group),
        Verdict.RETURN,
        "Only traffic of the listed groups is captured.",
    )


def _outbound_destinations(planner: Planner) -> Iterator[Rule]:
    for family in planner.families:
        yield planner.nat(
            Chain.OUTBOUND,
            (Address(Side.DESTINATION, planner.loopback(family)),),
            Verdict.RETURN,
            "Calls to localhost stay with the application.",
            families=(family,),
        )
    for cidr in planner.options.outbound_cidrs_exclude:
        yield planner.nat(
            Chain.OUTBOUND,
            (Address(Side.DESTINATION, cidr),),
            Verdict.RETURN,
            f"Destination {cidr} is excluded from interception.",
            families=(family_of(cidr),),
        )
    for port in planner.options.outbound_ports:
        yield planner.nat(
            Chain.OUTBOUND,
            (to(port),),
            Jump(Chain.REDIRECT),
            f"Outbound port {port} is captured whatever the address.",
        )
    if planner.options.outbound_cidrs == ("*",):
        yield from _outbound_capture(planner, (), "Everything else that is sent by TCP is captured.", planner.families)
        return
    for family in planner.families:
        for cidr in (cidr for cidr in planner.options.outbound_cidrs if family_of(cidr) is family):
            destination = (Address(Side.DESTINATION, cidr),)
            yield from _outbound_capture(planner, destination, f"Destination {cidr} is captured.", (family,))


def _outbound_capture(
    planner: Planner, destination: tuple[Address, ...], why: str, families: tuple[Family, ...]
) -> Iterator[Rule]:
    capture = planner.nat(Chain.OUTBOUND, destination, Jump(Chain.REDIRECT), why, families)
    virtual = [
        planner.nat(
            Chain.PREROUTING,
            (Interface(Direction.IN, name), *destination),
            Jump(Chain.REDIRECT),
            f"What the virtual machine behind {name} sends is captured as outbound traffic.",
            families,
            position=1,
        )
        for name in planner.options.virtual_interfaces
    ]
    yield from (*virtual, capture) if destination else (capture, *virtual)
