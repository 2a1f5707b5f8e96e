"""Conversations as tables: what a client or the control plane does, and what the client is sent for it.

    CDS                     the first request of a type, without names
    EDS +a +b               subscribe; `-a` unsubscribe; `a@1` in the first request: the client brings version 1 of a
    CDS ok / CDS no: why    answer the type's last response
    CDS ok 1                answer the response of that nonce
    offer CDS a=1 b=1 / …   what is offered from now on, types left out unchanged
    release                 the client has had long enough

A response is written `CDS a b -c`: resources, then what is removed. EDS names that are not offered get an empty
assignment.
"""

import re
from collections.abc import Iterator

import pytest
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

from lateen.xds.resource import ENDPOINT, SHORT_NAMES, Offer, Resource
from lateen.xds.stream import AdsStream
from lateen.xds.update import Updates
from lateen.xds.wire import version_text

URLS = {short: url for url, short in SHORT_NAMES.items()} | {"ECDS": "type.googleapis.com/x.TypedExtensionConfig"}
NAMES = {url: short for short, url in URLS.items()}


def resource(name: str, content: str) -> Resource:
    return Resource(name, (content.encode(),))


class Conversation:
    """A stream, and the memory of the last nonce of each type."""

    def __init__(self) -> None:
        self.stream = AdsStream(Updates())
        self.nonces: dict[str, str] = {}

    def do(self, action: str) -> list[str]:
        if action == "release":
            return self._shown(self.stream.release())
        if action.startswith("offer "):
            return self._shown(self.stream.offer(dict(_offers(action.removeprefix("offer ")))))
        return self._shown(self.stream.receive(self._request(action)))

    def _request(self, action: str) -> DeltaDiscoveryRequest:
        type_name, *words = action.split()
        url = URLS[type_name]
        request = DeltaDiscoveryRequest(type_url=url)
        if words and words[0] in ("ok", "no:"):
            request.response_nonce = self.nonces[url]
            if words[0] == "no:":
                request.error_detail.message = " ".join(words[1:])
            elif words[1:]:
                request.response_nonce = words[1]
            return request
        for word in words:
            if word.startswith("+"):
                request.resource_names_subscribe.append(word[1:])
            elif word.startswith("-"):
                request.resource_names_unsubscribe.append(word[1:])
            else:
                name, content = word.split("@")
                request.initial_resource_versions[name] = version_text(resource(name, content).version)
        return request

    def _shown(self, responses: list) -> list[str]:
        shown = []
        for response in responses:
            message = DeltaDiscoveryResponse.FromString(b"".join(response.pieces))
            self.nonces[message.type_url] = message.nonce
            words = [each.name for each in message.resources] + ["-" + name for name in message.removed_resources]
            shown.append(" ".join((NAMES[message.type_url], *words)))
        return shown


def _offers(text: str) -> Iterator[tuple[str, Offer]]:
    for part in text.split("/"):
        type_name, *items = part.split()
        resources = [resource(*item.split("=")) for item in items]
        otherwise = (lambda name: resource(name, "")) if URLS[type_name] == ENDPOINT else None
        yield URLS[type_name], Offer(resources, otherwise)


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
    "explicit wildcard with a name": """
        offer CDS a=1 b=1
        CDS +* +x                   -> CDS a b -x
        CDS ok
        offer CDS a=1 b=1 x=1       -> CDS x
    """,
    "names of a wildcard type": """
        offer CDS a=1 b=1
        CDS +b                      -> CDS b
        CDS ok
        offer CDS a=2 b=2           -> CDS b
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


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_conversation(script: str) -> None:
    conversation = Conversation()
    for line in filter(None, map(str.strip, script.splitlines())):
        action, _, expected = re.sub(" +", " ", line).partition(" ->")
        wanted = [part.strip() for part in expected.split("|")] if expected else []
        assert conversation.do(action.strip()) == wanted, line
