"""What the YAML parser's complaints mean, for someone who does not know YAML's grammar."""

import yaml

_MEANINGS = (
    (
        "mapping values are not allowed",
        "a `:` that cannot be here: quote values with `: ` inside, or align this line with its siblings",
    ),
    ("cannot start any token", "a character that cannot start a value: quote it, and indent with spaces, never tabs"),
    ("did not find expected key", "the indentation fits no line above, or text follows a closed quote"),
    ("did not find expected '-' indicator", "the indentation fits no list above; align it with the other `-` items"),
    ("could not find expected ':'", "a key without `: ` and a value behind it"),
    ("unexpected end of stream", "a quote or bracket is opened and never closed"),
    ("did not find expected ',' or ']'", "a `[` is not closed, or a `,` is missing between its items"),
    ("did not find expected ',' or '}'", "a `{` is not closed, or a `,` is missing between its entries"),
    (
        "did not find expected <document start>",
        "text behind the end of a document; start the next one with a line `---`",
    ),
    ("block sequence entries are not allowed", "a `-` that cannot be here; put the list on the lines below its key"),
    ("found undefined alias", "`*` starts an alias to an anchor that is not there; quote a value that starts with `*`"),
    ("while scanning an alias", "`*` starts an alias; quote a value that starts with `*`"),
    ("while scanning an anchor", "`&` starts an anchor; quote a value that starts with `&`"),
    (
        "unknown escape character",
        "an unknown escape in double quotes; write `\\\\` for a backslash, or use single quotes",
    ),
)


def explain(error: yaml.YAMLError) -> tuple[int, int, str]:
    """Line and column, from 1, and a plain explanation followed by the parser's own words."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        words = ", ".join(part for part in (error.context, error.problem) if part)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    else:
        words = str(error).splitlines()[0]
        line, column = 1, 1
    meaning = next((meaning for part, meaning in _MEANINGS if part in words), None)
    return line, column, f"not valid YAML: {meaning} ({words})" if meaning else f"not valid YAML: {words}"
