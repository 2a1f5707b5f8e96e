"""Objects as YAML text the way Kubernetes' tools print them: sorted keys, dashes below their key, few quotes."""

import re
from collections.abc import Mapping
from typing import Any, Final

import yaml

from lateen.config.yaml_scalars import plain

_WIDTH: Final = 80
_TEXT: Final = "tag:yaml.org,2002:str"
_INDICATOR: Final = "tag:yaml.org,2002:yaml"
"""What PyYAML takes a lone `*`, `&` or `!` for: not plain text, but no other type either."""
_DATE: Final = re.compile(r"\d{4}-\d\d?-\d\d?([Tt\s].*)?")


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  PyYAML's signature
        return True


def _represented(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    if "\n" in text:
        return dumper.represent_scalar(_TEXT, text, style="|")
    return dumper.represent_scalar(_TEXT, text, style=None if _reads_back(dumper, text) else '"')


def _reads_back(dumper: _Dumper, text: str) -> bool:
    """Whether the text without quotes would be a text again, to readers of YAML 1.1 too."""
    if not text or not isinstance(plain(text), str) or _DATE.fullmatch(text):
        return False
    resolved = dumper.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return resolved in (_TEXT, _INDICATOR)


_Dumper.add_representer(str, _represented)


def yaml_text(value: Mapping[str, Any]) -> str:
    """The text of one document, with a newline at its end."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=True, default_flow_style=False, width=_WIDTH, allow_unicode=True)
