import pytest

from lateen.inject.native_sidecars import native_sidecars


@pytest.mark.parametrize(
    ("setting", "kubelets", "node", "native"),
    [
        ("auto", {"a": "v1.33.0", "b": "v1.34.1+k3s1"}, "", True),
        ("auto", {"a": "v1.33.0", "b": "v1.28.0"}, "", False),
        ("auto", {"a": "v1.33.0", "b": "v1.28.0"}, "a", True),
        ("auto", {"a": "v1.33.0", "b": "v1.28.0"}, "b", False),
        ("auto", {"a": "v1.33.0"}, "gone", True),
        ("auto", {"a": "strange"}, "", False),
        ("auto", {}, "", True),
        ("auto", None, "", False),
        ("true", None, "", True),
        ("false", {"a": "v1.40.0"}, "", False),
        ("anything", {"a": "v2.0.0"}, "", True),
    ],
)
def test_every_kubelet_must_be_new_enough(
    setting: str, kubelets: dict[str, str] | None, node: str, native: bool
) -> None:
    assert native_sidecars(setting, kubelets, node) is native
