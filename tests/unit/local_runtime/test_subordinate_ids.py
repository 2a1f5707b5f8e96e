"""Lines of /etc/subuid."""

from lateen.local_runtime.subordinate_ids import Grants

TEXT = "ann:100000:65536\nbob:165536:1000\n1002:200000:10\n\n# no line\nann:300000:5\nbad:x:1\n"


def test_a_user_is_named_or_numbered() -> None:
    grants = Grants(TEXT)
    assert grants.of("ann", 1000) == [(100000, 65536), (300000, 5)]
    assert grants.of("carl", 1002) == [(200000, 10)]
    assert grants.of("eve", 1003) == []


def test_what_is_free_comes_after_all_that_was_given() -> None:
    assert Grants(TEXT).end == 300005
    assert Grants("").end == 100000
