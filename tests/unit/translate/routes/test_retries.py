"""Retries: the default, a rule's own, and none."""

from datetime import timedelta

from lateen.config.kinds.virtual_service import HTTPRetry
from lateen.config.values import Duration
from lateen.translate.routes.retries import retry_policy

DEFAULT = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"


def test_the_default_tries_twice_more_on_another_host() -> None:
    policy = retry_policy(None)
    assert policy is not None
    assert (policy.retry_on, policy.num_retries.value, policy.host_selection_retry_max_attempts) == (DEFAULT, 2, 5)
    assert [p.name for p in policy.retry_host_predicate] == ["envoy.retry_host_predicates.previous_hosts"]


def test_a_hashed_destination_may_be_tried_again() -> None:
    default, given = retry_policy(None, hashed=True), retry_policy(HTTPRetry(attempts=1), hashed=True)
    assert default is not None
    assert given is not None
    assert not default.retry_host_predicate
    assert not given.retry_host_predicate


def test_zero_attempts_are_no_policy() -> None:
    assert retry_policy(HTTPRetry(attempts=0)) is None


def test_statuses_among_the_conditions() -> None:
    policy = retry_policy(HTTPRetry(attempts=3, retry_on="5xx, 503,418"))
    assert policy is not None
    assert policy.retry_on == "5xx,retriable-status-codes"
    assert list(policy.retriable_status_codes) == [503, 418]
    assert policy.num_retries.value == 3


def test_every_other_field() -> None:
    policy = retry_policy(
        HTTPRetry(
            attempts=1,
            per_try_timeout=Duration(seconds=2),
            backoff=Duration(milliseconds=50),
            retry_ignore_previous_hosts=False,
            retry_remote_localities=True,
        )
    )
    assert policy is not None
    assert policy.retry_on == DEFAULT
    assert policy.per_try_timeout.ToTimedelta() == timedelta(seconds=2)
    assert policy.retry_back_off.base_interval.ToTimedelta() == timedelta(milliseconds=50)
    assert not policy.retry_host_predicate
    assert policy.retry_priority.name == "envoy.retry_priorities.previous_priorities"
