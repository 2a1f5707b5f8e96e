"""Operators between percent signs: what Envoy fills in passes, what it refuses is explained."""

import pytest

from lateen.config.validation.substitution import not_a_format
from lateen.translate.access_logs import DEFAULT_JSON, DEFAULT_TEXT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "100%%",
        "%%%PROTOCOL%%%",
        "%REQ(X-A?:PATH):12% %RESP(b)%",
        "%START_TIME% %START_TIME(%Y-%m-%d)%",
        "%DYNAMIC_METADATA(a:b:c)% %FILTER_STATE(k:PLAIN):3% %FILTER_STATE(k:FIELD:f)%",
        "%GRPC_STATUS% %GRPC_STATUS(NUMBER)% %PATH(WQ:ORIG)% %CEL(request.headers['x-y'])%",
        DEFAULT_TEXT,
        *DEFAULT_JSON.values(),
    ],
)
def test_a_format(text: str) -> None:
    assert not_a_format(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("100%", "character 4 begins no operator"),
        ("%", "write `%%`"),
        ("%%%", "character 3"),
        ("%protocol%", "begins no operator"),
        ("%REQ(a)", "begins no operator"),
        ("%REQ(a):x%", "begins no operator"),
        ("%FOO%", "`%FOO%` is not an operator"),
        ("%PROTOKOL%", "did you mean `%PROTOCOL%`?"),
        ("%PROTOCOL(a)%", "without anything in parentheses"),
        ("%PROTOCOL:3%", "takes no maximum length"),
        ("%REQ%", "`%REQ(X-NAME)%`"),
        ("%REQ()%", "must be like"),
        ("%REQ(a b)%", "must be like"),
        ("%REQ(é)%", "must be like"),
        ("%REQ(a?b?c)%", "must be like"),
        ("%REQ(a):18446744073709551616%", "too large"),
        ("%FILTER_STATE(k:X)%", "must be like"),
        ("%METADATA(route:a)%", "must be like"),
        ("%CEL(request.in)%", "must be like"),
        ("%CEL(()%", "must be like"),
    ],
)
def test_what_envoy_refuses(text: str, words: str) -> None:
    assert words in (not_a_format(text) or "")
