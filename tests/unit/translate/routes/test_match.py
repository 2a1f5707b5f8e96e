"""Each kind of match condition, as Envoy gets it."""

from typing import Any

import pytest
import yaml
from google.protobuf.json_format import MessageToDict

from lateen.config.convert import convert
from lateen.config.kinds.virtual_service import HTTPMatchRequest
from lateen.translate.routes.match import is_catch_all, path_pattern, route_match


def match_of(text: str) -> HTTPMatchRequest:
    found = convert(yaml.safe_load(text), HTTPMatchRequest)
    assert isinstance(found, HTTPMatchRequest), found
    return found


def translated(text: str) -> dict[str, Any]:
    return MessageToDict(route_match(match_of(text)), preserving_proto_field_name=True)


ALL = {"prefix": "/"}


def with_header(**matcher: object) -> dict[str, Any]:
    return {**ALL, "headers": [matcher]}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("uri: {exact: /a}", {"path": "/a"}),
        ("uri: {prefix: /a}", {"prefix": "/a"}),
        ("uri: {regex: '/a.*'}", {"safe_regex": {"regex": "/a.*"}}),
        ("{uri: {prefix: /a}, ignoreUriCase: true}", {"prefix": "/a", "case_sensitive": False}),
        ("method: {exact: GET}", with_header(name=":method", string_match={"exact": "GET"})),
        ("authority: {prefix: shop.}", with_header(name=":authority", string_match={"prefix": "shop."})),
        ("scheme: {exact: https}", with_header(name=":scheme", string_match={"exact": "https"})),
        ("headers: {end-user: {exact: jason}}", with_header(name="end-user", string_match={"exact": "jason"})),
        ("headers: {end-user: {prefix: ja}}", with_header(name="end-user", string_match={"prefix": "ja"})),
        (
            "headers: {end-user: {regex: 'j.*'}}",
            with_header(name="end-user", string_match={"safe_regex": {"regex": "j.*"}}),
        ),
        ("headers: {end-user: {}}", with_header(name="end-user", present_match=True)),
        ("headers: {end-user: {regex: '*'}}", with_header(name="end-user", present_match=True)),
        ("withoutHeaders: {end-user: {}}", with_header(name="end-user", present_match=True, invert_match=True)),
        (
            "withoutHeaders: {end-user: {exact: jason}}",
            with_header(
                name="end-user",
                string_match={"exact": "jason"},
                invert_match=True,
                treat_missing_header_as_empty=True,
            ),
        ),
        (
            "queryParams: {q: {exact: '1'}}",
            {**ALL, "query_parameters": [{"name": "q", "string_match": {"exact": "1"}}]},
        ),
        ("queryParams: {q: {}}", {**ALL, "query_parameters": [{"name": "q", "present_match": True}]}),
        ("name: nothing else", ALL),
    ],
)
def test_each_condition(written: str, expected: dict[str, Any]) -> None:
    assert translated(written) == expected


def test_conditions_on_headers_come_by_name_and_request_line_last() -> None:
    found = translated("{method: {exact: GET}, headers: {b: {}, a: {}}, withoutHeaders: {c: {}}}")
    assert [header["name"] for header in found["headers"]] == ["a", "b", "c", ":method"]


@pytest.mark.parametrize("name", ["@request.auth.claims.realm.role", "@request.auth.claims[realm][role]"])
def test_a_claim_is_looked_for_in_the_verified_token(name: str) -> None:
    claim = translated(f"headers: {{'{name}': {{exact: admin}}}}")["dynamic_metadata"][0]
    admin = {"string_match": {"exact": "admin"}}
    assert claim == {
        "filter": "envoy.filters.http.jwt_authn",
        "path": [{"key": "payload"}, {"key": "realm"}, {"key": "role"}],
        "value": {"or_match": {"value_matchers": [{"list_match": {"one_of": admin}}, admin]}},
    }


@pytest.mark.parametrize("written", ["uri: {prefix: /}", "uri: {regex: '.*'}", "{}", "{ignoreUriCase: true}"])
def test_a_match_of_every_path_without_conditions_catches_all(written: str) -> None:
    assert is_catch_all(route_match(match_of(written)))


@pytest.mark.parametrize(
    "written",
    ["uri: {prefix: /a}", "uri: {exact: /}", "headers: {a: {}}", "queryParams: {a: {}}", "method: {exact: GET}"],
)
def test_a_match_with_a_condition_does_not(written: str) -> None:
    assert not is_catch_all(route_match(match_of(written)))


@pytest.mark.parametrize(
    ("written", "pattern"),
    [("uri: {exact: /a}", "/a"), ("uri: {prefix: /a}", "/a*"), ("uri: {regex: '/a.+'}", "/a.+"), ("{}", "/*")],
)
def test_paths_as_people_write_them(written: str, pattern: str) -> None:
    assert path_pattern(route_match(match_of(written))) == pattern
