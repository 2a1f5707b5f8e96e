"""Go's text/template, as far as templates of pods use it: text in, text out, bounded in time and memory.

`template.py` is the way in. A text passes `lexer.py` (tokens), `parser.py` (`nodes.py`) and `evaluation.py`; what
values are and how Go shows and compares them is in `values.py`; functions are in `builtins.py` and, by subject, in the
files that `sprig.py` names.
Data are plain values and `Record`s (`records.py`): a template reaches what their tables of fields name, nothing else.
"""
