"""`lateen analyze`: what is wrong or without effect in manifests, or in the running mesh."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from lateen.cli.connection import mesh, state_option
from lateen.cli.output import Failure, Format, complain, note, rendered, say, warn

if TYPE_CHECKING:
    from lateen.analysis.analyzer import Analyzer, Message
    from lateen.analysis.resources import Resource
    from lateen.analysis.suppression import Suppression
    from lateen.analysis.view import View

UNPARSABLE: Final = 65
FOUND: Final = 79
_LEVELS: Final = ("Info", "Warning", "Error")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """The command's arguments, read."""

    files: tuple[str, ...]
    namespace: str | None
    use_mesh: bool
    analyzers: tuple["Analyzer", ...]
    suppressions: tuple["Suppression", ...]
    failure_threshold: str
    output_threshold: str
    output: str
    colour: bool | None
    verbose: bool
    ignore_unknown: bool
    mesh_config: Path | None
    istio_namespace: str
    timeout: float
    state_dir: Path | None


def _seconds(_context: click.Context, _option: click.Parameter, value: str) -> float:
    from lateen.config.values import Duration

    try:
        seconds = Duration.parse(value).total_seconds()
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if seconds <= 0:
        raise click.BadParameter("must be longer than 0s")
    return seconds


def _suppressions(
    _context: click.Context, _option: click.Parameter, value: tuple[str, ...]
) -> tuple["Suppression", ...]:
    from lateen.analysis.suppression import Suppression

    try:
        return tuple(Suppression.parse(text) for text in value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _analyzers(_context: click.Context, _option: click.Parameter, value: tuple[str, ...]) -> tuple["Analyzer", ...]:
    from difflib import get_close_matches

    from lateen.analysis.registry import BY_NAME, DEFAULT

    for name in value:
        if name not in BY_NAME:
            near = get_close_matches(name, BY_NAME, n=1)
            hint = f"did you mean {near[0]}?" if near else "see `lateen analyze -L`"
            raise click.BadParameter(f"there is no analyzer {name!r}; {hint}")
    return tuple(BY_NAME[name] for name in value) or DEFAULT


def _without_meaning(_context: click.Context, option: click.Parameter, value: Any) -> None:
    if value:
        reasons = {
            "remote_contexts": "there is one mesh here, and no other clusters beside it",
            "revision": "there is one control plane here, without revisions",
        }
        raise click.BadParameter(f"has no meaning here: {reasons[option.name or '']}; leave it out")


class _Command(click.Command):
    """Also takes the values that istioctl's flags take, as in `--use-kube=false`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [_AS_FLAGS.get(argument, argument) for argument in args])


_AS_FLAGS: Final = {
    f"{written}={value}": flag
    for name, short in (("use-kube", "-k"), ("color", "--color"))
    for written in (f"--{name}", short)
    for value, flag in (("true", f"--{name}"), ("false", f"--no-{name}"))
}

_level = click.Choice(_LEVELS, case_sensitive=False)


@click.command("analyze", cls=_Command)
@click.argument("files", nargs=-1, type=click.Path(exists=True, allow_dash=True), metavar="[FILE|DIR|-]...")
@click.option(
    "-k",
    "--use-kube/--no-use-kube",
    "use_mesh",
    default=None,
    help="Take the running mesh too.  [default: only if no files are given]",
)
@click.option("-n", "--namespace", metavar="NAMESPACE", help="Only messages of this one; also for objects without.")
@click.option("-A", "--all-namespaces", is_flag=True, help="Messages of all namespaces, which is the default.")
@click.option("-L", "--list-analyzers", is_flag=True, help="List the analyzers instead of running them.")
@click.option("--analyzer", "analyzers", multiple=True, callback=_analyzers, metavar="NAME", help="Run only this one.")
@click.option(
    "-S",
    "--suppress",
    "suppressions",
    multiple=True,
    callback=_suppressions,
    metavar="CODE=RESOURCE",
    help="Leave out messages, as in 'IST0103=Pod *.testing'.",
)
@click.option("--failure-threshold", type=_level, default="Error", help="Level from which on the exit code is 79.")
@click.option("--output-threshold", type=_level, default="Info", help="Level from which on messages are shown.")
@click.option("-o", "--output", type=click.Choice(["log", "json", "yaml"]), default="log", help="Output format.")
@click.option("--color/--no-color", "colour", default=None, help="Colour the levels.  [default: on a terminal]")
@click.option("-v", "--verbose", is_flag=True, help="Say what is read and which analyzers run.")
@click.option("--ignore-unknown", is_flag=True, help="Pass over documents that cannot be parsed.")
@click.option(
    "--meshConfigFile",
    "mesh_config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="MeshConfig to assume.  [default: that of the ConfigMap]",
)
@click.option("-R", "--recursive", is_flag=True, help="Directories are always read with all below; nothing changes.")
@click.option("-i", "--istioNamespace", "istio_namespace", default="istio-system", help="Namespace of the mesh itself.")
@click.option("-t", "--timeout", default="30s", callback=_seconds, help="How long the mesh may be silent.")
@click.option("--remote-contexts", multiple=True, hidden=True, callback=_without_meaning, expose_value=False)
@click.option("-r", "--revision", hidden=True, callback=_without_meaning, expose_value=False)
@state_option
def command(list_analyzers: bool, all_namespaces: bool, recursive: bool, **given: Any) -> int:  # noqa: ARG001  no effect
    """Find what is wrong, or has no effect, in manifests, or in the running mesh where none are named.

    Exit codes: 0 nothing at or above the failure threshold, 79 something, 65 a document that cannot be parsed.
    """
    if list_analyzers:
        _list(given["analyzers"])
        return 0
    if all_namespaces:
        given["namespace"] = None
    use_mesh = given["use_mesh"]
    if not given["files"] and use_mesh is False:
        raise click.UsageError("nothing to analyze: name files, or let the running mesh be used")
    given["use_mesh"] = not given["files"] if use_mesh is None else use_mesh
    return _run(Request(**given))


def _list(analyzers: Sequence["Analyzer"]) -> None:
    for analyzer in analyzers:
        codes = ", ".join(sorted(each.code for each in analyzer.types))
        say(f"* {analyzer.name}:\n    {analyzer.description} ({codes})")


def _run(request: Request) -> int:
    from lateen.analysis.analyzer import analyze
    from lateen.analysis.catalogue import Level

    for suppression in request.suppressions:
        if not suppression.is_known:
            warn(f"there is no message {suppression.code}, so suppressing it has no effect")
    view, unparsable = _view(request)
    if request.verbose:
        note(f"running {len(request.analyzers)} analyzers: {', '.join(each.name for each in request.analyzers)}")
    found = [message for message in analyze(view, request.analyzers) if _is_wanted(message, request)]
    _show([each for each in found if each.type.level <= Level.named(request.output_threshold)], request)
    if unparsable:
        return UNPARSABLE
    if any(each.type.level <= Level.named(request.failure_threshold) for each in found):
        note(f"there are messages of level {request.failure_threshold.capitalize()} or worse; each says what mends it")
        return FOUND
    return 0


def _view(request: Request) -> tuple["View", bool]:
    """What is to be analyzed, files over the running mesh, and whether some of the files cannot be used at all."""
    from lateen.analysis.view import View
    from lateen.cli.analyze.objects import of_mesh, of_paths
    from lateen.local_runtime.surroundings import SURROUNDINGS

    resources: list[Resource] = []
    if request.use_mesh:
        with mesh(request.state_dir, request.timeout) as client:
            resources += of_mesh(client)
    read = of_paths(request.files, request.namespace or "default")
    for notice in read.notices:
        warn(str(notice))
    unusable = [] if request.ignore_unknown else read.unusable
    for each in unusable:
        complain(str(each))
    resources += read.resources
    if request.verbose:
        note(f"read {len(resources)} objects, {len(read.resources)} of them from files")
    around = msgspec.structs.replace(
        SURROUNDINGS, istio_namespace=request.istio_namespace, mesh=_mesh_config(request.mesh_config)
    )
    return View(resources, around), bool(unusable)


def _mesh_config(path: Path | None) -> dict[str, Any]:
    from lateen.config.documents import Malformed, parse

    documents = parse(path.read_text()) if path is not None else ()
    if isinstance(documents, Malformed):
        raise Failure(f"{path}:{documents.line}: column {documents.column}: {documents.message}")
    return documents[0].raw if documents else {}


def _is_wanted(message: "Message", request: Request) -> bool:
    if any(suppression.hides(message) for suppression in request.suppressions):
        return False
    where = message.resource.namespace if message.resource else ""
    return request.namespace is None or not where or where == request.namespace


def _show(messages: Sequence["Message"], request: Request) -> None:
    from lateen.cli.analyze.report import fields, line

    if request.output != "log":
        say(rendered(fields(messages), Format(request.output)))
        return
    for message in messages:
        say(line(message, request.colour))
    if not messages:
        note(f"no validation issues found when analyzing {', '.join(request.files) or 'the running mesh'}")
