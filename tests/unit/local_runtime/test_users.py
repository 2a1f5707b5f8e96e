"""What is told of the users that a mesh has."""

import pytest

from lateen.local_runtime.users import ROOT, Users


@pytest.mark.parametrize(
    ("users", "mode"), [(ROOT, "root"), (Users(65537), "rootless"), (Users(1, hint="do this"), "rootless, one user")]
)
def test_each_has_a_name(users: Users, mode: str) -> None:
    assert users.mode == mode


def test_what_cannot_be_done_is_told() -> None:
    assert ROOT.remarks() == []
    (many,) = Users(65537).remarks()
    assert "users up to 65536" in many
    assert "nothing outside" in many
    one = "\n".join(Users(1, hint="do this").remarks())
    for word in ("nothing outside", "runAsUser", "runAsGroup", "fsGroup", "owner group", "signal its proxy", "do this"):
        assert word in one
