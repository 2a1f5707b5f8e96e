"""Text in which Envoy fills in what stands between percent signs: formats of access logs, and values of headers.

Envoy refuses a whole resource for one operator it cannot read, so every operator is checked here. Source: Envoy,
substitution formatting, as of the release that the mesh brings along.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from lateen.config.conform import nearest


class _Operator(NamedTuple):
    """What may stand in parentheses, which are optional where nothing may; whether a maximum length may follow."""

    argument: re.Pattern[str]
    length: bool
    example: str


def _operators(names: str, argument: str, *, length: bool = False, example: str = "") -> dict[str, _Operator]:
    pattern = re.compile(argument, re.ASCII)
    return {name: _Operator(pattern, length, example and f"%{name}({example})%") for name in names.split()}


_FREE = r".*"
_SOMETHING = r".+"
_HEADER = r":?[\w!#$%&'*+.^`|~-]*"
_CEL = (
    r"(?:request|response|connection|source|destination|upstream|metadata|filter_state|upstream_filter_state|xds)"
    r"(?:\.(?!(?:in|true|false|null)\b)[a-z_]\w*|\['[\w.:/-]*'\])*"
)

_WITHOUT_ARGUMENT = """
    ACCESS_LOG_TYPE BYTES_RECEIVED BYTES_RETRANSMITTED BYTES_SENT CONNECTION_ID CONNECTION_TERMINATION_DETAILS
    CUSTOM_FLAGS DOWNSTREAM_CX_RTT DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED
    DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT DOWNSTREAM_DETECTED_CLOSE_TYPE DOWNSTREAM_DIRECT_LOCAL_ADDRESS
    DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID DOWNSTREAM_DIRECT_LOCAL_PORT DOWNSTREAM_DIRECT_REMOTE_ADDRESS
    DOWNSTREAM_DIRECT_REMOTE_PORT DOWNSTREAM_HANDSHAKE_DURATION DOWNSTREAM_HEADER_BYTES_RECEIVED
    DOWNSTREAM_HEADER_BYTES_SENT DOWNSTREAM_LOCAL_ADDRESS DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID
    DOWNSTREAM_LOCAL_CLOSE_REASON DOWNSTREAM_LOCAL_DNS_SAN DOWNSTREAM_LOCAL_EMAIL_SAN DOWNSTREAM_LOCAL_IP_SAN
    DOWNSTREAM_LOCAL_OTHERNAME_SAN DOWNSTREAM_LOCAL_PORT DOWNSTREAM_LOCAL_SUBJECT DOWNSTREAM_LOCAL_URI_SAN
    DOWNSTREAM_PEER_CERT DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1 DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256
    DOWNSTREAM_PEER_CHAIN_SERIALS DOWNSTREAM_PEER_DNS_SAN DOWNSTREAM_PEER_EMAIL_SAN
    DOWNSTREAM_PEER_FINGERPRINT_1 DOWNSTREAM_PEER_FINGERPRINT_256 DOWNSTREAM_PEER_IP_SAN DOWNSTREAM_PEER_ISSUER
    DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256 DOWNSTREAM_PEER_ISSUER_SERIAL DOWNSTREAM_PEER_OTHERNAME_SAN
    DOWNSTREAM_PEER_SERIAL DOWNSTREAM_PEER_SUBJECT DOWNSTREAM_PEER_URI_SAN DOWNSTREAM_REMOTE_ADDRESS
    DOWNSTREAM_REMOTE_PORT DOWNSTREAM_TLS_CIPHER DOWNSTREAM_TLS_GROUP DOWNSTREAM_TLS_SESSION_ID
    DOWNSTREAM_TLS_VERSION DOWNSTREAM_TRANSPORT_FAILURE_REASON DOWNSTREAM_WIRE_BYTES_RECEIVED
    DOWNSTREAM_WIRE_BYTES_SENT DURATION FILTER_CHAIN_NAME GRPC_STATUS_NUMBER HOSTNAME LISTENER_NAME
    LOCAL_REPLY_BODY PACKETS_RETRANSMITTED PROTOCOL REQUEST_DURATION REQUEST_HEADERS_BYTES REQUEST_TX_DURATION
    RESPONSE_CODE RESPONSE_DURATION RESPONSE_FLAGS RESPONSE_FLAGS_LONG RESPONSE_HEADERS_BYTES
    RESPONSE_TRAILERS_BYTES RESPONSE_TX_DURATION ROUNDTRIP_DURATION ROUTE_NAME ROUTE_RESOLUTION_COUNT
    ROUTE_RESOLUTION_TIME_US SPAN_ID STREAM_ID TLS_JA3_FINGERPRINT TLS_JA4_FINGERPRINT TRACE_ID UNIQUE_ID
    UPSTREAM_CLUSTER UPSTREAM_CLUSTER_RAW UPSTREAM_CONNECTION_ID UPSTREAM_CONNECTION_IDS_ATTEMPTED
    UPSTREAM_CONNECTION_POOL_READY_DURATION UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED
    UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT UPSTREAM_DETECTED_CLOSE_TYPE UPSTREAM_HEADER_BYTES_RECEIVED
    UPSTREAM_HEADER_BYTES_SENT UPSTREAM_HOST UPSTREAM_HOSTS_ATTEMPTED UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT
    UPSTREAM_HOST_NAME UPSTREAM_HOST_NAMES_ATTEMPTED UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT
    UPSTREAM_HOST_NAME_WITHOUT_PORT UPSTREAM_LOCAL_ADDRESS UPSTREAM_LOCAL_CLOSE_REASON UPSTREAM_LOCAL_DNS_SAN
    UPSTREAM_LOCAL_IP_SAN UPSTREAM_LOCAL_PORT UPSTREAM_LOCAL_URI_SAN UPSTREAM_PEER_CERT UPSTREAM_PEER_DNS_SAN
    UPSTREAM_PEER_IP_SAN UPSTREAM_PEER_ISSUER UPSTREAM_PEER_SUBJECT UPSTREAM_PEER_URI_SAN UPSTREAM_PROTOCOL
    UPSTREAM_REMOTE_ADDRESS UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID UPSTREAM_REMOTE_PORT
    UPSTREAM_REQUEST_ATTEMPT_COUNT UPSTREAM_SERVER_NAME UPSTREAM_TLS_CIPHER UPSTREAM_TLS_GROUP
    UPSTREAM_TLS_SESSION_ID UPSTREAM_TLS_VERSION UPSTREAM_TRANSPORT_FAILURE_REASON UPSTREAM_WIRE_BYTES_RECEIVED
    UPSTREAM_WIRE_BYTES_SENT VIRTUAL_CLUSTER_NAME
"""

_OPERATORS: Final = {
    **_operators(_WITHOUT_ARGUMENT, ""),
    **_operators("START_TIME START_TIME_LOCAL EMIT_TIME EMIT_TIME_LOCAL", _FREE),
    **_operators("DOWNSTREAM_PEER_CERT_V_START DOWNSTREAM_PEER_CERT_V_END", _FREE),
    **_operators("UPSTREAM_PEER_CERT_V_START UPSTREAM_PEER_CERT_V_END RESPONSE_CODE_DETAILS", _FREE),
    **_operators("DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", _FREE),
    **_operators("DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", _FREE),
    **_operators("UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", _FREE),
    **_operators(
        "REQ RESP TRAILER REQUEST_HEADER RESPONSE_HEADER RESPONSE_TRAILER",
        rf"(?=.){_HEADER}(?:\?{_HEADER})?",
        length=True,
        example="X-NAME",
    ),
    **_operators("DYNAMIC_METADATA QUERY_PARAM ENVIRONMENT", _SOMETHING, length=True, example="name"),
    **_operators("UPSTREAM_METADATA CLUSTER_METADATA", _SOMETHING, example="namespace:key"),
    **_operators(
        "METADATA",
        r"(?:DYNAMIC|CLUSTER|ROUTE|UPSTREAM_HOST|LISTENER|VIRTUAL_HOST|LISTENER_FILTER_CHAIN)(?::.*)?",
        length=True,
        example="ROUTE:namespace:key",
    ),
    **_operators(
        "FILTER_STATE UPSTREAM_FILTER_STATE",
        r"[^:]+(?::(?:PLAIN|TYPED)?|:FIELD:[^:]+)?",
        length=True,
        example="key:PLAIN",
    ),
    **_operators("CEL TYPED_CEL", _CEL, length=True, example="request.path"),
    **_operators("COMMON_DURATION", r"[^:]*:[^:]*(?::(?:ms|us|ns))?", example="DS_RX_BEG:US_RX_BEG:ms"),
    **_operators("GRPC_STATUS", r"(?:CAMEL_STRING|SNAKE_STRING|NUMBER)?", example="NUMBER"),
    **_operators("PATH", r"(?:WQ|NQ)?(?::(?:ORIG|PATH|ORIG_OR_PATH)?)?", length=True, example="WQ:ORIG"),
    **_operators("QUERY_PARAMS", r"(?:ORIG|DECODED)?", length=True, example="DECODED"),
    **_operators(
        "REQUESTED_SERVER_NAME",
        r"(?:SNI_ONLY|SNI_FIRST|HOST_FIRST)?(?::(?:ORIG|HOST|ORIG_OR_HOST))?",
        example="SNI_FIRST:ORIG",
    ),
}
"""By name. Of expressions in CEL only plain paths are let through: a whole one could not be checked here."""

_CALL = re.compile(r"%(?P<name>[A-Z0-9_]+)(?P<argument>\(.*?\))?(?P<length>:[0-9]+)?%")
_MAX_LENGTH: Final = 2**64


def not_a_format(text: str) -> str | None:
    """What is wrong with the first operator that Envoy would refuse, or None."""
    return next(_wrongs(text), None)


def _wrongs(text: str) -> Iterator[str]:
    position = 0
    while (position := text.find("%", position)) >= 0:
        if text.startswith("%%", position):
            position += 2
            continue
        found = _CALL.match(text, position)
        if found is None:
            yield (
                f"the `%` at character {position + 1} begins no operator such as `%PROTOCOL%`: "
                "for a percent sign write `%%`"
            )
            return
        yield from _wrong_operator(found)
        position = found.end()


def _wrong_operator(found: re.Match[str]) -> Iterator[str]:
    name, argument, length = found["name"], (found["argument"] or "()")[1:-1], found["length"]
    operator = _OPERATORS.get(name)
    if operator is None:
        near = nearest(name, list(_OPERATORS))
        hint = f"did you mean `%{near}%`?" if near else "see Envoy's list of command operators"
        yield f"`{found[0]}` is not an operator; {hint}"
    elif not operator.argument.fullmatch(argument):
        yield (
            f"`{found[0]}` must be like `{operator.example}`"
            if operator.example
            else f"`{found[0]}` must be `%{name}%`, without anything in parentheses"
        )
    elif length and not operator.length:
        yield f"`{found[0]}` must be without `{length}`: {name} takes no maximum length"
    elif length and int(length[1:]) >= _MAX_LENGTH:
        yield f"`{found[0]}` has a maximum length that is too large"
