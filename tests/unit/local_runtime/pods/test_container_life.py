"""A container's restarts, probes and hooks, with a clock that the test moves."""

import asyncio
from signal import SIGKILL, SIGTERM

import pytest
from support.pods import REF, pod, running, settle

from lateen.local_runtime.plan.services import is_ready


def exec_probe(word, **fields):
    return {"exec": {"command": [word]}, **fields}


async def test_a_failed_liveness_probe_restarts_the_container(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.pods.start(
            pod(livenessProbe=exec_probe("alive", periodSeconds=5, failureThreshold=2, initialDelaySeconds=3))
        )
        process = await mesh.started()
        await mesh.clock.advance(2)
        assert mesh.sandboxes.executed == []
        await mesh.clock.advance(2)
        assert mesh.sandboxes.executed == [("alive",)]
        mesh.sandboxes.exit_codes["alive"] = 1
        await mesh.clock.advance(5)
        assert process.signals == []
        mesh.sandboxes.exit_codes["alive"] = 1
        await mesh.clock.advance(5)
        assert process.signals[0] == SIGTERM
        mesh.sandboxes.exit_codes["alive"] = 0
        await mesh.started()
        await settle()
        assert mesh.state("main")["restartCount"] == 1
        ended = mesh.state("main")["lastState"]["terminated"]
        assert (ended["exitCode"], ended["message"]) == (128 + SIGTERM, "liveness probe failed: exit code 1")
        assert list(mesh.notices) == []


async def test_why_a_container_was_ended_is_told_until_it_is_ready_again(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.sandboxes.exit_codes |= {"alive": 1, "ready": 1}
        alive = exec_probe("alive", periodSeconds=1, failureThreshold=1, initialDelaySeconds=1)
        mesh.pods.start(pod(livenessProbe=alive, readinessProbe=exec_probe("ready", periodSeconds=1)))
        await mesh.started()
        await mesh.clock.advance(1)
        mesh.sandboxes.exit_codes["alive"] = 0
        await mesh.started()
        await settle()
        told = ["Pod default/p: container main is ended: liveness probe failed: exit code 1"]
        assert list(mesh.notices) == told
        mesh.sandboxes.exit_codes["ready"] = 0
        await mesh.clock.advance(1)
        assert mesh.state("main")["ready"]
        assert list(mesh.notices) == []


async def test_one_good_answer_makes_liveness_forget_the_bad_ones(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.pods.start(pod(livenessProbe=exec_probe("alive", periodSeconds=1, failureThreshold=2)))
        process = await mesh.started()
        for code in (0, 1, 0, 1, 0, 1, 0):
            mesh.sandboxes.exit_codes["alive"] = code
            await mesh.clock.advance(1)
        assert process.signals == []


async def test_liveness_waits_for_the_startup_probe(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.sandboxes.exit_codes["starts"] = 1
        mesh.pods.start(
            pod(
                startupProbe=exec_probe("starts", periodSeconds=1, failureThreshold=30),
                livenessProbe=exec_probe("alive", periodSeconds=1),
            )
        )
        await mesh.started()
        await mesh.clock.advance(10)
        assert set(mesh.sandboxes.executed) == {("starts",)}
        assert not mesh.state("main")["started"]
        mesh.sandboxes.exit_codes["starts"] = 0
        await mesh.clock.advance(2)
        assert ("alive",) in mesh.sandboxes.executed
        assert mesh.state("main")["started"]


async def test_a_startup_probe_that_loses_patience_ends_the_container_with_its_own_grace(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.sandboxes.exit_codes["starts"] = 1
        probe = exec_probe("starts", periodSeconds=1, failureThreshold=5, terminationGracePeriodSeconds=3)
        mesh.pods.start(pod(command=["stubborn"], startupProbe=probe))
        process = await mesh.started()
        await mesh.clock.advance(4)
        assert process.signals == []
        await mesh.clock.advance(2)
        assert process.signals == [SIGTERM]
        await mesh.clock.advance(4)
        assert process.signals == [SIGTERM, SIGKILL]


async def test_readiness_needs_as_many_answers_as_its_thresholds_say(tmp_path):
    async with running(tmp_path) as mesh:
        probe = exec_probe("ready", periodSeconds=2, successThreshold=2, failureThreshold=2)
        mesh.pods.start(pod(readinessProbe=probe))
        await mesh.started()
        await settle()
        assert not mesh.state("main")["ready"]
        await mesh.clock.advance(2)
        assert mesh.state("main")["ready"]
        mesh.sandboxes.exit_codes["ready"] = 1
        await mesh.clock.advance(2)
        assert is_ready({"status": mesh.status})
        await mesh.clock.advance(2)
        assert not is_ready({"status": mesh.status})
        assert mesh.state("main")["restartCount"] == 0


async def test_restarts_back_off_and_a_long_run_starts_afresh(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.pods.start(pod())
        (await mesh.started()).end(1)
        (await mesh.started()).end(1)
        for delay in (10, 20, 40, 80, 160, 300, 300):
            await mesh.clock.advance(delay - 1)
            assert mesh.sandboxes.started.empty()
            assert mesh.state("main")["state"]["waiting"]["reason"] == "CrashLoopBackOff"
            await mesh.clock.advance(1)
            process = mesh.sandboxes.started.get_nowait()
            process.end(1)
            await settle()
        await mesh.clock.advance(300)
        process = mesh.sandboxes.started.get_nowait()
        await mesh.clock.advance(600)
        process.end(1)
        await mesh.started()


async def test_the_post_start_hook_holds_the_later_containers(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.sandboxes.exit_codes["wait"] = None
        held = pod(lifecycle={"postStart": exec_probe("wait")})
        held["spec"]["containers"].append({"name": "later", "image": "app", "command": ["later"]})
        mesh.pods.start(held)
        await mesh.started()
        await mesh.clock.advance(60)
        assert mesh.sandboxes.started.empty()
        assert "waiting" in mesh.state("main")["state"]
        mesh.sandboxes.commands["wait"].end(0)
        later = await mesh.started()
        assert later.spec.argv == ("later",)
        assert "running" in mesh.state("main")["state"]


async def test_a_failed_post_start_hook_ends_the_container_and_holds_nobody(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.sandboxes.exit_codes["wait"] = 1
        held = pod(lifecycle={"postStart": exec_probe("wait")})
        held["spec"]["containers"].append({"name": "later", "image": "app", "command": ["later"]})
        mesh.pods.start(held)
        first = await mesh.started()
        names = {(await mesh.started()).spec.argv, (await mesh.started()).spec.argv}
        assert first.signals[0] == SIGTERM
        assert names == {("app",), ("later",)}
        assert "postStart hook failed: exit code 1" in next(iter(mesh.notices))


async def test_a_container_that_cannot_start_holds_nobody(tmp_path):
    async with running(tmp_path) as mesh:
        held = pod(image="unheard", lifecycle={"postStart": exec_probe("wait")})
        held["spec"]["containers"].append({"name": "later", "image": "app", "command": ["later"]})
        mesh.pods.start(held)
        assert (await mesh.started()).spec.argv == ("later",)


async def test_the_pre_stop_hook_runs_before_sigterm(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.sandboxes.exit_codes["drain"] = None
        mesh.pods.start(pod(lifecycle={"preStop": exec_probe("drain")}))
        process = await mesh.started()
        gone = asyncio.Event()
        mesh.pods.stop(REF, 30, gone.set)
        await mesh.clock.advance(20)
        assert mesh.sandboxes.executed == [("drain",)]
        assert process.signals == []
        mesh.sandboxes.commands["drain"].end(0)
        await settle()
        assert process.signals[0] == SIGTERM
        assert gone.is_set()


async def test_a_pre_stop_hook_that_takes_all_the_time_is_cut_and_two_seconds_are_left(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.pods.start(pod(command=["stubborn"], lifecycle={"preStop": {"sleep": {"seconds": 60}}}))
        process = await mesh.started()
        mesh.pods.stop(REF, 30)
        await mesh.clock.advance(29)
        assert process.signals == []
        await mesh.clock.advance(2)
        assert process.signals == [SIGTERM]
        await mesh.clock.advance(2)
        assert process.signals == [SIGTERM, SIGKILL]


def with_sidecars(**main):
    made = pod(**main)
    made["spec"]["initContainers"] = [
        {"name": "one", "image": "app", "command": ["one"], "restartPolicy": "Always"},
        {"name": "setup", "image": "app", "command": ["setup"]},
        {
            "name": "two",
            "image": "app",
            "command": ["two"],
            "restartPolicy": "Always",
            "startupProbe": exec_probe("up", periodSeconds=1),
        },
    ]
    return made


async def test_a_sidecar_starts_in_its_turn_and_goes_on_beside_the_others(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.sandboxes.exit_codes["up"] = 1
        mesh.pods.start(with_sidecars())
        assert (await mesh.started()).spec.argv == ("one",)
        setup = await mesh.started()
        assert setup.spec.argv == ("setup",)
        await settle()
        assert mesh.sandboxes.started.empty()
        setup.end(0)
        assert (await mesh.started()).spec.argv == ("two",)
        await mesh.clock.advance(1)
        assert mesh.sandboxes.started.empty()
        conditions = {c["type"]: c for c in mesh.status["conditions"]}
        assert conditions["Initialized"]["message"] == "containers with incomplete status: [two]"
        mesh.sandboxes.exit_codes["up"] = 0
        await mesh.clock.advance(1)
        assert (await mesh.started()).spec.argv == ("app",)
        await settle()
        assert is_ready({"status": mesh.status})
        assert mesh.state("two")["ready"]


@pytest.mark.parametrize("policy", ["Never", "Always"])
async def test_a_sidecar_is_always_started_again_and_its_readiness_counts(tmp_path, policy):
    async with running(tmp_path) as mesh:
        mesh.pods.start(with_sidecars(restart_policy=policy))
        one = await mesh.started()
        (await mesh.started()).end(0)
        await mesh.started()
        await mesh.started()
        await settle()
        assert is_ready({"status": mesh.status})
        one.end(1)
        assert (await mesh.started()).spec.argv == ("one",)
        await settle()
        assert mesh.state("one")["restartCount"] == 1
        assert mesh.status["phase"] == "Running"


@pytest.mark.parametrize(("code", "phase"), [(0, "Succeeded"), (3, "Failed")])
async def test_sidecars_end_after_the_containers_the_last_one_first(tmp_path, code, phase):
    async with running(tmp_path) as mesh:
        mesh.pods.start(with_sidecars(restart_policy="Never"))
        one = await mesh.started()
        (await mesh.started()).end(0)
        two = await mesh.started()
        main = await mesh.started()
        order = []
        for name, process in (("one", one), ("two", two)):
            process.ended(lambda name=name: order.append(name))
        main.end(code)
        await mesh.until(lambda m: m.status["phase"] == phase)
        await settle()
        assert order == ["two", "one"]
        assert mesh.sandboxes.sandbox.closed


async def test_when_a_pod_is_told_to_end_its_sidecars_end_last(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.pods.start(with_sidecars(command=["stubborn"]))
        one = await mesh.started()
        (await mesh.started()).end(0)
        two = await mesh.started()
        main = await mesh.started()
        mesh.pods.stop(REF, 10)
        await mesh.clock.advance(9)
        assert main.signals == [SIGTERM]
        assert one.signals == two.signals == []
        await mesh.clock.advance(2)
        assert main.signals[-1] == SIGKILL
        assert SIGTERM in one.signals
        assert SIGTERM in two.signals
        assert REF not in mesh.pods


async def test_the_mesh_does_not_wait_for_a_pod_that_is_ending_slowly(tmp_path):
    async with running(tmp_path) as mesh:
        mesh.pods.start(pod(command=["stubborn"]))
        process = await mesh.started()
        mesh.pods.stop(REF, 300)
        await settle()
        closing = asyncio.ensure_future(mesh.pods.close(1))
        await mesh.clock.advance(2)
        assert process.signals[-1] == SIGKILL
        await closing
