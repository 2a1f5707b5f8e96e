from pathlib import Path

import pytest

from lateen.local_runtime.pods.environment import Host, NotConfigured
from lateen.local_runtime.pods.images import Image
from lateen.local_runtime.pods.processes import (
    Surroundings,
    capabilities_of,
    process_spec,
    user_of,
    volume_group_of,
    without_effect,
)
from lateen.local_runtime.pods.volumes import Files, Scratch
from lateen.local_runtime.sandbox.sandbox import Mount
from lateen.local_runtime.users import ROOT, Users

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


MANY = Users(65537)
ONE = Users(1)


def as_users(users, of=None, **container):
    host = Host(2, 1, users)
    return process_spec({"name": "c", **container}, of or pod(), IMAGE, AROUND, lambda *_: None, host)


def test_with_one_user_a_process_has_the_capabilities_of_the_user_it_asked_for():
    found = as_users(ONE, securityContext={"runAsUser": 2001})
    assert (found.uid, found.gid, found.capabilities) == (0, 0, frozenset())
    assert as_users(ONE, securityContext={"runAsUser": 0}).capabilities == capabilities_of({}, 0)


def test_without_root_there_are_users_up_to_a_number():
    assert as_users(MANY, securityContext={"runAsUser": 65536}).uid == 65536
    with pytest.raises(NotConfigured, match=r"runAsUser 65537: .* ids up to 65536"):
        as_users(MANY, securityContext={"runAsUser": 65537})
    with pytest.raises(NotConfigured, match="runAsGroup 70000"):
        as_users(MANY, securityContext={"runAsGroup": 70000})


def test_the_group_of_volumes():
    wanted = pod(securityContext={"fsGroup": 70000})
    assert volume_group_of(wanted, ROOT) == 70000
    assert volume_group_of(wanted, ONE) is None
    assert volume_group_of(pod(), MANY) is None
    with pytest.raises(NotConfigured, match="fsGroup 70000"):
        volume_group_of(wanted, MANY)


def test_fields_that_ask_for_users_are_named_but_for_what_injection_wrote():
    security = {"runAsUser": 1, "runAsGroup": 0}
    groups = [{"name": "ISTIO_OUTBOUND_OWNER_GROUPS", "value": "7"}]
    asking = pod(
        securityContext={"fsGroup": 2, "runAsNonRoot": True},
        initContainers=[{"name": "istio-init", "securityContext": security, "env": groups}],
        containers=[
            {"name": "a", "securityContext": security},
            {"name": "istio-proxy", "securityContext": security},
            {"name": "b"},
        ],
    )
    assert list(without_effect(asking)) == [
        "spec.securityContext.fsGroup",
        "spec.initContainers[0].env ISTIO_OUTBOUND_OWNER_GROUPS",
        "spec.containers[0].securityContext.runAsUser",
        "spec.containers[0].securityContext.runAsGroup",
    ]
