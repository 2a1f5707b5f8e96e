import sys
from pathlib import Path

import pytest

from lateen.local_runtime.pods.images import (
    Catalogue,
    Image,
    InvalidCatalogue,
    NothingToRun,
    UnknownImage,
    command_of,
    image_name,
    load,
    parse,
)

FILE = Path("/x/images.yaml")


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("reviews", "reviews"),
        ("reviews:1.2", "reviews"),
        ("docker.io/istio/reviews:1.2", "reviews"),
        ("localhost:5000/a/reviews", "reviews"),
        ("localhost:5000/a/reviews:1@sha256:abc", "reviews"),
    ],
)
def test_an_image_goes_by_its_last_path_segment(image, name):
    assert image_name(image) == name


def test_a_file_is_read_with_its_placeholders():
    text = """
images:
  app-*:
    entrypoint: ["{python}", "{dir}/app.py"]
    cmd: [9080]
    env: {A: 1}
    workingDir: "{dir}"
    user: 1001
    mounts: ["{dir}"]
"""
    assert parse(text, FILE) == {
        "app-*": Image(
            entrypoint=(sys.executable, "/x/app.py"),
            cmd=("9080",),
            env={"A": "1"},
            working_dir="/x",
            user=1001,
            mounts=(Path("/x"),),
        )
    }
    assert parse("", FILE) == {}


def test_all_mistakes_are_told_with_file_line_and_key():
    text = """images:
  a:
    entry: [x]
    user: root
    mounts: [relative]
  b: [x]
  c:
    cmd: text
    env: {K: [1]}
extra: 1
"""
    with pytest.raises(InvalidCatalogue) as caught:
        parse(text, FILE)
    assert [problem.split(": ", 2)[:2] for problem in caught.value.problems] == [
        ["/x/images.yaml:10", "extra"],
        ["/x/images.yaml:3", "images.a.entry"],
        ["/x/images.yaml:4", "images.a.user"],
        ["/x/images.yaml:3", "images.a.mounts"],
        ["/x/images.yaml:6", "images.b"],
        ["/x/images.yaml:8", "images.c.cmd"],
        ["/x/images.yaml:9", "images.c.env.K"],
    ]


def test_a_file_that_is_not_yaml_names_the_line():
    with pytest.raises(InvalidCatalogue, match=r"/x/images\.yaml:2: is not YAML"):
        parse("images:\n  a: ]\n", FILE)


def test_exact_names_win_over_patterns_longer_patterns_over_shorter_and_later_files_over_all():
    early = {"a-*": Image(cmd=("1",)), "a-b-*": Image(cmd=("2",)), "a-b-c": Image(cmd=("3",))}
    assert Catalogue([early]).find("a-b-c").cmd == ("3",)
    assert Catalogue([early]).find("a-b-d").cmd == ("2",)
    assert Catalogue([early]).find("r/a-x:1").cmd == ("1",)
    assert Catalogue([early, {"a-*": Image(cmd=("4",))}]).find("a-b-c").cmd == ("4",)


def test_an_unknown_image_names_itself_and_the_files():
    with pytest.raises(UnknownImage, match=r'image "r/x:1" .* \(/x/images\.yaml\).*add \'x\' under "images"'):
        Catalogue([], [FILE]).find("r/x:1")


def test_the_proxy_is_this_installation():
    proxy = load([]).find("registry.istio.io/release/proxyv2:1.30.0")
    assert proxy.entrypoint[0] == sys.executable
    assert proxy.entrypoint[-1] == "agent"


def test_files_that_cannot_be_used_are_all_told(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("x: 1")
    with pytest.raises(InvalidCatalogue) as caught:
        load([tmp_path / "none.yaml", bad])
    assert "none.yaml: cannot be read" in caught.value.problems[0]
    assert "bad.yaml:1: x:" in caught.value.problems[1]


@pytest.mark.parametrize(
    ("command", "args", "argv"),
    [
        ((), (), ("e", "c")),
        ((), ("a",), ("e", "a")),
        (("k",), (), ("k",)),
        (("k",), ("a",), ("k", "a")),
    ],
)
def test_command_and_args_override_as_in_kubernetes(command, args, argv):
    assert command_of(Image(entrypoint=("e",), cmd=("c",)), command, args).argv == argv


def test_nothing_to_run_is_an_error():
    with pytest.raises(NothingToRun):
        command_of(Image(), (), ())
