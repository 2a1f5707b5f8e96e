import pytest

from lateen.common.hosts import covers, expand, is_address, patterns_for, service_hostname


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("reviews", "reviews.shop.svc.cluster.local"),
        ("Reviews", "reviews.shop.svc.cluster.local"),
        ("reviews.other", "reviews.other"),
        ("*", "*"),
        ("10.0.0.1", "10.0.0.1"),
        ("fd00::1", "fd00::1"),
    ],
)
def test_a_name_without_a_dot_is_a_service_of_the_objects_namespace(name: str, full: str) -> None:
    assert expand(name, "shop") == full


@pytest.mark.parametrize(
    ("pattern", "host", "expected"),
    [
        ("a.com", "a.com", True),
        ("a.com", "b.a.com", False),
        ("*.a.com", "b.a.com", True),
        ("*.a.com", "a.com", False),
        ("*.a.com", "*.b.a.com", True),
        ("*.b.a.com", "*.a.com", False),
        ("*", "anything", True),
        ("*", "*.a.com", True),
    ],
)
def test_a_pattern_covers_what_every_name_of_the_host_matches(pattern: str, host: str, expected: bool) -> None:
    assert covers(pattern, host) is expected


def test_patterns_of_a_host_from_the_most_specific() -> None:
    assert patterns_for("a.b.c") == ("a.b.c", "*.b.c", "*.c", "*")
    assert patterns_for("*.b.c") == ("*.b.c", "*.c", "*")
    assert all(covers(pattern, "a.b.c") for pattern in patterns_for("a.b.c"))


def test_addresses() -> None:
    assert is_address("198.18.0.1")
    assert is_address("fd00::1")
    assert not is_address("a.b")
    assert service_hostname("web", "shop") == "web.shop.svc.cluster.local"
