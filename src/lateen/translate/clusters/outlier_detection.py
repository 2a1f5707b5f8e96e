"""DestinationRule outlierDetection -> when Envoy ejects an endpoint. Source: Istio, OutlierDetection."""

from typing import Final

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.common.matcher.v3.matcher_pb2 import HttpHeadersMatch, MatchPredicate
from envoy.config.route.v3.route_components_pb2 import HeaderMatcher
from envoy.type.matcher.v3.string_pb2 import StringMatcher
from google.protobuf.wrappers_pb2 import UInt32Value

from lateen.config.kinds.destination_rule import OutlierDetection

_ALWAYS: Final = UInt32Value(value=100)
_NEVER: Final = UInt32Value(value=0)


def apply_outlier_detection(cluster: Cluster, settings: OutlierDetection | None) -> None:
    """Write the settings into the cluster; without them it ejects nothing.

    Of Envoy's criteria only those named are enforced; a count of 0 switches one off. Success rate never counts.
    """
    if settings is None:
        return
    out = cluster.outlier_detection
    out.enforcing_success_rate.CopyFrom(_NEVER)
    if settings.consecutive5xx_errors is not None:
        out.consecutive_5xx.value = settings.consecutive5xx_errors
        out.enforcing_consecutive_5xx.CopyFrom(_enforced(settings.consecutive5xx_errors))
    if settings.consecutive_gateway_errors is not None:
        out.consecutive_gateway_failure.value = settings.consecutive_gateway_errors
        out.enforcing_consecutive_gateway_failure.CopyFrom(_enforced(settings.consecutive_gateway_errors))
    if settings.split_external_local_origin_errors:
        _separate_local_origin(cluster, settings)
    if settings.interval is not None:
        out.interval.FromTimedelta(settings.interval)
    if settings.base_ejection_time is not None:
        out.base_ejection_time.FromTimedelta(settings.base_ejection_time)
    if settings.max_ejection_percent:
        out.max_ejection_percent.value = settings.max_ejection_percent
    # Panic mode, in which Envoy uses ejected endpoints too, is off unless asked for.
    cluster.common_lb_config.healthy_panic_threshold.value = float(settings.min_health_percent or 0)


def error_matcher(settings: OutlierDetection | None) -> MatchPredicate | None:
    """Which answers count as errors, where the settings list status codes; None leaves it to Envoy."""
    codes = settings.outlier_detection_http_error_codes if settings is not None else ()
    rules = [_has_status(code) for code in codes]
    if len(rules) < 2:
        return rules[0] if rules else None
    return MatchPredicate(or_match=MatchPredicate.MatchSet(rules=rules))


def _has_status(code: int) -> MatchPredicate:
    header = HeaderMatcher(name=":status", string_match=StringMatcher(exact=str(code)))
    return MatchPredicate(http_response_headers_match=HttpHeadersMatch(headers=[header]))


def _separate_local_origin(cluster: Cluster, settings: OutlierDetection) -> None:
    """Count failures to connect apart from failures that the endpoint answered."""
    out = cluster.outlier_detection
    out.split_external_local_origin_errors = True
    out.enforcing_local_origin_success_rate.CopyFrom(_NEVER)
    if settings.consecutive_local_origin_failures is not None:
        out.consecutive_local_origin_failure.value = settings.consecutive_local_origin_failures
        out.enforcing_consecutive_local_origin_failure.CopyFrom(_enforced(settings.consecutive_local_origin_failures))


def _enforced(count: int) -> UInt32Value:
    return _ALWAYS if count else _NEVER
