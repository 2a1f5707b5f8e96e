"""The health check of a gRPC probe against a server side of h2, without sockets."""

import h2.config
import h2.connection
import h2.events
import pytest

from lateen.xds.health_check import HealthCheck

SERVING, NOT_SERVING = b"\0\0\0\0\2\x08\x01", b"\0\0\0\0\2\x08\x02"


def asked(service, headers=(), body=b"", trailers=(("grpc-status", "0"),)):
    """The check after one answer, and what the server was asked."""
    check = HealthCheck("198.18.1.1:9000", service)
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    server.initiate_connection()
    seen = server.receive_data(check.opening)
    server.send_headers(1, [(":status", "200"), ("content-type", "application/grpc"), *headers], end_stream=not body)
    if body:
        server.send_data(1, body)
        server.send_headers(1, list(trailers), end_stream=True)
    check.receive(server.data_to_send())
    return check, seen


def test_the_request_is_a_unary_call_of_the_health_service():
    _, seen = asked("", body=SERVING)
    (request,) = (event for event in seen if isinstance(event, h2.events.RequestReceived))
    headers = dict(request.headers)
    assert headers[":path"] == "/grpc.health.v1.Health/Check"
    assert headers["content-type"] == "application/grpc"
    assert headers["te"] == "trailers"
    assert [event.data for event in seen if isinstance(event, h2.events.DataReceived)] == [b"\0\0\0\0\0"]


def test_the_name_of_the_service_is_asked_for():
    _, seen = asked("a" * 200, body=SERVING)
    data = b"".join(event.data for event in seen if isinstance(event, h2.events.DataReceived))
    assert data == b"\0\0\0\0\xcb\x0a\xc8\x01" + b"a" * 200


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"body": SERVING}, None),
        ({"body": NOT_SERVING}, "the server says NOT_SERVING"),
        ({"body": b"\0\0\0\0\0"}, "the server says UNKNOWN"),
        ({"headers": [("grpc-status", "12")]}, "does not implement grpc.health.v1.Health"),
        ({"headers": [("grpc-status", "5")]}, 'knows no service "s"'),
        ({"headers": [("grpc-status", "14"), ("grpc-message", "away")]}, "gRPC status 14 away"),
        ({}, "the answer is not gRPC's"),
        ({"body": b"x" * 5000}, "longer than a health status"),
    ],
)
def test_what_an_answer_means(answer, problem):
    check, _ = asked("s", **answer)
    assert check.done
    assert check.problem == problem if problem is None else problem in check.problem


def test_a_port_that_speaks_something_else_is_told():
    check = HealthCheck("a:1", "")
    check.receive(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    assert check.done
    assert "speaks HTTP/1, not gRPC" in check.problem
    check = HealthCheck("a:1", "")
    check.receive(b"\0" * 100)
    assert "does not speak gRPC" in check.problem


def test_a_connection_that_ends_without_an_answer_is_a_problem():
    assert "closed the connection" in HealthCheck("a:1", "").problem
