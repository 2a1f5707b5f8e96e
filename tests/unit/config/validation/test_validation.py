"""What the types cannot say, kind by kind: each wrong object, and the path of its problem."""

import re
from typing import Any

import pytest
import yaml

from lateen.config.decode import Invalid, decode
from lateen.config.objects import ConfigObject
from lateen.config.problems import render

ABBREVIATIONS = {
    "ROUTE": "route: [{destination: {host: reviews}}]",
    "PORT": "port: {number: 80, name: http, protocol: HTTP}",
    "TLS_PORT": "port: {number: 443, name: https, protocol: HTTPS}",
}
TWO = r"{destination: {host: a}, weight: \1}, {destination: {host: b}, weight: \2}"


def istio(kind: str, spec: str) -> dict[str, Any]:
    """An object of Istio's with the spec of a text. `TWO x y` in it stands for two destinations of these weights."""
    spec = re.sub(r"TWO (\S+) (\w+)", TWO, spec)
    spec = re.sub(r"\b(ROUTE|PORT|TLS_PORT)\b", lambda found: ABBREVIATIONS[found[0]], spec)
    metadata = {"name": "reviews", "namespace": "shop"}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": yaml.safe_load(spec)}


def wrong_paths(raw: dict[str, Any]) -> list[str]:
    """The paths of all problems; none for a valid object."""
    match decode(raw):
        case Invalid(_, problems):
            assert all(problem.message for problem in problems)
            return [render(problem.path) for problem in problems]
        case ConfigObject():
            return []
    raise AssertionError("an unknown kind")


@pytest.mark.parametrize(
    "rule",
    [
        "{ROUTE}",
        "{route: [TWO 80 20]}",
        "{route: [TWO 100 0]}",
        "{route: [{destination: {host: 10.0.0.1, port: {number: 80}}, weight: 0}]}",
        "{redirect: {uri: /new, redirectCode: 302}}",
        "{directResponse: {status: 503, body: {string: sorry}}}",
        "{delegate: {name: other, namespace: shop}, match: [{uri: {prefix: /other}}]}",
        "{match: [{uri: {regex: '/v[0-9]+/(?:a|b)'}, headers: {end-user: {}, ':path': {exact: /}}}], ROUTE}",
        "{match: [{queryParams: {debug: {regex: '*'}}, withoutHeaders: {x: {prefix: a}}, port: 80}], ROUTE}",
        "{timeout: 0s, retries: {attempts: 3, perTryTimeout: 2s, retryOn: '5xx,503, connect-failure'}, ROUTE}",
        "{retries: {attempts: 0}, ROUTE}",
        "{fault: {delay: {fixedDelay: 7s, percentage: {value: 100}}, abort: {httpStatus: 500}}, ROUTE}",
        "{match: [{headers: {a: {exact: ''}}, queryParams: {b: {}}}], ROUTE}",
        "{headers: {request: {set: {host: 100%, x: '100%% of %PROTOCOL%, %REQ(:path?x-y):9%'}}}, ROUTE}",
        "{mirror: {host: b}, mirrorPercentage: {value: 0.1}, rewrite: {uri: /}, ROUTE}",
    ],
)
def test_a_good_http_rule(rule: str) -> None:
    assert wrong_paths(istio("VirtualService", f"{{hosts: [reviews], http: [{rule}]}}")) == []


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("{}", ""),
        ("{match: [{uri: {prefix: /}}]}", ""),
        ("{redirect: {uri: /}, ROUTE}", "redirect"),
        ("{redirect: {}}", "redirect"),
        ("{redirect: {uri: /, redirectCode: 200}}", "redirect.redirectCode"),
        ("{redirect: {port: 70000}}", "redirect.port"),
        ("{redirect: {scheme: ftp}}", "redirect.scheme"),
        ("{redirect: {uri: /}, rewrite: {uri: /}}", "rewrite"),
        ("{directResponse: {status: 99}}", "directResponse.status"),
        ("{delegate: {namespace: shop}}", "delegate.name"),
        ("{route: [{weight: 1}]}", "route[0].destination"),
        ("{route: [{destination: {subset: v1}}]}", "route[0].destination.host"),
        ("{route: [{destination: {host: 'a b'}}]}", "route[0].destination.host"),
        ("{route: [{destination: {host: '*.x'}}]}", "route[0].destination.host"),
        ("{route: [{destination: {host: a, subset: 'v|1'}}]}", "route[0].destination.subset"),
        ("{route: [{destination: {host: a, port: {number: 0}}}]}", "route[0].destination.port.number"),
        ("{route: [TWO 0 0]}", "route"),
        ("{route: [TWO -1 5]}", "route[0].weight"),
        ("{match: [{uri: {exact: /a, prefix: /b}}], ROUTE}", "match[0].uri"),
        ("{match: [{uri: {}}], ROUTE}", "match[0].uri"),
        ("{match: [{uri: {regex: '(a'}}], ROUTE}", "match[0].uri.regex"),
        ("{match: [{headers: {'a b': {exact: x}}}], ROUTE}", 'match[0].headers["a b"]'),
        ("{match: [{headers: {a: {regex: '(?!x)'}}}], ROUTE}", "match[0].headers.a.regex"),
        ("{match: [{port: 0}], ROUTE}", "match[0].port"),
        ("{match: [{gateways: ['A/b']}], ROUTE}", "match[0].gateways[0]"),
        ("{timeout: 1us, ROUTE}", "timeout"),
        ("{timeout: -1s, ROUTE}", "timeout"),
        ("{retries: {attempts: -1}, ROUTE}", "retries.attempts"),
        ("{retries: {attempts: 0, retryOn: 5xx}, ROUTE}", "retries.attempts"),
        ("{retries: {attempts: 1, retryOn: 'sometimes'}, ROUTE}", "retries.retryOn"),
        ("{headers: {request: {set: {'a:b c': x}}}, ROUTE}", 'headers.request.set["a:b c"]'),
        ("{headers: {response: {remove: ['']}}, ROUTE}", "headers.response.remove[0]"),
        ("{rewrite: {}, ROUTE}", "rewrite"),
        ("{rewrite: {uriRegexRewrite: {match: '[', rewrite: x}}, ROUTE}", "rewrite.uriRegexRewrite.match"),
        ("{fault: {}, ROUTE}", "fault"),
        ("{fault: {abort: {percentage: {value: 5}}}, ROUTE}", "fault.abort"),
        ("{fault: {delay: {fixedDelay: 1s, percentage: {value: 101}}}, ROUTE}", "fault.delay.percentage.value"),
        ("{mirror: {host: b}, mirrors: [{destination: {host: c}}], ROUTE}", "mirrors"),
        ("{mirrorPercent: 101, mirror: {host: b}, ROUTE}", "mirrorPercent"),
        ("{corsPolicy: {allowOrigins: [{}]}, ROUTE}", "corsPolicy.allowOrigins[0]"),
        ("{route: [TWO 2147483647 2147483647, {destination: {host: c}, weight: 2}]}", "route"),
        ("{match: [{uri: {regex: ''}}], ROUTE}", "match[0].uri.regex"),
        ("{match: [{uri: {regex: '*'}}], ROUTE}", "match[0].uri.regex"),
        ("{match: [{method: {prefix: ''}}], ROUTE}", "match[0].method.prefix"),
        ("{match: [{headers: {a: {prefix: ''}}}], ROUTE}", "match[0].headers.a.prefix"),
        ("{match: [{withoutHeaders: {a: {regex: ''}}}], ROUTE}", "match[0].withoutHeaders.a.regex"),
        ("{match: [{queryParams: {a: {regex: ''}}}], ROUTE}", "match[0].queryParams.a.regex"),
        ("{match: [{queryParams: {'': {exact: a}}}], ROUTE}", 'match[0].queryParams[""]'),
        ("{headers: {request: {set: {a: 100%}}}, ROUTE}", "headers.request.set.a"),
        ("{headers: {response: {add: {a: '%FOO%'}}}, ROUTE}", "headers.response.add.a"),
        ('{headers: {request: {add: {a: "b\\nc"}}}, ROUTE}', "headers.request.add.a"),
        ('{headers: {request: {set: {host: "b\\nc"}}}, ROUTE}', "headers.request.set.host"),
        ('{rewrite: {authority: "a\\nb"}, ROUTE}', "rewrite.authority"),
        ('{rewrite: {uri: "/a\\0"}, ROUTE}', "rewrite.uri"),
        ('{rewrite: {uriRegexRewrite: {match: a, rewrite: "\\r"}}, ROUTE}', "rewrite.uriRegexRewrite.rewrite"),
        ('{redirect: {authority: "a\\nb"}}', "redirect.authority"),
        ("{timeout: 9999999999999h, ROUTE}", "timeout"),
        ("{retries: {attempts: 1, perTryTimeout: -1s}, ROUTE}", "retries.perTryTimeout"),
    ],
)
def test_a_wrong_http_rule_is_named_by_its_path(rule: str, path: str) -> None:
    found = wrong_paths(istio("VirtualService", f"{{hosts: [reviews], http: [{rule}]}}"))
    assert found == ["spec.http[0]" + (f".{path}" if path else "")]


def test_an_answer_of_the_proxy_itself_is_short() -> None:
    spec = f"{{hosts: [a], http: [{{directResponse: {{status: 200, body: {{string: {'x' * (1 << 20)}}}}}}}]}}"
    assert wrong_paths(istio("VirtualService", spec)) == []
    spec = spec.replace("xx", "xxx", 1)
    assert wrong_paths(istio("VirtualService", spec)) == ["spec.http[0].directResponse.body"]


@pytest.mark.parametrize(
    ("spec", "paths"),
    [
        ("{hosts: [a, '*.example.com', 10.1.2.3], gateways: [mesh, shop/gw], http: [{ROUTE}], exportTo: ['.']}", []),
        ("{http: [{ROUTE}]}", []),
        ("{hosts: ['*'], gateways: [gw], http: [{ROUTE}]}", []),
        ("{hosts: ['*'], http: [{ROUTE}]}", ["spec.hosts[0]"]),
        ("{hosts: [a, A], http: [{ROUTE}]}", ["spec.hosts[1]"]),
        ("{hosts: ['a*'], http: [{ROUTE}]}", ["spec.hosts[0]"]),
        ("{hosts: ['*a.com'], http: [{ROUTE}]}", ["spec.hosts[0]"]),
        ("{hosts: [a]}", ["spec"]),
        ("{hosts: [a], exportTo: [No_Namespace], http: [{ROUTE}]}", ["spec.exportTo[0]"]),
        ("{gateways: [gw], http: [{ROUTE}]}", ["spec.hosts"]),
        ("{http: [{delegate: {name: x}}]}", ["spec.http[0].delegate"]),
        ("{hosts: [a.b], tls: [{match: [{sniHosts: [a.b], port: 443}], ROUTE}]}", []),
        ("{hosts: [a.b], tls: [{match: [{sniHosts: [c.d]}], ROUTE}]}", ["spec.tls[0].match[0].sniHosts[0]"]),
        ("{hosts: [a.b], tls: [{match: [{port: 443}], ROUTE}]}", ["spec.tls[0].match[0].sniHosts"]),
        ("{hosts: [a.b], tls: [{ROUTE}]}", ["spec.tls[0].match"]),
        ("{hosts: [a], tcp: [{match: [{destinationSubnets: [10.0.0.0/8]}], ROUTE}]}", []),
        ("{hosts: [a], tcp: [{match: [{destinationSubnets: [10/8]}]}]}",
         ["spec.tcp[0].match[0].destinationSubnets[0]", "spec.tcp[0].route"]),
    ],
)  # fmt: skip
def test_a_virtual_service(spec: str, paths: list[str]) -> None:
    assert wrong_paths(istio("VirtualService", spec)) == paths


@pytest.mark.parametrize(
    ("spec", "paths"),
    [
        ("{host: reviews, subsets: [{name: v1, labels: {version: v1}}, {name: v2}]}", []),
        ("{host: '*.local', trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}", []),
        ("{}", ["spec.host"]),
        ("{host: a, subsets: [{name: v1}, {name: v1}]}", ["spec.subsets[1].name"]),
        ("{host: a, subsets: [{labels: {version: v1}}]}", ["spec.subsets[0].name"]),
        ("{host: a, trafficPolicy: {}}", ["spec.trafficPolicy"]),
        ("{host: a, trafficPolicy: {loadBalancer: {simple: RANDOM, consistentHash: {useSourceIp: true}}}}",
         ["spec.trafficPolicy.loadBalancer.consistentHash"]),
        ("{host: a, trafficPolicy: {loadBalancer: {consistentHash: {}}}}",
         ["spec.trafficPolicy.loadBalancer.consistentHash"]),
        ("{host: a, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: x, to: {y: 50}}]}}}}",
         ["spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to"]),
        ("{host: a, trafficPolicy: {connectionPool: {}}}", ["spec.trafficPolicy.connectionPool"]),
        ("{host: a, trafficPolicy: {connectionPool: {tcp: {maxConnections: -1, connectTimeout: 0s}}}}",
         ["spec.trafficPolicy.connectionPool.tcp.maxConnections",
          "spec.trafficPolicy.connectionPool.tcp.connectTimeout"]),
        ("{host: a, trafficPolicy: {outlierDetection: {maxEjectionPercent: 101}}}",
         ["spec.trafficPolicy.outlierDetection.maxEjectionPercent"]),
        ("{host: a, trafficPolicy: {tls: {mode: MUTUAL}}}",
         ["spec.trafficPolicy.tls.clientCertificate", "spec.trafficPolicy.tls.privateKey"]),
        ("{host: a, trafficPolicy: {tls: {mode: ISTIO_MUTUAL, privateKey: /k}}}",
         ["spec.trafficPolicy.tls.privateKey"]),
        ("{host: a, trafficPolicy: {portLevelSettings: [{tls: {mode: DISABLE}}]}}",
         ["spec.trafficPolicy.portLevelSettings[0].port"]),
        ("{host: a, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 65537}}}}}",
         []),
        ("{host: a, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 100}}}}}",
         ["spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize"]),
        ("{host: a, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, "
         "maglev: {tableSize: 5000077}}}}}",
         ["spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize"]),
        ("{host: a, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, "
         "ringHash: {minimumRingSize: 8388608}}}}}", []),
        ("{host: a, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, "
         "ringHash: {minimumRingSize: 8388609}}}}}",
         ["spec.trafficPolicy.loadBalancer.consistentHash.ringHash.minimumRingSize"]),
        ("{host: a, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, minimumRingSize: 8388609}}}}",
         ["spec.trafficPolicy.loadBalancer.consistentHash.minimumRingSize"]),
        ("{host: a, trafficPolicy: {loadBalancer: {consistentHash: {httpQueryParameterName: ''}}}}",
         ["spec.trafficPolicy.loadBalancer.consistentHash.httpQueryParameterName"]),
        ("{host: a, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: a, attributes: [{}]}}}}}",
         ["spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.attributes[0].name"]),
        ("{host: a, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: a, attributes: "
         "[{name: x, value: " + "x" * 16385 + "}]}}}}}",
         ["spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.attributes[0].value"]),
        ("{host: a, trafficPolicy: {loadBalancer: {warmup: {duration: 1s, aggression: 0}}}}",
         ["spec.trafficPolicy.loadBalancer.warmup.aggression"]),
        ("{host: a, trafficPolicy: {connectionPool: {tcp: {tcpKeepalive: {time: 1ms, interval: 10h, probes: 128}}}}}",
         [f"spec.trafficPolicy.connectionPool.tcp.tcpKeepalive.{field}" for field in ("time", "interval", "probes")]),
        ("{host: a, trafficPolicy: {connectionPool: {http: {idleTimeout: -1s, http2KeepAlive: {interval: 1us}}}}}",
         ["spec.trafficPolicy.connectionPool.http.idleTimeout",
          "spec.trafficPolicy.connectionPool.http.http2KeepAlive.interval"]),
        ("{host: a, trafficPolicy: {tunnel: {protocol: GET, targetHost: b, targetPort: 80}}}",
         ["spec.trafficPolicy.tunnel.protocol"]),
    ],
)  # fmt: skip
def test_a_destination_rule(spec: str, paths: list[str]) -> None:
    assert wrong_paths(istio("DestinationRule", spec)) == paths


@pytest.mark.parametrize(
    ("servers", "paths"),
    [
        ("[{PORT, hosts: ['*', ./a.b, shop/*.b]}]", []),
        ("[{PORT, hosts: ['*'], tls: {httpsRedirect: true}}]", []),
        ("[{TLS_PORT, hosts: ['*'], tls: {mode: SIMPLE, credentialName: cert}}]", []),
        ("[]", [""]),
        ("[{hosts: ['*']}]", ["[0].port"]),
        ("[{PORT}]", ["[0].hosts"]),
        ("[{port: {number: 0}, hosts: ['*']}]", ["[0].port.number", "[0].port.name", "[0].port.protocol"]),
        ("[{port: {number: 80, name: x, protocol: HTPP}, hosts: ['*']}]", ["[0].port.protocol"]),
        ("[{PORT, hosts: ['A_/b']}]", ["[0].hosts[0]"]),
        ("[{PORT, hosts: ['*']}, {PORT, hosts: ['*']}]", ["[1].port"]),
        ("[{PORT, hosts: ['*'], bind: 127.0.0.1}, {TLS_PORT, hosts: ['*'], bind: '::', tls: {}}]", []),
        ("[{PORT, hosts: ['*'], bind: nowhere}]", ["[0].bind"]),
        ("[{PORT, hosts: ['*'], bind: 'fe80::1%eth0'}]", ["[0].bind"]),
        ("[{PORT, hosts: ['*'], bind: 'unix:///run/x'}]", ["[0].bind"]),
        ("[{PORT, hosts: ['*'], tls: {mode: SIMPLE, credentialName: c}}]", ["[0].tls"]),
        ("[{TLS_PORT, hosts: ['*']}]", ["[0].tls"]),
        ("[{TLS_PORT, hosts: ['*'], tls: {mode: SIMPLE}}]", ["[0].tls.serverCertificate", "[0].tls.privateKey"]),
        ("[{TLS_PORT, hosts: ['*'], tls: {mode: ISTIO_MUTUAL, credentialName: c}}]", ["[0].tls.credentialName"]),
    ],
)
def test_a_gateway(servers: str, paths: list[str]) -> None:
    expected = [f"spec.servers{path}" for path in paths]
    assert wrong_paths(istio("Gateway", f"{{selector: {{istio: ingressgateway}}, servers: {servers}}}")) == expected


def kubernetes(kind: str, namespace: str, name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, **more}


@pytest.mark.parametrize(
    ("spec", "paths"),
    [
        ({"ports": [{"port": 80}]}, []),
        ({"ports": [{"port": 80, "name": "http"}, {"port": 81, "name": "tcp"}]}, []),
        ({"ports": [{"port": 80, "name": "http"}, {"port": 81}]}, ["spec.ports[1].name"]),
        ({"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "a"}]}, ["spec.ports[1].name"]),
        ({"ports": [{"port": 0, "targetPort": 70000}]}, ["spec.ports[0].port", "spec.ports[0].targetPort"]),
        ({"type": "ExternalName"}, ["spec.externalName"]),
        ({"clusterIP": "None", "clusterIPs": ["None"], "ports": [{"port": 80}]}, []),
        ({"clusterIP": "x", "clusterIPs": ["y"], "ports": [{"port": 80}]}, ["spec.clusterIP", "spec.clusterIPs[0]"]),
    ],
)
def test_a_kubernetes_service(spec: dict[str, Any], paths: list[str]) -> None:
    assert wrong_paths(kubernetes("Service", "shop", "reviews", spec=spec)) == paths


@pytest.mark.parametrize(
    ("piece", "paths"),
    [
        ({"endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 80}, {}]}, []),
        ({"addressType": "FQDN", "endpoints": [{"addresses": ["a.example.com"]}]}, []),
        ({"endpoints": [{"addresses": ["10.0.0.1"]}, {"addresses": []}]}, ["endpoints[1].addresses"]),
        ({"endpoints": [{"addresses": ["a.example.com"]}]}, ["endpoints[0].addresses[0]"]),
        (
            {"addressType": "FQDN", "endpoints": [{}], "ports": [{"port": 0}]},
            ["endpoints[0].addresses", "ports[0].port"],
        ),
    ],
)
def test_an_endpoint_slice(piece: dict[str, Any], paths: list[str]) -> None:
    raw = {**kubernetes("EndpointSlice", "shop", "reviews", **piece), "apiVersion": "discovery.k8s.io/v1"}
    assert wrong_paths(raw) == paths


def test_endpoints() -> None:
    subsets = [{"addresses": [{"ip": "10.0.0.1"}, {"ip": "x"}], "ports": [{"port": 80}, {"port": 0}]}]
    assert wrong_paths(kubernetes("Endpoints", "shop", "reviews", subsets=subsets)) == [
        "subsets[0].addresses[1].ip",
        "subsets[0].ports[1].port",
    ]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("accessLogFormat: '%START_TIME(%s.%3f)% %RESP(X):5% 100%%'", None),
        ("accessLogFormat: '%START_TIM%'", "accessLogFormat"),
        ("accessLogFormat: 'half of 100%'", "accessLogFormat"),
        ('accessLogEncoding: JSON\naccessLogFormat: \'{"a": {"b": ["%PROTOCOL%", 1, null]}}\'', None),
        ("accessLogEncoding: JSON\naccessLogFormat: '%PROTOCOL%'", "accessLogFormat"),
        ("accessLogEncoding: JSON\naccessLogFormat: '[]'", "accessLogFormat"),
        ('accessLogEncoding: JSON\naccessLogFormat: \'{"a": {"b": ["%FOO%"]}}\'', "accessLogFormat"),
        ("accessLogEncoding: JSON\naccessLogFormat: '{\"a\": NaN}'", "accessLogFormat"),
        ("protocolDetectionTimeout: -1s", "protocolDetectionTimeout"),
        ("tcpKeepalive: {time: 1ms}", "tcpKeepalive.time"),
        ("defaultHttpRetryPolicy: {attempts: 2, retryOn: sometimes}", "defaultHttpRetryPolicy.retryOn"),
        ("defaultInboundHttpRetryPolicy: {attempts: -2}", "defaultInboundHttpRetryPolicy.attempts"),
    ],
)
def test_the_mesh_config(text: str, path: str | None) -> None:
    found = wrong_paths(kubernetes("ConfigMap", "istio-system", "istio", data={"mesh": text}))
    assert found == ([f"data.mesh.{path}"] if path else [])


def test_the_mesh_config_map() -> None:
    text = "defaultConfig:\n  proxyAdminPort: 0\nenableTracing: sometimes\n"
    assert wrong_paths(kubernetes("ConfigMap", "istio-system", "istio", data={"mesh": text})) == [
        "data.mesh.enableTracing",
        "data.mesh.defaultConfig.proxyAdminPort",
    ]
    text = "defaultConfig:\n  proxyAdminPort: 0\nconnectTimeout: 0s\n"
    assert wrong_paths(kubernetes("ConfigMap", "istio-system", "istio", data={"mesh": text})) == [
        "data.mesh.connectTimeout",
        "data.mesh.defaultConfig.proxyAdminPort",
    ]
    assert wrong_paths(kubernetes("ConfigMap", "shop", "istio", data={"mesh": text})) == []
    elsewhere = kubernetes("ConfigMap", "", "istio", data={"mesh": text})
    assert isinstance(decode(elsewhere, "istio-system"), Invalid)
