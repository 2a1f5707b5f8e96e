"""Mapping to struct and back, for any struct of ours.

msgspec does the work while all is well; `conform` finds everything that is wrong when it is not.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from lateen.config.conform import conform
from lateen.config.problems import Path, Problem
from lateen.config.values import Duration

T = TypeVar("T", bound=msgspec.Struct)

_MSGSPEC_PATH = re.compile(r"(.*) - at `\$\.?(.*)`", re.DOTALL)


def _no_rules(_: object) -> Iterable[Problem]:
    return ()


def convert(
    raw: Mapping[str, Any], struct: type[T], validate: Callable[[T], Iterable[Problem]] = _no_rules
) -> T | tuple[Problem, ...]:
    """The struct that a mapping describes, or everything that is wrong with the mapping, also as `validate` sees it."""
    try:
        found = msgspec.convert(raw, struct, dec_hook=_read_custom)
    except (msgspec.ValidationError, RecursionError):
        return _convert_slowly(raw, struct, validate)
    return tuple(validate(found)) or found


def _convert_slowly(
    raw: Mapping[str, Any], struct: type[T], validate: Callable[[T], Iterable[Problem]]
) -> T | tuple[Problem, ...]:
    """What could be read is validated as well; what is said about fields at which something is wrong already is not."""
    cleaned, problems = conform(raw, struct)
    try:
        found = msgspec.convert(cleaned, struct, dec_hook=_read_custom)
    except msgspec.ValidationError as error:
        return tuple(problems) or (_as_problem(error),)
    problems += [
        further
        for further in validate(found)
        if not any(_one_is_inside_the_other(further.path, problem.path) for problem in problems)
    ]
    return tuple(problems) or found


def _one_is_inside_the_other(left: Path, right: Path) -> bool:
    shorter = min(len(left), len(right))
    return left[:shorter] == right[:shorter]


def _as_problem(error: msgspec.ValidationError) -> Problem:
    found = _MSGSPEC_PATH.fullmatch(str(error))
    path: Path = (found[2],) if found and found[2] else ()
    return Problem(path, found[1] if found else str(error))


def to_plain(found: msgspec.Struct) -> dict[str, Any]:
    """The struct as a plain mapping in the API's spelling, without the fields that have their default value."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(found, enc_hook=_write_custom))
    return plain


def _read_custom(wanted: type, value: Any) -> Any:
    if issubclass(wanted, Duration) and isinstance(value, str):
        return wanted.parse(value)
    raise ValueError(f"cannot read {value!r} as {wanted.__name__}")


def _write_custom(value: Any) -> str:
    if isinstance(value, Duration):
        return str(value)
    raise NotImplementedError(f"no plain form for {type(value).__name__}")
