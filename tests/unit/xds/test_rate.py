from lateen.xds.rate import Bucket, Rate


def test_a_burst_and_then_as_many_as_come_back() -> None:
    now = 100.0
    bucket = Bucket(Rate(per_second=2, burst=3), lambda: now)
    assert [bucket.take() for _ in range(5)] == [True, True, True, False, False]
    now = 100.6
    assert [bucket.take() for _ in range(2)] == [True, False]
    now = 1000.0
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_a_clock_that_goes_back_gives_and_takes_nothing() -> None:
    now = 100.0
    bucket = Bucket(Rate(per_second=1, burst=1), lambda: now)
    assert bucket.take()
    now = 50.0
    assert not bucket.take()
    now = 51.0
    assert bucket.take()
