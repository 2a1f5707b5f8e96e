import pytest

from lateen.inject.errors import InjectionError
from lateen.inject.proxy_config import ProxyConfig, parse_annotation


def test_only_what_differs_from_the_defaults_is_shown_in_message_order() -> None:
    config = ProxyConfig().over({"concurrency": 0, "drainDuration": "1m", "statusPort": 15020, "configPath": "/x"})
    assert config.json() == '{"configPath":"/x","drainDuration":"60s","concurrency":0}'
    assert ProxyConfig().json() == "{}"


def test_messages_and_wrappers_that_are_set_stay_when_empty() -> None:
    config = ProxyConfig().over({"tracing": {}, "holdApplicationUntilProxyStarts": False, "proxyMetadata": {}})
    assert config.json() == '{"tracing":{},"holdApplicationUntilProxyStarts":false}'


def test_layers_replace_whole_fields_but_metadata_merges() -> None:
    config = ProxyConfig().over({"proxyMetadata": {"B": "1", "A": "1"}, "tracing": {"sampling": 1}})
    config = config.over({"proxy_metadata": {"A": "2"}, "tracing": {"zipkin": {}}, "unknown": 1, "statusPort": None})

    assert dict(config.metadata) == {"A": "2", "B": "1"}
    assert config.fields["tracing"] == {"zipkin": {}}
    assert "unknown" not in config.fields
    assert config.status_port == 15020


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("drainDuration: soon", "drainDuration"),
        ("statusPort: http", "statusPort: expected a number"),
        ("interceptionMode: MAGIC", "REDIRECT, TPROXY, NONE"),
        ("proxyMetadata: {A: 1}", "quote numbers"),
        ("tracing: yes", "tracing: expected an object"),
        ("a: [", "line 2: not valid YAML"),
    ],
)
def test_an_annotation_that_cannot_be_used_is_named(text: str, message: str) -> None:
    with pytest.raises(InjectionError, match=message):
        parse_annotation(text)


def test_an_empty_annotation_is_an_empty_layer() -> None:
    assert parse_annotation("") == {}
