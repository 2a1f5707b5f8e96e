"""Conversations as tables: what a client or the control plane does, and what the client is sent for it.

    CDS                     the first request of a type, without names
    EDS +a +b               subscribe; `-a` unsubscribe; `a@1` in the first request: the client brings version 1 of a
    CDS version(a=1 b=1)    the client brings the version of that offer
    CDS ok / CDS no: why    answer the type's last response
    CDS ok 1                answer the response of that nonce
    offer CDS a=1 b=1 / …   what is offered from now on, types left out unchanged
    release                 the client has had long enough

A response is written `CDS a b -c`: resources, then what is removed. EDS names that are not offered get an empty
assignment. Scripts that run in both variants say what changes for the client: of a response that is everything the
client is to have, only what differs from what it has is written. In scripts of one variant a response is written as it
is, with contents (`a=1`) where the script has them.
"""

import re
from collections.abc import Iterator, Mapping

import pytest
from envoy.service.discovery.v3.discovery_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
)

from lateen.xds.resource import ENDPOINT, SHORT_NAMES, Offer, Resource
from lateen.xds.stream import AdsStream
from lateen.xds.update import Response, Updates
from lateen.xds.variant import DELTA, STATE_OF_THE_WORLD, VARIANTS, Removal, Variant
from lateen.xds.wire import version_text

URLS = {short: url for url, short in SHORT_NAMES.items()} | {"ECDS": "type.googleapis.com/x.TypedExtensionConfig"}
NAMES = {url: short for short, url in URLS.items()}


def resource(name: str, content: str) -> Resource:
    return Resource(name, (f"{name}={content}".encode(),))


class Conversation:
    """A stream, and a client that remembers what it needs for its next request. What it is sent it may refuse."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.stream = AdsStream(variant, Updates())
        self.nonces: dict[str, str] = {}
        self.answered: dict[str, str] = {}
        self.wanted: dict[str, list[str]] = {}

    def do(self, action: str) -> list[Response]:
        if action == "release":
            return self.stream.release()
        if action.startswith("offer "):
            return self.stream.offer(dict(_offers(action.removeprefix("offer "))))
        type_name, _, rest = action.partition(" ")
        request = self._delta(URLS[type_name], rest) if self.variant is DELTA else self._world(URLS[type_name], rest)
        return self.stream.receive(self.variant.request(request.SerializeToString()))

    def note(self, message: DeltaDiscoveryResponse | DiscoveryResponse) -> None:
        self.nonces[message.type_url] = message.nonce

    def _delta(self, url: str, text: str) -> DeltaDiscoveryRequest:
        request = DeltaDiscoveryRequest(type_url=url)
        if self._answers(request, text):
            return request
        for word in text.split():
            if word.startswith("+"):
                request.resource_names_subscribe.append(word[1:])
            elif word.startswith("-"):
                request.resource_names_unsubscribe.append(word[1:])
            else:
                name, content = word.split("@")
                request.initial_resource_versions[name] = version_text(resource(name, content).version)
        return request

    def _world(self, url: str, text: str) -> DiscoveryRequest:
        request = DiscoveryRequest(type_url=url)
        wanted = self.wanted.setdefault(url, [])
        if not self._answers(request, text):
            request.response_nonce = self.answered.get(url, "")
            brought = re.search(r"version\((.*)\)", text)
            if brought:
                request.version_info = version_text(Offer(_resources(brought[1])).version)
                text = text.replace(brought[0], "")
            for word in text.split():
                if word.startswith("+"):
                    wanted.append(word[1:])
                else:
                    wanted.remove(word[1:])
        request.resource_names.extend(wanted)
        return request

    def _answers(self, request: DeltaDiscoveryRequest | DiscoveryRequest, text: str) -> bool:
        answer, _, more = text.partition(" ")
        if answer not in ("ok", "no:"):
            return False
        request.response_nonce = self.answered[request.type_url] = self.nonces[request.type_url]
        if answer == "no:":
            request.error_detail.message = more
        elif more:
            request.response_nonce = more
        return True


class Holding:
    """What the client has, to tell what a response changes for it."""

    def __init__(self) -> None:
        self.now: dict[str, dict[str, str]] = {}
        self.before: dict[str, dict[str, str]] = {}

    def shown(self, message: DiscoveryResponse, contents: Mapping[str, str]) -> list[str]:
        """Of a response that is everything: what is new to the client, and what it loses."""
        had = self.now.get(message.type_url, {})
        self.before[message.type_url], self.now[message.type_url] = had, dict(contents)
        new = [name for name, content in contents.items() if had.get(name) != content]
        return new + [f"-{name}" for name in had if name not in contents]

    def refused(self, type_url: str, error: str) -> None:
        """All of the last response, or if the error names them the resources that it names."""
        before, now = self.before.get(type_url, {}), self.now.get(type_url, {})
        named = [name for name in now if f"{name}:" in error]
        self.now[type_url] = {name: text for name, text in now.items() if name not in named} if named else before


def _offers(text: str) -> Iterator[tuple[str, Offer]]:
    for part in text.split("/"):
        type_name, _, items = part.strip().partition(" ")
        otherwise = (lambda name: resource(name, "")) if URLS[type_name] == ENDPOINT else None
        yield URLS[type_name], Offer(_resources(items), otherwise)


def _resources(text: str) -> list[Resource]:
    return [resource(*item.split("=")) for item in text.split()]


SCRIPTS = {
    "everything in order": """
        offer CDS a=1 / EDS a=1 / LDS l=1 / RDS r=1
        CDS                         -> CDS a
        EDS +a                      -> EDS a
        CDS ok
        EDS ok
        LDS                         -> LDS l
        RDS +r                      -> RDS r
        LDS ok
        RDS ok
    """,
    "a type asked for before it is offered is answered when it is": """
        CDS
        offer CDS a=1               -> CDS a
    """,
    "an empty wildcard is answered": """
        offer CDS
        CDS                         -> CDS
        CDS ok
        offer CDS a=1               -> CDS a
    """,
    "a first request of a named type without names asks for nothing": """
        offer EDS a=1
        EDS
        EDS +a                      -> EDS a
    """,
    "names of a wildcard type": """
        offer CDS a=1 b=1
        CDS +b                      -> CDS b
        CDS ok
        offer CDS a=2 b=2           -> CDS b
    """,
    "changes coalesce while an answer is awaited": """
        offer CDS a=1
        CDS                         -> CDS a
        offer CDS a=2
        offer CDS a=2 b=1
        offer CDS a=3 b=1
        CDS ok                      -> CDS a b
        CDS ok
        offer CDS a=3 b=1
    """,
    "a change that is taken back meanwhile is not sent": """
        offer CDS a=1
        CDS                         -> CDS a
        offer CDS a=2
        offer CDS a=1
        CDS ok
    """,
    "names asked for meanwhile are sent after the answer": """
        offer EDS a=1 b=1
        EDS +a                      -> EDS a
        EDS +b
        EDS ok                      -> EDS b
    """,
    "a name given up meanwhile is not sent": """
        offer EDS a=1 b=1
        EDS +a                      -> EDS a
        EDS +b
        EDS -b
        EDS ok
        offer EDS a=1 b=2
    """,
    "an answer that is not awaited is ignored": """
        offer CDS a=1
        CDS                         -> CDS a
        offer CDS a=2
        CDS ok 77
        CDS ok                      -> CDS a
        CDS ok 1
    """,
    "only what was subscribed is sent": """
        offer EDS a=1 b=1 c=1
        EDS +a +c                   -> EDS a c
        EDS ok
        offer EDS a=1 b=2 c=1
        offer EDS a=1 b=2 c=2       -> EDS c
    """,
    "a refused version is not sent again until it differs": """
        offer CDS a=1
        CDS                         -> CDS a
        CDS ok
        offer CDS a=bad             -> CDS a
        CDS no: wrong
        offer CDS a=bad b=1         -> CDS b
        CDS ok
        offer CDS a=good b=1        -> CDS a
    """,
    "a refusal without names is narrowed down": """
        offer CDS a=1 b=bad c=1 d=1
        CDS                         -> CDS a b c d
        CDS no: something           -> CDS a b
        CDS no: something           -> CDS a
        CDS ok                      -> CDS b
        CDS no: something           -> CDS c d
        CDS ok
        offer CDS a=1 b=2 c=1 d=1   -> CDS b
    """,
    "a refusal that names its cause is believed": """
        offer LDS l=1 m=bad
        LDS                         -> LDS l m
        LDS no: Error adding/updating listener(s) m: wrong
        offer LDS l=1 m=2           -> LDS m
    """,
    "a removal waits until nothing uses it": """
        offer CDS a=1 / EDS a=1 / LDS l=1 / RDS r=a
        CDS                         -> CDS a
        EDS +a                      -> EDS a
        LDS                         -> LDS l
        RDS +r                      -> RDS r
        CDS ok
        EDS ok
        LDS ok
        RDS ok
        offer CDS b=1 / EDS b=1 / RDS r=b -> CDS b
        EDS +b                      -> EDS b
        CDS ok                      -> RDS r
        EDS ok
        RDS ok                      -> CDS -a
        EDS -a
        CDS ok
    """,
    "a removal alone goes at once": """
        offer CDS a=1 b=1
        CDS                         -> CDS a b
        CDS ok
        offer CDS a=1               -> CDS -b
    """,
    "what a refused listener uses stays": """
        offer CDS a=1 / LDS l=a
        CDS                         -> CDS a
        CDS ok
        LDS                         -> LDS l
        LDS ok
        offer CDS b=1 / LDS l=bad   -> CDS b
        CDS ok                      -> LDS l
        LDS no: wrong
        offer LDS l=b               -> LDS l
        LDS ok                      -> CDS -a
    """,
    "routes and listeners wait for clusters to be accepted": """
        offer CDS a=1 / LDS l=1 / RDS r=1
        CDS                         -> CDS a
        CDS ok
        LDS                         -> LDS l
        LDS ok
        RDS +r                      -> RDS r
        RDS ok
        offer CDS a=2 / LDS l=2 / RDS r=2 -> CDS a
        CDS ok                      -> LDS l | RDS r
    """,
    "but not for ever": """
        offer CDS a=1 / RDS r=1
        CDS                         -> CDS a
        RDS +r                      -> RDS r
        RDS ok
        offer CDS a=2 / RDS r=2
        release                     -> CDS a | RDS r
        CDS ok 1
        CDS ok
    """,
    "an updated cluster gets its load assignment again": """
        offer CDS a=1 b=1 / EDS a=1 b=1
        CDS                         -> CDS a b
        EDS +a +b                   -> EDS a b
        CDS ok
        EDS ok
        offer CDS a=2 b=1           -> CDS a | EDS a
    """,
}

DELTA_ONLY = {
    "explicit wildcard with a name": """
        offer CDS a=1 b=1
        CDS +* +x                   -> CDS a b -x
        CDS ok
        offer CDS a=1 b=1 x=1       -> CDS x
    """,
    "a legacy wildcard is left by name": """
        offer CDS a=1 b=1
        CDS                         -> CDS a b
        CDS ok
        CDS +b -*                   -> CDS b
        CDS ok
        offer CDS a=2 b=2           -> CDS b
    """,
    "starting with nothing": """
        offer CDS a=1
        CDS +* -*
        CDS +a                      -> CDS a
    """,
    "wildcard after names sends everything": """
        offer CDS a=1 b=1
        CDS +a                      -> CDS a
        CDS ok
        CDS +*                      -> CDS a b
    """,
    "a name given up under a wildcard is sent again": """
        offer CDS a=1
        CDS +* +a +x                -> CDS a -x
        CDS ok
        CDS -a                      -> CDS a
        CDS ok
        CDS -x                      -> CDS -x
    """,
    "a name asked for again is sent again": """
        offer RDS r=1
        RDS +r                      -> RDS r
        RDS ok
        RDS +r                      -> RDS r
    """,
    "unknown names: an empty resource if there is one, else removed": """
        offer EDS / RDS
        EDS +a                      -> EDS a
        RDS +r                      -> RDS -r
        RDS ok
        offer RDS r=1               -> RDS r
        EDS ok
        offer EDS a=1               -> EDS a
    """,
    "a type that is offered empty has no names": """
        offer ECDS
        ECDS +x                     -> ECDS -x
    """,
    "what comes back before it is removed stays": """
        offer CDS a=1 b=1 / LDS l=1
        CDS                         -> CDS a b
        CDS ok
        LDS                         -> LDS l
        LDS ok
        offer CDS a=1 / LDS l=2     -> LDS l
        offer CDS a=1 b=1           -> CDS b
        CDS ok
        LDS ok
    """,
    "a client that comes back gets what differs": """
        offer CDS a=2 b=1 c=1 / EDS a=1 b=1 c=1 / LDS l=1 / RDS r=1
        CDS a@1 b@1 gone@1          -> CDS a c
        EDS +a +b a@1 b@1           -> EDS a
        LDS l@1
        RDS +r r@1
        EDS ok
        CDS ok                      -> LDS
        LDS ok                      -> CDS -gone
    """,
    "a client that comes back with everything is told so": """
        offer CDS a=1 / EDS a=1 / RDS r=1
        CDS a@1                     -> CDS
        EDS +a a@1
        RDS +r r@1
    """,
    "load assignments asked for before clusters are not taken for known": """
        offer CDS a=1 / EDS a=1
        EDS +a a@1                  -> EDS a
        CDS a@1                     -> CDS
    """,
    "a client that comes back keeps what its listeners may use": """
        offer CDS b=1 / LDS l=b
        CDS a@1                     -> CDS b
        CDS ok
        LDS l@a                     -> LDS l
        LDS ok
        release                     -> CDS -a
    """,
}

STATE_OF_THE_WORLD_ONLY = {
    "clusters and listeners are sent whole, other types not": """
        offer CDS a=1 b=1 / EDS a=1 b=1
        CDS                         -> CDS a b
        CDS ok
        EDS +a +b                   -> EDS a b
        EDS ok
        offer EDS a=2 b=1           -> EDS a
        EDS ok
        offer CDS a=1 b=2           -> CDS a b | EDS b
    """,
    "named clusters are sent whole too": """
        offer CDS a=1 b=1 c=1
        CDS +a                      -> CDS a
        CDS ok
        CDS +b                      -> CDS a b
        CDS ok
        offer CDS a=2 b=1 c=2       -> CDS a b
        CDS ok
        CDS -a
        offer CDS a=3 b=1
        offer CDS a=3 b=2           -> CDS b
    """,
    "a wildcard that was never spoken stays while no name is": """
        offer CDS a=1
        CDS                         -> CDS a
        CDS ok
        CDS
        offer CDS a=2               -> CDS a
    """,
    "a wildcard that was never spoken is left by name": """
        offer CDS a=1 b=1
        CDS                         -> CDS a b
        CDS ok
        CDS +b                      -> CDS b
        CDS ok
        CDS -b
        offer CDS a=2 b=2
    """,
    "a spoken wildcard is given up like a name": """
        offer CDS a=1 b=1
        CDS +* +x                   -> CDS a b
        CDS ok
        CDS -x
        offer CDS a=1 b=2           -> CDS a b
        CDS ok
        CDS -*
        offer CDS a=1 b=3
    """,
    "wildcard after names sends everything": """
        offer CDS a=1 b=1
        CDS +a                      -> CDS a
        CDS ok
        CDS +*                      -> CDS a b
    """,
    "the last clusters are removed by an empty response": """
        offer CDS a=1
        CDS                         -> CDS a
        CDS ok
        offer CDS                   -> CDS
    """,
    "that a route is gone cannot be told": """
        offer RDS r=1
        RDS +r +x                   -> RDS r
        RDS ok
        offer RDS
        offer RDS r=2               -> RDS r
    """,
    "a load assignment that is gone becomes empty": """
        offer EDS a=1
        EDS +a                      -> EDS a
        EDS ok
        offer EDS                   -> EDS a
    """,
    "a type that is offered empty is not answered": """
        offer ECDS
        ECDS +x
    """,
    "what was refused is sent as it was before": """
        offer CDS a=1 b=1
        CDS                         -> CDS a=1 b=1
        CDS ok
        offer CDS a=bad b=1         -> CDS a=bad b=1
        CDS no: wrong
        offer CDS a=bad b=2         -> CDS b=2 a=1
        CDS ok
        offer CDS a=worse b=2       -> CDS a=worse b=2
        CDS no: wrong
        offer CDS a=worse b=3       -> CDS b=3 a=1
        CDS ok
        offer CDS a=2 b=3           -> CDS a=2 b=3
        CDS ok
        offer CDS a=2 b=4           -> CDS a=2 b=4
    """,
    "what never was accepted is left out": """
        offer CDS a=bad
        CDS                         -> CDS a
        CDS no: wrong
        offer CDS a=bad b=1         -> CDS b
        CDS ok
        offer CDS b=2               -> CDS b
    """,
    "what is gone but in use is sent on": """
        offer CDS a=1 / LDS l=a
        CDS                         -> CDS a
        CDS ok
        LDS                         -> LDS l
        LDS ok
        offer CDS b=1 / LDS l=b     -> CDS b a
        CDS ok                      -> LDS l
        LDS ok                      -> CDS b
    """,
    "while the cause of a refusal is looked for, the rest is as before": """
        offer CDS a=1 b=1
        CDS                         -> CDS a=1 b=1
        CDS ok
        offer CDS a=2 b=bad         -> CDS a=2 b=bad
        CDS no: something           -> CDS a=2 b=1
        CDS ok                      -> CDS a=2 b=bad
        CDS no: something
        offer CDS a=3 b=bad         -> CDS a=3 b=1
    """,
    "a client that comes back gets everything": """
        offer CDS a=1 b=1 / EDS a=1
        CDS version(a=1 b=1)        -> CDS a b
        EDS +a version(a=1)         -> EDS a
    """,
}


def _run(variant: Variant, script: str, *, relative: bool = False) -> None:
    conversation, holding = Conversation(variant), Holding()
    for line in filter(None, map(str.strip, script.splitlines())):
        action, _, expected = (part.strip() for part in re.sub(" +", " ", line).partition("->"))
        responses = conversation.do(action)
        if " no: " in action:
            type_name, _, error = action.partition(" no: ")
            holding.refused(URLS[type_name], error)
        shown = []
        for response in responses:
            message = _message(variant, response)
            conversation.note(message)
            words = _words(message, with_contents="=" in expected)
            if relative and variant.removal(response.type_url) is Removal.BY_ABSENCE:
                words = holding.shown(message, dict(item.split("=") for item in _words(message, with_contents=True)))
            shown.append(" ".join((NAMES[response.type_url], *words)))
        assert shown == ([part.strip() for part in expected.split("|")] if expected else []), line


def _message(variant: Variant, response: Response) -> DeltaDiscoveryResponse | DiscoveryResponse:
    return (DeltaDiscoveryResponse if variant is DELTA else DiscoveryResponse).FromString(response.message.body)


def _words(message: DeltaDiscoveryResponse | DiscoveryResponse, *, with_contents: bool) -> list[str]:
    """Names, with contents or without; what is removed with a minus before it. A body is `name=content`."""
    bodies = [_any(each).decode() for each in message.resources]
    removed = getattr(message, "removed_resources", ())
    return [body if with_contents else body.partition("=")[0] for body in bodies] + [f"-{name}" for name in removed]


def _any(entry: object) -> bytes:
    return getattr(entry, "resource", entry).value


@pytest.mark.parametrize("variant", VARIANTS, ids=["delta", "state of the world"])
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_conversation(script: str, variant: Variant) -> None:
    _run(variant, script, relative=True)


@pytest.mark.parametrize("script", DELTA_ONLY.values(), ids=DELTA_ONLY.keys())
def test_delta_conversation(script: str) -> None:
    _run(DELTA, script)


@pytest.mark.parametrize("script", STATE_OF_THE_WORLD_ONLY.values(), ids=STATE_OF_THE_WORLD_ONLY.keys())
def test_state_of_the_world_conversation(script: str) -> None:
    _run(STATE_OF_THE_WORLD, script)
