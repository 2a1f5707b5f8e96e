"""When a failed request is tried again. Source: Istio, HTTPRetry, and its default policy."""

from datetime import timedelta
from http import HTTPStatus
from typing import Final

from envoy.config.route.v3.route_components_pb2 import RetryPolicy
from envoy.extensions.retry.host.previous_hosts.v3.previous_hosts_pb2 import PreviousHostsPredicate
from envoy.extensions.retry.priority.previous_priorities.v3.previous_priorities_config_pb2 import (
    PreviousPrioritiesConfig,
)

from lateen.config.kinds.virtual_service import HTTPRetry
from lateen.translate.messages import packed

_RETRIABLE_STATUS_CODES: Final = "retriable-status-codes"
_DEFAULT_CONDITIONS: Final = f"connect-failure,refused-stream,unavailable,cancelled,{_RETRIABLE_STATUS_CODES}"
_DEFAULT_RETRIES: Final = 2
_HOST_SELECTION_ATTEMPTS: Final = 5
_PRIORITY_UPDATE_FREQUENCY: Final = 2
_STATUSES: Final = frozenset(int(status) for status in HTTPStatus)


_OTHER_HOST: Final = RetryPolicy.RetryHostPredicate(
    name="envoy.retry_host_predicates.previous_hosts", typed_config=packed(PreviousHostsPredicate())
)
_OTHER_PRIORITY: Final = RetryPolicy.RetryPriority(
    name="envoy.retry_priorities.previous_priorities",
    typed_config=packed(PreviousPrioritiesConfig(update_frequency=_PRIORITY_UPDATE_FREQUENCY)),
)


def _default(*, other_host: bool) -> RetryPolicy:
    out = RetryPolicy(retry_on=_DEFAULT_CONDITIONS, host_selection_retry_max_attempts=_HOST_SELECTION_ATTEMPTS)
    out.num_retries.value = _DEFAULT_RETRIES
    if other_host:
        out.retry_host_predicate.append(_OTHER_HOST)
    return out


_DEFAULTS: Final = {True: _default(other_host=True), False: _default(other_host=False)}


def retry_policy(retries: HTTPRetry | None, *, hashed: bool = False) -> RetryPolicy | None:
    """The policy for `retries` as written in the rule or the mesh; None switches retries off.

    A retry avoids hosts that were tried, unless the rule says otherwise or the one destination is chosen by a hash
    (`hashed`). The answer may be shared: copy it, do not change it.
    """
    if retries is None:
        return _DEFAULTS[not hashed]
    if retries.attempts <= 0:
        return None
    out = RetryPolicy(host_selection_retry_max_attempts=_HOST_SELECTION_ATTEMPTS)
    out.num_retries.value = retries.attempts
    _set_conditions(out, retries.retry_on)
    if retries.per_try_timeout is not None:
        out.per_try_timeout.FromTimedelta(retries.per_try_timeout)
    if retries.backoff is not None and retries.backoff > timedelta():
        out.retry_back_off.base_interval.FromTimedelta(retries.backoff)
    ignored = retries.retry_ignore_previous_hosts
    if ignored if ignored is not None else not hashed:
        out.retry_host_predicate.append(_OTHER_HOST)
    if retries.retry_remote_localities:
        out.retry_priority.CopyFrom(_OTHER_PRIORITY)
    return out


def _set_conditions(out: RetryPolicy, written: str | None) -> None:
    """`5xx,503`: numbers that are HTTP statuses become status codes, and say that status codes count."""
    if not written:
        out.retry_on = _DEFAULT_CONDITIONS
        return
    parts = [part.strip() for part in written.split(",") if part.strip()]
    codes = [int(part) for part in parts if _is_status(part)]
    names = [part for part in parts if not _is_status(part)]
    if codes and _RETRIABLE_STATUS_CODES not in names:
        names.append(_RETRIABLE_STATUS_CODES)
    out.retry_on = ",".join(names)
    out.retriable_status_codes.extend(codes)


def _is_status(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) in _STATUSES
