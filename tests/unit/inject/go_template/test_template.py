"""The language itself: what Go's text/template makes of the same texts."""

from typing import Any

import pytest

from lateen.inject.go_template.errors import TemplateError
from lateen.inject.go_template.template import Template

DATA: dict[str, Any] = {
    "name": "web",
    "empty": "",
    "zero": 0,
    "none": None,
    "items": ["a", "b", "c"],
    "map": {"b": 2, "a": 1},
    "nested": {"list": [{"name": "x"}, {"name": "y"}]},
    "float": 1e6,
}


def rendered(text: str, data: Any = DATA) -> str:
    return Template("t", text).render(data)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("no actions, } and { alone", "no actions, } and { alone"),
        ("{{.name}}-{{ .missing }}-{{ .missing.deeper }}-{{ .none }}", "web-<no value>-<no value>-<no value>"),
        ("{{.items}} {{.map}} {{.float}} {{list nil 1.5 true}}", "[a b c] map[a:1 b:2] 1e+06 [<nil> 1.5 true]"),
        ("{{ $.name }}{{ (index .items 1) }}{{ (index .nested.list 1).name }}", "webby"),
        # trim markers and comments
        ("a {{- 1 -}} b {{- /* a\ncomment */ -}} c{{/* x */}}d", "a1bcd"),
        ("a\n{{- if true }}\nb\n{{- end }}\nc", "a\nb\nc"),
        ("{{ -1 }}{{- 2}}", "-12"),
        # variables
        ("{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}{{if true}}{{$x := 3}}{{$x}}{{$x = 4}}{{end}}{{$x}}", "1232"),
        ("{{$x := 1}}{{if true}}{{$x = 5}}{{end}}{{$x}}", "5"),
        # if, with, range
        ("{{if .empty}}a{{else if .zero}}b{{else if .name}}c{{else}}d{{end}}", "c"),
        ("{{if $n := .name}}{{$n}}{{end}}", "web"),
        ("{{with .name}}{{.}}{{end}}{{with .empty}}x{{else}}none{{end}}", "webnone"),
        ("{{with .empty}}x{{else with .name}}{{.}}{{$.zero}}{{end}}", "web0"),
        ("{{range .items}}{{.}},{{end}}", "a,b,c,"),
        ("{{range $i, $e := .items}}{{$i}}{{$e}}{{end}}", "0a1b2c"),
        ("{{range $e := .items}}{{$e}}{{end}}{{range $k, $v := .map}}{{$k}}={{$v}};{{end}}", "abca=1;b=2;"),
        ("{{range 3}}{{.}}{{end}}{{range $i := 2}}{{$i}}{{end}}", "01201"),
        ("{{range .none}}x{{else}}none{{end}}{{range .empty_list}}x{{else}}none{{end}}", "nonenone"),
        ("{{range 9}}{{if eq . 2}}{{continue}}{{end}}{{if gt . 3}}{{break}}{{end}}{{.}}{{end}}", "013"),
        ("{{$x := 0}}{{range $x = .items}}{{end}}{{$x}}", "c"),
        ("{{range $x := .none}}{{else}}{{$x}}{{end}}", "<no value>"),
        ("{{$d := dict `a` 1 `b` 2}}{{range $k, $v := $d}}{{$_ := unset $d `b`}}{{$k}}{{$v}}{{end}}", "a1b2"),
        # templates
        ('{{define "t"}}<{{.}}>{{end}}{{template "t" .name}}{{template "t"}}', "<web><<no value>>"),
        ('{{block "b" .items}}{{len .}}{{end}}', "3"),
        ('{{template "late" 1}}{{define "late"}}[{{.}}{{$}}]{{end}}', "[11]"),
        # pipelines
        ('{{ .name | printf "%s-%s" "a" | len }}', "5"),
        ("{{ (.name) }}{{ len (print 1 2) }}", "web3"),
        ("{{ and 1 0 2 }}{{ and .name .zero }}{{ or 0 .empty .name 1 }}{{ not .name }}", "00webfalse"),
        ('{{ or .name (index .items 99) }}{{ 1 | and .name }}{{ "" | or 0 }}', "web1"),
        (
            "{{eq 1 2 1}}{{eq .name `web`}}{{ne 1 2}}{{lt 1 2}}{{le 2 2}}{{gt 1.5 1}}{{ge `a` `b`}}",
            "true" * 6 + "false",
        ),
        ("{{eq .none nil}}{{eq .missing true}}{{ne .missing `a`}}", "truefalsetrue"),
        ("{{index .map `a`}}{{index .nested `list` 1 `name`}}{{index .map `zz`}}", "1y<no value>"),
        ("{{slice .items 1}}{{slice .name 1 2}}{{len .map}}", "[b c]e2"),
        ("{{print 1 2 `a` 3 4}}|{{println 1 `a`}}", "1 2a3 4|1 a\n"),
        # constants
        (
            r'{{"a\tb\u00e9\x41\101"}}{{`r\n`}}{{0x1F}}{{0b11}}{{0o17}}{{1_000}}{{1e3}}{{.5}}',
            "a\tbéAA" + "r\\n" + "31315100010000.5",
        ),
        ("{{'a'}}{{printf `%v` nil}}", "97<nil>"),
    ],
)
def test_rendering(text: str, wanted: str) -> None:
    assert rendered(text) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n {{ .x", "line 2, column 2: this action has no end: expected `}}`"),
        ("{{ if .x }}", "column 4: `if` has no `{{end}}`"),
        ("{{ end }}", "`end` without an `if`"),
        ("{{ if }}{{end}}", "expected a value in `if`, not `}}`"),
        ("{{ if 1 }}{{else}}{{else}}{{end}}", "a second `else`"),
        ("{{ defalt 1 }}", "function 'defalt' is not known; did you mean default"),
        ("{{ $y }}", r"variable \$y is not declared; did you mean \$"),
        ("{{ $x := 1 }}{{ $y = 2 }}", r"variable \$y is not declared"),
        ("{{ and 0 ($x := 1) }}{{ $x }}", r"variable \$x has no value here"),
        ("{{ break }}", "`break` stands outside of a `range`"),
        ("{{range 1}}{{define `x`}}{{end}}{{end}}", "`define` stands at the top"),
        ("{{ template x }}", "expected a name in quotes after `template`"),
        ('{{ template "y" }}{{define "x"}}{{end}}', "template 'y' is not defined; known are x"),
        ("{{ `a }}", "this text has no end: expected another `"),
        ("{{ 99999999999999999999 }}", "is not a constant of Go"),
        (r'{{ "\q" }}', "is not a constant of Go"),
        ("{{ 1 | 2 }}", "only a function can be given a value"),
        ("{{ .name 1 }}", "only a function can be given arguments"),
        ("{{ .name.x }}", "a text has no field x"),
        ("{{ `a``b` }}", "expected a blank before"),
        ("{{ (1 }}", "`\\)`"),
        ("{{ nil }}", "nil is not a value of its own"),
        ("{{ @ }}", "unexpected '@' in an action"),
        ("{{/* x }}", "this comment has no end"),
        ("{{/* x */ y}}", "a comment fills its action"),
        ("{{ lt 1 `a` }}", "lt cannot compare a number with a text"),
        ("{{ eq .items .items }}", "eq cannot compare a list with another"),
        ("{{ index .items 7 }}", "there is no place 7; places are 0 to 2"),
        ("{{ len 3 }}", "len counts texts, lists and mappings, not a number"),
        ("{{ upper 3 }}", "upper: argument 1 is a number; expected a text"),
        ("{{ trimSuffix `a` }}", "trimSuffix takes 2 arguments, not 1"),
        ("{{range 1.5}}{{end}}", "range goes over lists, mappings and whole numbers, not over a number"),
        ("{{ if " + "(" * 100 + "1" + ")" * 100 + " }}{{end}}", "nested more than 60 levels deep"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(TemplateError, match=r"^template t, line \d+, column \d+: ") as error:
        rendered(text)
    assert error.match(message)


@pytest.mark.parametrize(
    "text",
    [
        "{{range 1000000000}}{{end}}",
        "{{range 99999}}{{range 99999}}x{{end}}{{end}}",
        '{{define "a"}}{{template "a"}}{{end}}{{template "a"}}',
        '{{$x := "aaaaaaaaaaaaaaaa"}}{{range 100}}{{$x = print $x $x}}{{end}}',
        "{{$x := list 1}}{{range 100}}{{$x = list $x $x}}{{end}}{{$x}}",
        '{{$d := dict}}{{$_ := set $d "self" $d}}{{$d}}',
        '{{repeat 1000000000 "aa"}}',
        '{{indent 999999999 "a"}}',
        '{{printf "%999999999d" 1}}',
        '{{$x := repeat 999999 "a"}}{{replace "a" $x $x}}',
        "{{$x := repeat 999999 `a`}}{{print" + " $x" * 1000 + "}}",
        "{{until 1000000000}}",
        "{{$l := list `a`}}{{range 50}}{{$l = list $l}}{{end}}{{toJson $l}}",
        "{{range 200000}}{{$x := repeat 1000 `a`}}{{$x}}{{end}}",
    ],
)
def test_a_template_ends_before_it_costs_too_much(text: str) -> None:
    with pytest.raises(TemplateError):
        rendered(text)


def test_templates_reach_no_attributes_of_python() -> None:
    assert rendered("{{.__class__}}{{(.name).String}}") == "<no value>web"
    with pytest.raises(TemplateError, match="has no field __class__"):
        rendered("{{.name.__class__}}")


def test_changes_stay_in_the_rendering() -> None:
    assert rendered('{{$d := dict "a" 1}}{{$_ := set $d "b" 2}}{{$_ = unset $d "a"}}{{$d}}') == "map[b:2]"
