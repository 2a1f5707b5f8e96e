"""Whatever the text: a template renders or says what is wrong, and soon."""

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lateen.inject.custom_templates.functions import FUNCTIONS
from lateen.inject.go_template.errors import TemplateError
from lateen.inject.go_template.evaluation import Limits
from lateen.inject.go_template.template import STANDARD, Template

DATA = {"a": {"b": [1, "x", None, {"c": 2.5}]}, "n": 7, "t": "text", "Labels": {"app": "web"}}
LIMITS = Limits(steps=2000, output=20_000, depth=40)

KEYWORDS = "and or if else end range with define template block break continue nil true false"
OPERANDS = ". .a .a.b .n .t $ $x $y := = | , ( ) `r` 'c' \"s\" -1 0 7 1e9 99999 1.5 .Labels"

words = st.sampled_from(
    [
        *sorted(STANDARD),
        *KEYWORDS.split(),
        *OPERANDS.split(),
    ]
)
actions = st.builds(
    lambda left, inside, right: "{{" + left + " ".join(inside) + right + "}}",
    st.sampled_from(["", "- ", " "]),
    st.lists(words, max_size=6),
    st.sampled_from(["", " -", " "]),
)
likely = st.lists(actions | st.sampled_from(["{{end}}", "{{else}}", " a ", "\n", "{{range .a.b}}"]), max_size=12).map(
    "".join
)
anything = st.text(max_size=60) | st.text(alphabet="{}-./*`\"'$.|() \n:=aif09", max_size=60)


def rendered_or_refused(text: str, data: Any = DATA) -> str | TemplateError:
    try:
        return Template("t", text, FUNCTIONS, LIMITS).render(copy.deepcopy(data))
    except TemplateError as error:
        return error


@settings(max_examples=400, deadline=None)
@given(likely | anything)
def test_any_text_renders_or_is_refused_with_its_place(text: str) -> None:
    output = rendered_or_refused(text)
    assert isinstance(output, TemplateError) or len(output) <= LIMITS.output


@given(st.text().filter(lambda text: "{{" not in text))
def test_a_text_without_actions_comes_out_as_it_is(text: str) -> None:
    assert Template("t", text).render(None) == text


junk = st.sampled_from(
    [
        None,
        "",
        "x",
        "1,2",
        "\n",
        -1,
        0,
        3,
        2**62,
        10**30,
        0.5,
        -1e308,
        True,
        [],
        [1, "a", None],
        [[]],
        {},
        {"a": {"b": 1}},
    ]
)


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(sorted({**STANDARD, **FUNCTIONS})), st.lists(junk, max_size=4))
def test_functions_take_or_refuse_whatever_they_are_given(name: str, arguments: list[Any]) -> None:
    form = "{{" + " ".join([name, *(f"(index . {place})" for place in range(len(arguments)))]) + "}}"
    assert isinstance(rendered_or_refused(form, arguments), str | TemplateError)
