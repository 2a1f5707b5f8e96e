import pytest

from lateen.proxy_agent.errors import AgentError
from lateen.proxy_agent.options import proxy_options, split_flags


def test_the_arguments_of_the_injected_container() -> None:
    options = proxy_options(
        ["sidecar", "--domain", "ns.svc.cluster.local", "--proxyLogLevel=warning",
         "--proxyComponentLogLevel=misc:error", "--log_output_level=default:info", "--concurrency", "2"]
    )  # fmt: skip
    assert options.kind == "sidecar"
    assert options.domain == "ns.svc.cluster.local"
    assert options.log_level == "warning"
    assert options.component_log_level == "misc:error"
    assert options.output_level == "info"
    assert options.concurrency == 2
    assert options.unknown == ()


def test_flags_of_other_agents_are_kept_apart() -> None:
    options = proxy_options(["router", "--stsPort=15463", "--templateFile", "/x", "--log_as_json"])
    assert options.unknown == ("stsPort", "templateFile")
    assert options.log_as_json


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "proxy takes one of sidecar, router"),
        (["ambient"], "it got ambient"),
        (["sidecar", "extra"], "it got sidecar extra"),
        (["sidecar", "--concurrency=two"], "--concurrency: 'two' is not a number"),
        (["sidecar", "--domain"], "--domain needs a value"),
        (["sidecar", "--log_output_level=loud"], "--log_output_level: unknown log level 'loud'"),
    ],
)
def test_wrong_arguments(arguments: list[str], message: str) -> None:
    with pytest.raises(AgentError) as caught:
        proxy_options(arguments)
    assert message in str(caught.value)


def test_after_two_dashes_nothing_is_a_flag() -> None:
    assert split_flags(["GET", "--a=b", "--", "--c"]) == ({"a": "b"}, ("GET", "--c"))
