"""Limits of a cluster: none, until a DestinationRule sets some."""

from typing import Final

from envoy.config.cluster.v3.circuit_breaker_pb2 import CircuitBreakers
from google.protobuf.wrappers_pb2 import UInt32Value

_NO_LIMIT: Final = UInt32Value(value=2**32 - 1)

UNLIMITED: Final = CircuitBreakers(
    thresholds=[
        CircuitBreakers.Thresholds(
            max_connections=_NO_LIMIT, max_pending_requests=_NO_LIMIT, max_requests=_NO_LIMIT, max_retries=_NO_LIMIT
        )
    ]
)
"""Envoy's own defaults would limit; copy it, do not change it."""
