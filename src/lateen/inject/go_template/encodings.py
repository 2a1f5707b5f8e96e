"""Functions that write values as text of another notation, or read it."""

import base64
import binascii
import hashlib
import json
from typing import Any

import yaml

from lateen.inject.go_template import values
from lateen.inject.go_template.errors import Refused
from lateen.inject.go_template.functions import Functions, function

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_DIGITS_OF_A_LINE = 2**31 - 1


def to_yaml(value: Any) -> str:
    """YAML with sorted keys and a final newline."""
    text: str = yaml.dump(
        values.plain(value), Dumper=_DUMPER, default_flow_style=False, allow_unicode=True, width=_DIGITS_OF_A_LINE
    )
    return text.removesuffix("...\n")


def to_json(value: Any) -> str:
    """JSON with sorted keys, as Go writes it."""
    text = json.dumps(values.plain(value), separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    for plain, escaped in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(plain, escaped)
    return text


def to_pretty_json(value: Any) -> str:
    return json.dumps(values.plain(value), indent=2, sort_keys=True, ensure_ascii=False)


def from_json(text: str) -> Any:
    """The value, or nothing where the text is no JSON."""
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()  # half a character has no place in a text: a ValueError
    except (ValueError, RecursionError):
        return None
    return value


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        raise Refused("b64dec: the text is not base64") from None


ENCODINGS: Functions = {
    "b64enc": function("text", lambda text: base64.b64encode(text.encode()).decode()),
    "b64dec": function("text", _decoded),
    "sha256sum": function("text", lambda text: hashlib.sha256(text.encode()).hexdigest()),
    "toYaml": function("any", to_yaml),
    "toJson": function("any", to_json),
    "toPrettyJson": function("any", to_pretty_json),
    "fromJson": function("text", from_json),
}
