import pytest

from lateen.common.ports import Protocol, ProtocolClass, class_of, declared_protocol, is_http2, protocol_of


@pytest.mark.parametrize(
    ("name", "app_protocol", "transport", "declared"),
    [
        ("http", None, "TCP", Protocol.HTTP),
        ("http-web", None, "TCP", Protocol.HTTP),
        ("HTTP2-web", None, "TCP", Protocol.HTTP2),
        ("http2foo", None, "TCP", None),
        ("grpc-web", None, "TCP", Protocol.GRPC_WEB),
        ("grpc-web-ui", None, "TCP", Protocol.GRPC_WEB),
        ("grpc-website", None, "TCP", Protocol.GRPC),
        ("mongo-db", None, "TCP", Protocol.MONGO),
        ("redis", None, "TCP", Protocol.REDIS),
        ("", None, "TCP", None),
        (None, None, "TCP", None),
        ("metrics", None, "TCP", None),
        ("metrics", "http", "TCP", Protocol.HTTP),
        ("tcp-db", "kubernetes.io/h2c", "TCP", Protocol.HTTP2),
        ("http", "example.com/custom", "TCP", None),
        ("http", "http", "UDP", Protocol.UDP),
    ],
)
def test_what_a_port_declares(
    name: str | None, app_protocol: str | None, transport: str, declared: Protocol | None
) -> None:
    assert declared_protocol(name, app_protocol, transport) is declared
    assert protocol_of(name, app_protocol, transport) is (declared or Protocol.TCP)


def test_every_protocol_has_a_class() -> None:
    classes = {protocol: class_of(protocol) for protocol in Protocol}
    assert {p for p, c in classes.items() if c is ProtocolClass.HTTP} == {
        Protocol.HTTP, Protocol.HTTP2, Protocol.GRPC, Protocol.GRPC_WEB,
    }  # fmt: skip
    assert {p for p, c in classes.items() if c is ProtocolClass.UDP} == {Protocol.UDP}
    assert all(class_of(p) is ProtocolClass.HTTP for p in Protocol if is_http2(p))
