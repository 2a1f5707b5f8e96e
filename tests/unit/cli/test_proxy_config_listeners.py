"""Listeners as rows."""

from lateen.cli.proxy_config.listeners import ListenerFilter, brief_rows, rows


def test_a_listener_of_dns_queries_says_what_it_knows() -> None:
    domains = [{"name": "a.default.svc.cluster.local"}, {"name": "b.default.svc.cluster.local"}]
    config = {"server_config": {"inline_dns_table": {"virtual_domains": domains}}}
    listener = {
        "address": {"socket_address": {"protocol": "UDP", "address": "127.0.0.1", "port_value": 15053}},
        "listener_filters": [{"name": "envoy.filters.udp.dns_filter", "typed_config": config}],
    }
    assert rows([listener]) == [("127.0.0.1", "15053", "Trans: udp", "DNS of 2 hosts, others: name servers")]
    assert brief_rows([listener]) == [("127.0.0.1", "15053", "DNS")]
    assert ListenerFilter(type="dns").admits(listener)
