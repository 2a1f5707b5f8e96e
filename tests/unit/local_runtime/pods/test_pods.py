"""A pod's life with a sandbox whose processes end when the test says so."""

import asyncio
from signal import SIGKILL, SIGTERM

import pytest
from support.pods import REF, pod, running

from lateen.local_runtime.api.pod_access import PodUnavailable
from lateen.local_runtime.plan.services import is_ready


async def test_init_containers_run_in_order_and_containers_after_them(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.pods.start(pod(init=("one", "two")))
        one = await mesh.started()
        assert one.spec.argv == ("one",)
        assert mesh.sandboxes.started.empty()
        assert mesh.state("main")["state"] == {"waiting": {"reason": "PodInitializing"}}
        one.end(0)
        two = await mesh.started()
        assert two.spec.argv == ("two",)
        two.end(0)
        main = await mesh.started()
        assert main.spec.argv == ("app",)
        await mesh.until(lambda m: is_ready({"status": m.status}))
        assert mesh.status["phase"] == "Running"
        assert mesh.status["podIP"] == mesh.sandboxes.made[0][3]
        assert mesh.state("one")["state"]["terminated"]["reason"] == "Completed"


async def test_a_failed_init_container_stops_a_pod_that_is_never_restarted_and_its_log_is_told(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.pods.start(pod(init=("one", "two"), restart_policy="Never"))
        (await mesh.started()).end(3)
        await mesh.until(lambda m: m.status["phase"] == "Failed")
        assert mesh.sandboxes.started.empty()
        assert mesh.state("one")["state"]["terminated"]["exitCode"] == 3
        assert mesh.state("one")["state"]["terminated"]["message"] == "started"
        assert mesh.pods.log_path(REF, "one", False).read_text() == "started\n"


async def test_a_failing_init_container_is_tried_again_and_then_backs_off(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.pods.start(pod(init=("one",)))
        (await mesh.started()).end(1)
        (await mesh.started()).end(1)
        await mesh.until(lambda m: "waiting" in m.state("one")["state"] and m.state("one")["restartCount"] == 1)
        one = mesh.state("one")
        assert one["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        assert one["lastState"]["terminated"]["exitCode"] == 1
        assert mesh.status["phase"] == "Pending"


async def test_a_container_that_ends_is_started_again(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.pods.start(pod())
        (await mesh.started()).end(0)
        await mesh.started()
        await mesh.until(lambda m: "running" in m.state("main")["state"] and m.state("main")["restartCount"] == 1)
        assert mesh.pods.log_path(REF, "main", True).read_text() == "started\n"


@pytest.mark.parametrize(("code", "phase"), [(0, "Succeeded"), (2, "Failed")])
async def test_a_pod_without_restarts_ends_with_its_container(tmp_path, code, phase):
    async with running(tmp_path) as mesh:
        mesh.pods.start(pod(restart_policy="Never"))
        (await mesh.started()).end(code)
        await mesh.until(lambda m: m.status["phase"] == phase)
        assert not is_ready({"status": mesh.status})


async def test_a_pod_is_ready_when_its_probe_succeeds(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.pods.start(pod(readinessProbe={"tcpSocket": {"port": 9080}}))
        await mesh.started()
        host, port = await mesh.sandboxes.network.attempts.get()
        assert (host, port) == (mesh.sandboxes.made[0][3], 9080)
        assert not is_ready({"status": mesh.status})
        assert mesh.state("main")["started"]
        mesh.sandboxes.network.reachable = True
        await mesh.clock.advance(1)
        await mesh.until(lambda m: is_ready({"status": m.status}))


async def test_readiness_waits_for_the_startup_probe(tmp_path):
    async with running(tmp_path) as mesh:
        probe = {"tcpSocket": {"port": 1}}
        mesh.pods.start(pod(startupProbe=probe, readinessProbe={"tcpSocket": {"port": 2}}))
        await mesh.started()
        assert (await mesh.sandboxes.network.attempts.get())[1] == 1
        assert not mesh.state("main")["started"]
        mesh.sandboxes.network.reachable = True
        await mesh.clock.advance(1)
        await mesh.until(lambda m: is_ready({"status": m.status}))
        assert mesh.state("main")["started"]


async def test_a_command_that_does_not_exist_says_so(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.pods.start(pod(restart_policy="Never", command=["missing"]))
        await mesh.until(lambda m: m.status["phase"] == "Failed")
        ended = mesh.state("main")["state"]["terminated"]
        assert (ended["reason"], ended["exitCode"]) == ("StartError", 128)
        assert "executable file not found" in ended["message"]


async def test_an_image_in_no_catalogue_says_how_to_add_it(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.pods.start(pod(image="registry/x/unheard:1"))
        await mesh.until(lambda m: m.state("main")["state"]["waiting"]["reason"] == "ErrImagePull")
        message = mesh.state("main")["state"]["waiting"]["message"]
        assert "registry/x/unheard:1" in message
        assert "--images" in message


async def test_a_missing_config_map_is_waited_for(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.pods.start(pod(volumes=[{"name": "v", "configMap": {"name": "settings"}}]))
        await mesh.until(lambda m: "settings" in m.state("main")["state"]["waiting"].get("message", ""))
        mesh.objects["ConfigMap", "default", "settings"] = {"data": {"a": "1"}, "metadata": {"name": "settings"}}
        mesh.pods.configuration_changed()
        await mesh.started()
        assert (tmp_path / "default_p_u/volumes/v/a").read_text() == "1"


async def test_a_volume_that_is_refused_fails_the_pod_with_the_reason(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.pods.start(pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}]))
        await mesh.until(lambda m: m.status["phase"] == "Failed")
        assert "hostPath" in mesh.status["message"]


async def test_a_pod_that_is_stopped_gets_sigterm_and_leaves_nothing(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.pods.start(pod(volumes=[{"name": "v", "emptyDir": {}}]))
        process = await mesh.started()
        gone = asyncio.Event()
        mesh.pods.stop(REF, 30, gone.set)
        async with asyncio.timeout(5):
            await gone.wait()
        assert process.signals == [SIGTERM]
        assert mesh.sandboxes.sandbox.closed
        assert list(tmp_path.iterdir()) == []
        assert REF not in mesh.pods


async def test_containers_are_told_to_end_when_nobody_is_sent_to_the_pod_any_more(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.avoided.clear()
        mesh.pods.start(pod())
        process = await mesh.started()
        gone = asyncio.Event()
        mesh.pods.stop(REF, 30, gone.set)
        await asyncio.sleep(0.02)
        assert process.signals == []
        mesh.avoided.set()
        async with asyncio.timeout(5):
            await gone.wait()
        assert process.signals == [SIGTERM]


@pytest.mark.parametrize("grace", [0, 30])
async def test_a_pod_without_time_and_the_end_of_the_mesh_wait_for_nobody(tmp_path, grace):
    async with running(tmp_path) as mesh:
        mesh.avoided.clear()
        mesh.pods.start(pod())
        process = await mesh.started()
        mesh.pods.stop(REF, grace)
        async with asyncio.timeout(5):
            if grace:
                await mesh.pods.close(1)
            else:
                await process.wait()
        assert process.signals[0] == SIGTERM


async def test_a_container_that_ignores_sigterm_is_killed_after_the_grace_period(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.pods.start(pod(command=["stubborn"]))
        process = await mesh.started()
        gone = asyncio.Event()
        mesh.pods.stop(REF, 0, gone.set)
        async with asyncio.timeout(5):
            await gone.wait()
        assert process.signals == [SIGTERM, SIGKILL]


async def test_a_pod_stopped_while_it_waits_ends_at_once(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.pods.start(pod(image="unheard"))
        await mesh.until(lambda m: m.state("main")["state"]["waiting"]["reason"] == "ErrImagePull")
        gone = asyncio.Event()
        mesh.pods.stop(REF, 30, gone.set)
        async with asyncio.timeout(5):
            await gone.wait()


async def test_what_cannot_be_reached_is_said(tmp_path):
    async with running(tmp_path) as mesh:
        with pytest.raises(PodUnavailable, match="no pod p"):
            mesh.pods.log_path(REF, "main", False)
        mesh.pods.start(pod(init=("one",)))
        await mesh.started()
        with pytest.raises(PodUnavailable, match="has no container other; it has one, main"):
            mesh.pods.log_path(REF, "other", False)
        with pytest.raises(PodUnavailable, match="has not started yet"):
            mesh.pods.log_path(REF, "main", False)
        with pytest.raises(PodUnavailable, match="has not been restarted"):
            mesh.pods.log_path(REF, "one", True)
        with pytest.raises(PodUnavailable, match="is not running"):
            await mesh.pods.execute(REF, "main", ["ls"], False, 0, 1, 2)


async def test_two_pods_never_share_an_address(tmp_path):
    async with running(tmp_path) as mesh:
        for name in map(str, range(50)):
            mesh.pods.start({**pod(), "metadata": {"name": name, "namespace": "default", "uid": name}})
        for _ in range(50):
            await mesh.started()
        assert len({made[3] for made in mesh.sandboxes.made}) == 50
    assert list(tmp_path.iterdir()) == []
