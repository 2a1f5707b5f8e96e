"""Images are names: a catalogue says which program of this machine each stands for.

A catalogue file maps image names, by their last path segment without registry, tag and digest, to what runs:

    images:
      examples-bookinfo-reviews-*:
        entrypoint: ["{python}", "{dir}/reviews.py"]
        cmd: ["9080"]
        env: {LOG_LEVEL: info}
        workingDir: "{dir}"
        user: 1000
        mounts: ["{dir}"]

`docs/images.md` is the user's page. The supervisor reads the files once; pods ask for a container's process.
"""

import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

DEFAULT_USER: Final = 1000


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """What an image name stands for. `mounts` are directories that its containers see read-only."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    working_dir: str = "/"
    user: int | None = None
    mounts: tuple[Path, ...] = ()


class Command(msgspec.Struct, frozen=True):
    """What a container runs: an argument list, never empty."""

    argv: tuple[str, ...]


class InvalidCatalogue(Exception):
    """A catalogue file that cannot be used; the message has a line for each mistake: file, line, key, what is right."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


class UnknownImage(Exception):
    """No catalogue has the image; the message says how to add it."""

    def __init__(self, image: str, files: Sequence[Path]) -> None:
        listed = ", ".join(map(str, files)) or "none was given"
        super().__init__(
            f'image "{image}" is in no catalogue ({listed}): add {image_name(image)!r} under "images" with the program '
            "it stands for to a file, and name the file with --images"
        )


class NothingToRun(Exception):
    """Neither the image nor the container names a program."""


class Catalogue:
    """Patterns and images. A later file wins; within a file an exact name, then the longest pattern."""

    def __init__(self, layers: Sequence[Mapping[str, Image]], files: Sequence[Path] = ()) -> None:
        self._layers = tuple(layers)
        self._files = tuple(files)

    def find(self, image: str) -> Image:
        """What the image stands for. Raises `UnknownImage`."""
        name = image_name(image)
        for layer in reversed(self._layers):
            if name in layer:
                return layer[name]
            fitting = [pattern for pattern in layer if fnmatchcase(name, pattern)]
            if fitting:
                return layer[max(fitting, key=lambda pattern: (len(pattern), pattern))]
        raise UnknownImage(image, self._files)


def image_name(image: str) -> str:
    """The last path segment, without tag and digest: `registry:5000/a/b:1.2@sha256:…` is `b`."""
    return image.split("@", 1)[0].rsplit("/", 1)[-1].split(":", 1)[0]


def command_of(image: Image, command: Sequence[str], args: Sequence[str]) -> Command:
    """The argument list of a container of the image: Kubernetes' rules for `command` and `args`.

    A `command` replaces both entrypoint and cmd, `args` replace only cmd. Raises `NothingToRun`.
    """
    argv = (*command, *args) if command else (*image.entrypoint, *(args or image.cmd))
    if not argv:
        raise NothingToRun(
            "the image names no program and the container has no command: write spec.containers[].command"
        )
    return Command(argv)


def load(files: Sequence[Path]) -> Catalogue:
    """The built-in catalogue with the files over it, in order. Raises `InvalidCatalogue` for all mistakes at once."""
    layers, problems = [built_in()], []
    for file in files:
        try:
            layers.append(parse(file.read_text(), file.resolve()))
        except OSError as error:
            problems.append(f"{file}: cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            problems.append(f"{file}: is not text in UTF-8")
        except InvalidCatalogue as error:
            problems.extend(error.problems)
    if problems:
        raise InvalidCatalogue(problems)
    return Catalogue(layers, files)


def built_in() -> Mapping[str, Image]:
    """The proxy image, which is this very installation, and the usual tool images: this machine's programs."""
    agent = Image(entrypoint=(sys.executable, "-m", "lateen.cli", "agent"))
    tools = Image(cmd=("sh",))
    return {
        "proxyv2": agent,
        "busybox": tools,
        "alpine": tools,
        "debian": tools,
        "ubuntu": tools,
        "curl": Image(entrypoint=("curl",), cmd=("--help",)),
        "python": Image(entrypoint=(sys.executable,)),
        "pause": Image(entrypoint=("sleep", "infinity")),
    }


def parse(text: str, file: Path) -> Mapping[str, Image]:
    """The images of one catalogue file; `file` gives `{dir}` and stands in messages. Raises `InvalidCatalogue`."""
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidCatalogue([f"{file}:{line}: is not YAML: {error.problem}"]) from error
    return _Reader(file).read(root)


class _Reader:
    """Reads one file's node tree, collecting every mistake with its line."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._problems: list[str] = []

    def read(self, root: yaml.Node | None) -> Mapping[str, Image]:
        images: dict[str, Image] = {}
        if root is None:
            return images
        for key, value in self._entries(root, "", {"images"}):
            for name, entry in self._entries(value, key, None):
                image = self._image(entry, f"{key}.{name}")
                if image is not None:
                    images[name] = image
        if self._problems:
            raise InvalidCatalogue(self._problems)
        return images

    def _image(self, node: yaml.Node, path: str) -> Image | None:
        found: dict[str, Any] = {}
        for key, value in self._entries(node, path, set(_FIELDS)):
            where = f"{path}.{key}"
            match key:
                case "entrypoint" | "cmd":
                    found[key] = tuple(self._texts(value, where))
                case "mounts":
                    found[key] = tuple(Path(text) for text in self._texts(value, where))
                case "env":
                    found[key] = {
                        name: self._text(v, f"{where}.{name}") for name, v in self._entries(value, where, None)
                    }
                case "workingDir":
                    found["working_dir"] = self._text(value, where)
                case "user":
                    found[key] = self._number(value, where)
        for mount in found.get("mounts", ()):
            if not mount.is_absolute():
                self._wrong(node, f"{path}.mounts", f'"{mount}" is not an absolute path; write "{{dir}}/{mount}"')
        return Image(**found)

    def _entries(self, node: yaml.Node, path: str, known: set[str] | None) -> list[tuple[str, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            self._wrong(node, path or "the file", "must be a mapping")
            return []
        entries = []
        for key, value in node.value:
            name = str(key.value)
            if known is not None and name not in known:
                listed = ", ".join(sorted(known))
                self._wrong(
                    key, f"{path}.{name}".lstrip("."), f"is not a key of a catalogue; the keys here are {listed}"
                )
            else:
                entries.append((name, value))
        return entries

    def _texts(self, node: yaml.Node, path: str) -> list[str]:
        if not isinstance(node, yaml.SequenceNode):
            self._wrong(node, path, 'must be a list of strings, such as ["{python}", "{dir}/app.py"]')
            return []
        return [self._text(item, f"{path}[{index}]") for index, item in enumerate(node.value)]

    def _text(self, node: yaml.Node, path: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag == "tag:yaml.org,2002:null":
            self._wrong(node, path, "must be a string")
            return ""
        return str(node.value).replace("{python}", sys.executable).replace("{dir}", str(self._file.parent))

    def _number(self, node: yaml.Node, path: str) -> int | None:
        if isinstance(node, yaml.ScalarNode) and node.value.isdigit():
            return int(node.value)
        self._wrong(node, path, "must be a numeric user id, such as 1000")
        return None

    def _wrong(self, node: yaml.Node, path: str, message: str) -> None:
        self._problems.append(f"{self._file}:{node.start_mark.line + 1}: {path}: {message}")


_FIELDS: Final = ("entrypoint", "cmd", "env", "workingDir", "user", "mounts")
