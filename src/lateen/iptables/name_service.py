"""Rules that bring DNS to the agent, and keep both halves of each query apart in connection tracking."""

from collections.abc import Iterator

from lateen.iptables.planner import DNS_AGENT_PORT, Planner, to
from lateen.iptables.rules import (
    Address,
    Chain,
    Family,
    Jump,
    Match,
    Port,
    Redirect,
    Rule,
    Side,
    Table,
    Transport,
    Zone,
)


def name_service(planner: Planner) -> Iterator[Rule]:
    """Capture of DNS, for the servers found or for all."""
    everything = planner.options.capture_all_dns
    servers = {Family.IPV4: planner.host.dns_v4, Family.IPV6: planner.host.dns_v6}
    served = tuple(family for family in planner.families if everything or servers[family])
    yield planner.rule(
        Table.RAW, Chain.OUTPUT, (), Jump(Chain.DNS), "DNS is tracked in zones of its own before tracking starts."
    )
    yield planner.nat(Chain.OUTBOUND, (), Jump(Chain.DNS), "DNS queries are looked at for capture.", families=served)
    for transport in (Transport.TCP, Transport.UDP):
        for family, to_server in _name_servers(planner, Side.DESTINATION):
            yield planner.nat(
                Chain.DNS,
                (to("53", transport=transport), *to_server),
                Redirect(DNS_AGENT_PORT),
                "The agent answers DNS queries.",
                families=family,
            )
    for proxy in planner.proxies():
        asks = to("53", transport=Transport.UDP)
        answers = Port(Transport.UDP, Side.SOURCE, (DNS_AGENT_PORT,))
        yield planner.rule(
            Table.RAW,
            Chain.DNS,
            (asks, proxy),
            Zone(1),
            "The agent's own queries are tracked apart from the pod's.",
        )
        yield planner.rule(
            Table.RAW, Chain.DNS, (answers, proxy), Zone(2), "The agent's answers belong to the pod's queries."
        )
    yield planner.rule(
        Table.RAW, Chain.PREROUTING, (), Jump(Chain.INBOUND), "Answers of name servers are tracked here.", served
    )
    from_server = list(_name_servers(planner, Side.SOURCE))
    for (family, to_server), (_, by_server) in zip(_name_servers(planner, Side.DESTINATION), from_server, strict=True):
        asked: tuple[Match, ...] = (to("53", transport=Transport.UDP), *to_server)
        yield planner.rule(
            Table.RAW, Chain.DNS, asked, Zone(2), "The pod's queries are tracked with the agent's answers.", family
        )
        answered: tuple[Match, ...] = (Port(Transport.UDP, Side.SOURCE, ("53",)), *by_server)
        yield planner.rule(
            Table.RAW, Chain.INBOUND, answered, Zone(1), "A server's answers belong to the agent's queries.", family
        )


def _name_servers(planner: Planner, side: Side) -> Iterator[tuple[tuple[Family, ...], tuple[Address, ...]]]:
    """Whose DNS is captured: one unrestricted entry when all is, else one per server, IPv4 first."""
    if planner.options.capture_all_dns:
        yield planner.families, ()
        return
    for server in planner.host.dns_v4:
        yield (Family.IPV4,), (Address(side, f"{server}/32"),)
    for server in planner.host.dns_v6 if planner.host.ipv6 else ():
        yield (Family.IPV6,), (Address(side, f"{server}/128"),)
