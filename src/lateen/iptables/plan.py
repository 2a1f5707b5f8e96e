"""The whole interception plan as a pure function: options and what the host told us in, rules in order out.

The order is the contract's and matters twice: inside each chain for what happens to a packet, and across chains for the
text that users compare. The two tools differ in few places, which are said where they arise.
"""

from collections.abc import Iterator

from lateen.iptables.inbound import inbound, interfaces, invalid_packets, transparent_marks
from lateen.iptables.options import Options
from lateen.iptables.outbound import outbound
from lateen.iptables.planner import TCP, Host, Planner, to
from lateen.iptables.rules import (
    Chain,
    Redirect,
    Rule,
    Verdict,
)


def plan(options: Options, host: Host) -> tuple[Rule, ...]:
    """Every rule of the run, in the order in which it is written."""
    return tuple(rule for rule in _rules(Planner(options, host)) if rule.families)


def _rules(planner: Planner) -> Iterator[Rule]:
    yield from interfaces(planner)
    yield from invalid_packets(planner)
    yield planner.nat(
        Chain.INBOUND,
        (TCP, to(planner.options.inbound_tunnel_port)),
        Verdict.RETURN,
        "Tunnelled traffic has its own port on the proxy and is never redirected.",
    )
    yield planner.nat(
        Chain.REDIRECT, (TCP,), Redirect(planner.options.proxy_port), "Captured outbound connections go to the proxy."
    )
    yield planner.nat(
        Chain.IN_REDIRECT,
        (TCP,),
        Redirect(planner.options.inbound_capture_port),
        "Captured inbound connections go to the proxy's inbound port.",
    )
    if planner.options.inbound_ports:
        yield from inbound(planner)
    yield from outbound(planner)
    if planner.options.transparent:
        yield from transparent_marks(planner)
