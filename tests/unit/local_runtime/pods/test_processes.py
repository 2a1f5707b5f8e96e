from pathlib import Path

import pytest

from lateen.local_runtime.pods.environment import Host, NotConfigured
from lateen.local_runtime.pods.images import Image
from lateen.local_runtime.pods.processes import Surroundings, capabilities_of, process_spec, user_of
from lateen.local_runtime.pods.volumes import Files, Scratch
from lateen.local_runtime.sandbox.sandbox import Mount

AROUND = Surroundings(
    volumes={"s": Scratch(), "f": Files({})},
    paths={"s": Path("/v/s"), "f": Path("/v/f")},
    files={"/etc/resolv.conf": b"nameserver 198.19.0.10\n"},
    control_socket=Path("/state/xds.sock"),
    commands=Path("/state/commands"),
)
IMAGE = Image(entrypoint=("app",), cmd=("serve",), env={"I": "1"}, mounts=(Path("/opt/app"),), working_dir="/opt/app")


def pod(**spec):
    return {"metadata": {"name": "p", "namespace": "default"}, "spec": spec}


def spec(image=IMAGE, of=None, **container):
    return process_spec({"name": "c", **container}, of or pod(), image, AROUND, lambda *_: None, Host(2, 1))


def test_an_application_is_an_ordinary_user_without_privileges():
    found = spec()
    assert found.argv == ("app", "serve")
    assert (found.uid, found.gid) == (1000, 1000)
    assert found.capabilities == frozenset()
    assert found.no_new_privileges
    assert not found.read_only_root
    assert found.cwd == "/opt/app"
    assert found.visible == (Path("/opt/app"),)
    assert found.env["I"] == "1"
    assert found.env["HOSTNAME"] == "p"
    assert found.files == AROUND.files


def test_arguments_are_expanded_from_the_environment():
    found = spec(args=["--domain", "$(NS).svc", "$(NONE)"], env=[{"name": "NS", "value": "n"}])
    assert found.argv == ("app", "--domain", "n.svc", "$(NONE)")


@pytest.mark.parametrize(
    ("container", "of", "image", "user"),
    [
        ({}, {}, None, (1000, 1000)),
        ({}, {}, 1001, (1001, 1000)),
        ({}, {"runAsUser": 5, "runAsGroup": 6}, 1001, (5, 6)),
        ({"runAsUser": 7}, {"runAsUser": 5, "runAsGroup": 6}, None, (7, 6)),
        ({"runAsUser": 0}, {}, None, (0, 0)),
        ({"runAsUser": 1337, "runAsGroup": 1337, "runAsNonRoot": True}, {}, None, (1337, 1337)),
    ],
)
def test_the_user_comes_from_container_pod_image_in_this_order(container, of, image, user):
    assert user_of({"securityContext": container}, pod(securityContext=of), Image(user=image)) == user


def test_run_as_non_root_forbids_root():
    with pytest.raises(NotConfigured, match="runAsNonRoot"):
        user_of({"securityContext": {"runAsUser": 0, "runAsNonRoot": True}}, pod(), Image())


@pytest.mark.parametrize(
    ("security", "uid", "expected"),
    [
        ({}, 1000, set()),
        ({"capabilities": {"add": ["CAP_net_admin"]}}, 1000, {"NET_ADMIN"}),
        ({"capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]}}, 0, {"NET_ADMIN", "NET_RAW"}),
    ],
)
def test_capabilities(security, uid, expected):
    assert capabilities_of(security, uid) == expected


def test_root_has_the_usual_capabilities_and_privileged_all():
    root = capabilities_of({}, 0)
    assert "CHOWN" in root
    assert "NET_ADMIN" not in root
    assert "CHOWN" not in capabilities_of({"capabilities": {"drop": ["CHOWN"]}}, 0)
    assert root < capabilities_of({"privileged": True}, 1000)
    assert "SYS_ADMIN" in capabilities_of({"capabilities": {"add": ["ALL"]}}, 1000)


def test_mounts():
    mounts = [
        {"name": "s", "mountPath": "/data", "subPathExpr": "$(I)/x"},
        {"name": "s", "mountPath": "/ro", "readOnly": True},
        {"name": "f", "mountPath": "/etc/f", "subPath": "key"},
    ]
    assert spec(volumeMounts=mounts).mounts == (
        Mount(source=Path("/v/s"), inside="1/x", target="/data"),
        Mount(source=Path("/v/s"), target="/ro", read_only=True),
        Mount(source=Path("/v/f"), inside="key", target="/etc/f", read_only=True),
    )


def test_only_the_proxy_sees_the_control_planes_socket_and_has_its_commands():
    assert spec().mounts == ()
    assert "lateen" not in spec().env["PATH"]
    proxy = process_spec({"name": "istio-proxy"}, pod(), IMAGE, AROUND, lambda *_: None, Host(2, 1))
    assert proxy.mounts == (
        Mount(source=Path("/state/xds.sock"), target="/var/run/lateen/xds.sock", read_only=True),
        Mount(source=Path("/state/commands"), target="/opt/lateen/bin", read_only=True),
    )
    assert proxy.env["PATH"].startswith("/opt/lateen/bin:")


@pytest.mark.parametrize(
    ("mount", "message"),
    [
        ({"name": "none", "mountPath": "/x"}, '"none" is not among'),
        ({"name": "s", "mountPath": "x"}, "must be absolute"),
        ({"name": "s", "mountPath": "/x", "subPath": "../y"}, "subPath"),
    ],
)
def test_mounts_that_cannot_be(mount, message):
    with pytest.raises(NotConfigured, match=message):
        spec(volumeMounts=[mount])


def test_privileges_are_given_only_where_asked_for():
    assert not spec(securityContext={"privileged": True}).no_new_privileges
    assert not spec(securityContext={"allowPrivilegeEscalation": True}).no_new_privileges
    assert spec(securityContext={"readOnlyRootFilesystem": True}).read_only_root
