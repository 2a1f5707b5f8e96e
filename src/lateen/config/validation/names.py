"""Names, hosts, ports and addresses as they appear in many kinds.

Functions named `not_…` answer what is wrong with a value, or None. Those that answer `Problem`s take the field's path.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from ipaddress import ip_network

from lateen.common.hosts import is_address
from lateen.config.problems import Path, Problem

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_HOST_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)
_OBJECT_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~:-]+")
_LINE_BREAK = re.compile(r"[\0\r\n]")
MAX_NAME = 253
MAX_HEADER_BYTES = 16384
MAX_PORT = 65535


def not_an_object_name(name: str) -> str | None:
    if len(name) <= MAX_NAME and _OBJECT_NAME.fullmatch(name):
        return None
    return f"`{name}` cannot name an object: use lower-case letters, digits, `-` and `.`, at most {MAX_NAME} characters"


def not_a_label(name: str) -> str | None:
    """A DNS label: the name of a namespace, a subset, a port."""
    if _LABEL.fullmatch(name):
        return None
    return f"`{name}` is not a DNS label: use lower-case letters, digits and `-`, at most 63 characters"


def not_a_host(host: str, *, wildcard: bool = True) -> str | None:
    """A DNS name; with `wildcard`, also `*` and `*.example.com`."""
    if not host:
        return "must not be empty"
    name = host
    if host.startswith("*"):
        if not wildcard:
            return f"`{host}` must be one host, without `*`"
        if host == "*":
            return None
        if not host.startswith("*."):
            return f"`{host}` is not a host: a `*` stands for whole labels at the front, as in `*.example.com`"
        name = host[2:]
    labels = name.removesuffix(".").split(".")
    if len(name) > MAX_NAME or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        return (
            f"`{host}` is not a DNS name: labels of letters, digits and `-`, joined by dots, such as `reviews.default`"
        )
    return None


def not_a_host_or_address(host: str, *, wildcard: bool = True) -> str | None:
    wrong = not_a_host(host, wildcard=wildcard)
    return None if wrong is None or is_address(host) else wrong


def not_an_address(text: str) -> str | None:
    """An IP address; an IPv6 address with a zone is none that Envoy could use."""
    if is_address(text) and "%" not in text:
        return None
    return f"`{text}` is not an IP address, such as `10.1.2.3`"


def not_a_port(number: int) -> str | None:
    return None if 1 <= number <= MAX_PORT else f"{number} is not a port: use 1 to {MAX_PORT}"


def not_a_subnet(subnet: str) -> str | None:
    try:
        ip_network(subnet, strict=False)
    except ValueError:
        return f"`{subnet}` is neither an address nor a range such as `10.0.0.0/8`"
    return None


def not_a_header(name: str) -> str | None:
    if not _HEADER_NAME.fullmatch(name):
        return f"`{name}` is not a header name: use letters, digits and `-`, such as `x-user`"
    if len(name) > MAX_HEADER_BYTES:
        return f"is longer than {MAX_HEADER_BYTES} bytes"
    return None


def not_one_line(text: str) -> str | None:
    """Text that becomes part of a request's or response's head cannot go on after a line break."""
    if _LINE_BREAK.search(text):
        return "has a line break or a zero byte; write it in one line"
    return None


def not_a_header_text(text: str) -> str | None:
    """What is sent as a header, or as a part of one."""
    if len(text.encode()) > MAX_HEADER_BYTES:
        return f"is longer than {MAX_HEADER_BYTES} bytes"
    return not_one_line(text)


def check(path: Path, wrong: str | None) -> Iterator[Problem]:
    """The problem of a field, if it has one."""
    if wrong:
        yield Problem(path, wrong)


def duplicates(path: Path, values: Sequence[str], what: str, *, key: str = "") -> Iterator[Problem]:
    """A problem at each value that an earlier one has too; `key` is the field of the list's items that holds it."""
    first: dict[str, int] = {}
    for position, value in enumerate(values):
        if value in first and value:
            at = (*path, position, key) if key else (*path, position)
            yield Problem(at, f"{what} `{value}` is there already, at position {first[value]}; each must be different")
        first.setdefault(value, position)


def export_to(path: Path, values: Collection[str]) -> Iterator[Problem]:
    """`.`, `*`, `~` or namespaces."""
    for position, value in enumerate(values):
        if value not in (".", "*", "~") and not_a_label(value):
            yield Problem(
                (*path, position), f"`{value}` must be `.` (this namespace), `*` (all), `~` (none) or a namespace"
            )


def gateway_names(path: Path, names: Collection[str]) -> Iterator[Problem]:
    """`mesh`, `name`, `namespace/name`, `./name`, or the older `name.namespace.svc.cluster.local`."""
    for position, name in enumerate(names):
        namespace, slash, own = name.rpartition("/")
        wrong_namespace = slash and namespace != "." and not_a_label(namespace)
        if wrong_namespace or not_an_object_name(own):
            yield Problem((*path, position), f"`{name}` must be `mesh`, a Gateway's name, or `namespace/name`")


def labels(path: Path, values: Collection[str]) -> Iterator[Problem]:
    """Keys of labels: `[prefix/]name`."""
    for key in values:
        name = key.rpartition("/")[2]
        if not re.fullmatch(r"[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?", name):
            yield Problem((*path, key), f"`{key}` is not a label: use letters, digits, `-`, `_` and `.`")
