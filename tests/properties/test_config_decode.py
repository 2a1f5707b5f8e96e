"""Decoding undoes encoding, and a wrong field is always reported at its path and line."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lateen.config.conform import conform
from lateen.config.convert import convert, to_plain
from lateen.config.decode import Invalid, decode, encode
from lateen.config.documents import Malformed, line_of, parse
from lateen.config.kinds import virtual_service as vs
from lateen.config.objects import Metadata
from lateen.config.problems import Path
from lateen.config.schema import schema_of
from lateen.config.values import Duration, Percent, PortSelector, StringMatch

names = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)
texts = st.text(st.sampled_from("aZ09 .-_~/:äß€"), min_size=1, max_size=12)
"""Free texts that Envoy takes wherever they are written."""
ports = st.integers(1, 65535)
durations = st.integers(1, 10**7).map(lambda ms: Duration(milliseconds=ms))
labels = st.dictionaries(names, texts, max_size=2)
percents = st.builds(Percent, value=st.integers(0, 1000).map(lambda tenths: tenths / 10))
conditions = st.one_of(st.builds(StringMatch, exact=texts), st.builds(StringMatch, prefix=texts))
operations = st.builds(vs.HeaderOperations, set=labels, add=labels, remove=st.lists(names, max_size=2).map(tuple))
headers = st.builds(vs.Headers, request=st.none() | operations, response=st.none() | operations)
destinations = st.builds(
    vs.Destination, host=names, subset=st.none() | names, port=st.none() | st.builds(PortSelector, number=ports)
)
routes = st.builds(
    vs.HTTPRouteDestination, destination=destinations, weight=st.integers(1, 100), headers=st.none() | headers
)
matches = st.builds(
    vs.HTTPMatchRequest,
    name=st.none() | texts,
    uri=st.none() | conditions,
    method=st.none() | conditions,
    headers=st.dictionaries(names, conditions, max_size=2),
    without_headers=st.dictionaries(names, st.just(StringMatch()) | conditions, max_size=2),
    query_params=st.dictionaries(texts, conditions, max_size=2),
    ignore_uri_case=st.booleans(),
    port=st.none() | ports,
    source_labels=labels,
    gateways=st.lists(names, max_size=2).map(tuple),
)
retries = st.builds(vs.HTTPRetry, attempts=st.integers(1, 9), per_try_timeout=st.none() | durations)
shared = {
    "name": st.none() | texts,
    "match": st.lists(matches, max_size=3).map(tuple),
    "timeout": st.none() | durations,
    "retries": st.none() | retries,
    "headers": st.none() | headers,
    "mirror": st.none() | destinations,
    "mirror_percentage": st.none() | percents,
}
bodies = st.one_of(
    st.builds(vs.HTTPBody, string=texts), st.builds(vs.HTTPBody, data=st.binary(max_size=8)), st.just(vs.HTTPBody())
)
rules = st.one_of(
    st.builds(vs.HTTPRoute, route=st.lists(routes, min_size=1, max_size=3).map(tuple), **shared),
    st.builds(vs.HTTPRoute, redirect=st.builds(vs.HTTPRedirect, uri=texts, port=st.none() | ports), **shared),
    st.builds(
        vs.HTTPRoute,
        direct_response=st.builds(vs.HTTPDirectResponse, status=st.integers(200, 599), body=st.none() | bodies),
        **shared,
    ),
)
virtual_services = st.builds(
    vs.VirtualService,
    metadata=st.builds(Metadata, name=names, namespace=names, labels=labels, annotations=labels),
    spec=st.builds(
        vs.VirtualServiceSpec,
        hosts=st.lists(names, min_size=1, max_size=3, unique=True).map(tuple),
        http=st.lists(rules, min_size=1, max_size=3).map(tuple),
        export_to=st.lists(st.just("*") | names, max_size=2).map(tuple),
    ),
)


def plain(found: vs.VirtualService) -> dict[str, Any]:
    schema = schema_of(found)
    assert schema is not None
    return encode(found, schema)


def messages(raw: Any, path: Path = ()) -> list[Path]:
    """The paths of the typed messages below `spec`: mappings that are not maps of the user's own keys."""
    if isinstance(raw, list):
        return [found for i, item in enumerate(raw) for found in messages(item, (*path, i))]
    if not isinstance(raw, dict):
        return []
    free = path[-1] in ("set", "add", "sourceLabels", "headers", "withoutHeaders", "queryParams") and (
        path[-1] != "headers" or "match" in path
    )
    return ([] if free else [path]) + [found for key, item in raw.items() for found in messages(item, (*path, key))]


def at(raw: Any, path: Path) -> Any:
    for step in path:
        raw = raw[step]
    return raw


@given(virtual_services)
def test_decode_of_encode_is_the_same(found: vs.VirtualService) -> None:
    assert decode(plain(found)) == found


@given(virtual_services)
def test_both_ways_to_a_struct_agree(found: vs.VirtualService) -> None:
    raw = plain(found)
    cleaned, problems = conform(raw, vs.VirtualService)
    assert problems == []
    assert convert(cleaned, vs.VirtualService) == found


def as_yaml(raw: Any) -> str:
    """All text quoted: the dumper leaves `N` bare, which Kubernetes takes for false."""
    return yaml.safe_dump(raw, allow_unicode=True, default_style='"')


def as_json(raw: Any) -> str:
    return json.dumps(raw, indent="\t")


writers = st.sampled_from([as_yaml, as_json])


@given(virtual_services, writers)
def test_text_in_between_changes_nothing(found: vs.VirtualService, write: Callable[[Any], str]) -> None:
    documents = parse(write(plain(found)))
    assert not isinstance(documents, Malformed), documents
    assert decode(documents[0].raw) == found


@given(virtual_services, st.data())
def test_unknown_fields_are_all_reported_at_their_path_and_line(found: vs.VirtualService, data: st.DataObject) -> None:
    write = data.draw(writers)
    raw = plain(found)
    places = data.draw(st.lists(st.sampled_from(messages(raw["spec"], ("spec",))), min_size=1, max_size=3, unique=True))
    for place in places:
        at(raw, place)["zzUnknown"] = {"x": 1}
    text = write(raw)
    documents = parse(text)
    assert not isinstance(documents, Malformed), documents
    decoded = decode(documents[0].raw)
    assert isinstance(decoded, Invalid)
    assert {problem.path for problem in decoded.problems} == {(*place, "zzUnknown") for place in places}
    lines = text.split("\n")
    assert all("zzUnknown" in lines[line_of(text, documents[0], p.path) - 1] for p in decoded.problems)


@given(virtual_services, st.sampled_from([[], {}, 1.5, True, "text"]))
def test_a_wrong_type_is_reported_at_its_path(found: vs.VirtualService, wrong: Any) -> None:
    raw = plain(found)
    raw["spec"]["http"][0]["timeout"] = wrong
    decoded = decode(raw)
    assert isinstance(decoded, Invalid)
    assert [problem.path for problem in decoded.problems] == [("spec", "http", 0, "timeout")]


@given(st.integers(0, 9_223_372_035 * 10**6))
def test_durations_survive_their_text(microseconds: int) -> None:
    duration = Duration(microseconds=microseconds)
    assert abs(Duration.parse(str(duration)) - duration) <= timedelta(microseconds=1)


@given(virtual_services)
def test_objects_are_equal_by_value(found: vs.VirtualService) -> None:
    assert msgspec.structs.replace(found) == found
    assert to_plain(found.renamed("elsewhere", "other"))["metadata"]["name"] == "other"
