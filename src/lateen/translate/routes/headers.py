"""Header operations of a VirtualService -> what Envoy adds and removes, and the Host that a request is given.

Source: Istio, Headers. `host` and names that begin with `:` are no headers to Envoy; on a request they set its
authority.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption

from lateen.config.kinds.virtual_service import HeaderOperations, Headers

_SET = HeaderValueOption.HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD
_ADD = HeaderValueOption.HeaderAppendAction.APPEND_IF_EXISTS_OR_ADD


class _HeaderList(Protocol):
    def extend(self, values: Iterable[HeaderValueOption], /) -> None: ...


class _NameList(Protocol):
    def extend(self, values: Iterable[str], /) -> None: ...


class ChangesHeaders(Protocol):
    """A Route, or a cluster of a weighted one: messages whose four lists have the same names."""

    @property
    def request_headers_to_add(self) -> _HeaderList: ...
    @property
    def request_headers_to_remove(self) -> _NameList: ...
    @property
    def response_headers_to_add(self) -> _HeaderList: ...
    @property
    def response_headers_to_remove(self) -> _NameList: ...


def apply_headers(out: ChangesHeaders, headers: Headers | None) -> None:
    """Append the operations to the message's own: `set` before `add`, each by name."""
    if headers is None:
        return
    if headers.request is not None:
        out.request_headers_to_add.extend(_additions(headers.request))
        out.request_headers_to_remove.extend(_removals(headers.request))
    if headers.response is not None:
        out.response_headers_to_add.extend(_additions(headers.response))
        out.response_headers_to_remove.extend(_removals(headers.response))


def authority(headers: Headers | None) -> str | None:
    """The Host that the operations give a request; None leaves it as it is."""
    if headers is None or headers.request is None:
        return None
    given = {**headers.request.set, **headers.request.add}
    return next((value for name, value in sorted(given.items()) if name.lower() in (":authority", "host")), None)


def _additions(operations: HeaderOperations) -> list[HeaderValueOption]:
    return [*_options(operations.set, _SET), *_options(operations.add, _ADD)]


def _options(
    values: Mapping[str, str], action: HeaderValueOption.HeaderAppendAction.ValueType
) -> Iterable[HeaderValueOption]:
    for name, value in sorted(values.items()):
        if _is_header(name):
            yield HeaderValueOption(header=HeaderValue(key=name, value=value), append_action=action)


def _removals(operations: HeaderOperations) -> list[str]:
    return [name for name in operations.remove if _is_header(name)]


def _is_header(name: str) -> bool:
    return not name.startswith(":") and name.lower() != "host"
