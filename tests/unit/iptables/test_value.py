import pytest

from lateen.iptables.options import Options
from lateen.iptables.rules import Chain, Jump, Redirect, SetMark


def test_values_of_different_types_are_never_equal() -> None:
    assert Redirect("1337") != SetMark("1337")
    assert Redirect("1337") == Redirect("1337")
    assert hash(Redirect("1337")) == hash(Redirect("1337"))


def test_a_value_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="frozen"):
        Redirect("1").port = "2"  # type: ignore[misc] # what the test is about


def test_defaults_and_replacement() -> None:
    assert Options().replaced(proxy_port="7").proxy_port == "7"
    assert Options(proxy_port="7").replaced(dry_run=True) == Options(proxy_port="7", dry_run=True)


def test_a_field_that_is_missing_or_unknown_is_an_error() -> None:
    with pytest.raises(TypeError, match="chain"):
        Jump()  # type: ignore[call-arg] # what the test is about
    with pytest.raises(TypeError, match="colour"):
        Jump(Chain.DROP, colour="red")  # type: ignore[call-arg] # what the test is about


def test_values_match_by_position() -> None:
    match Redirect("15001"):
        case Redirect(port):
            assert port == "15001"
