import pytest
from support.analysis import resources_of

from lateen.analysis.analyzer import Message
from lateen.analysis.catalogue import MessageType
from lateen.analysis.suppression import Suppression

(WEB, SHOP) = resources_of(
    "{apiVersion: v1, kind: Pod, metadata: {name: web}}\n---\n{apiVersion: v1, kind: Namespace, metadata: {name: shop}}"
)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("LTN0010=Pod web.shop", True),
        ("LTN0010=Pod *.shop", True),
        ("LTN0010=Pod *", True),
        ("LTN0010=*", True),
        ("LTN0010=Pod web", False),
        ("LTN0010=Deployment *", False),
        ("LTN0011=Pod *", False),
    ],
)
def test_patterns(text: str, hidden: bool) -> None:
    message = Message(MessageType.MissingSidecar, WEB, (), "")
    assert Suppression.parse(text).hides(message) == hidden


def test_cluster_wide_objects_have_no_namespace() -> None:
    message = Message(MessageType.NamespaceNotInjected, SHOP, (), "")
    assert Suppression.parse("IST0102=Namespace shop").hides(message)


@pytest.mark.parametrize("text", ["IST0102", "=Pod web", "IST0102="])
def test_what_is_not_a_suppression(text: str) -> None:
    with pytest.raises(ValueError, match="is not CODE=RESOURCE"):
        Suppression.parse(text)


def test_unknown_codes_are_known_to_be() -> None:
    assert not Suppression.parse("IST9999=Pod web").is_known
    assert Suppression.parse("LTN0001=Pod web").is_known
