"""MeshConfig: the rules its types cannot say."""

from collections.abc import Iterator

from lateen.config.kinds.mesh_config import MeshConfigSpec
from lateen.config.problems import Problem
from lateen.config.validation import names
from lateen.config.validation.http_route import at_least_a_millisecond


def mesh_config(spec: MeshConfigSpec) -> Iterator[Problem]:
    yield from at_least_a_millisecond(("connectTimeout",), spec.connect_timeout)
    for field, port in (
        ("proxyListenPort", spec.proxy_listen_port),
        ("proxyInboundListenPort", spec.proxy_inbound_listen_port),
    ):
        yield from names.check((field,), names.not_a_port(port))
    yield from names.check(("trustDomain",), names.not_a_host(spec.trust_domain, wildcard=False))
    yield from names.check(("rootNamespace",), names.not_a_label(spec.root_namespace))
    for field, values in (
        ("defaultServiceExportTo", spec.default_service_export_to),
        ("defaultVirtualServiceExportTo", spec.default_virtual_service_export_to),
        ("defaultDestinationRuleExportTo", spec.default_destination_rule_export_to),
    ):
        yield from names.export_to((field,), values)
    proxy = spec.default_config
    for field, port in (("proxyAdminPort", proxy.proxy_admin_port), ("statusPort", proxy.status_port)):
        yield from names.check(("defaultConfig", field), names.not_a_port(port))
