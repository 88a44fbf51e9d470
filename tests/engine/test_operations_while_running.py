"""What people ask for while the real runner runs, and while nobody does: pause, cancel, retry, skip, waive, rerun, block, steer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from missions.model.errors import MissionError
from missions.runner.runner import RunResult
from missions.simulator.playbook import Playbook
from missions.simulator.scripts import recovery_rule
from support.engine import World, finished, plan_of, waiting_worker
from support.waiting import until_async

TWO = plan_of({"M1": ["F1", "F2"]})


@asynccontextmanager
async def under_way(world: World, playbook: Playbook | None = None) -> AsyncIterator[asyncio.Task[RunResult]]:
    """A runner whose worker has reached its waiting command."""
    with world.serving(playbook or world.playbook(waiting_worker("F1"))) as base_url:
        task = asyncio.create_task(world.runner(base_url).run())
        await world.reached()
        yield task
        await finished(task)


async def test_pause_lets_the_current_unit_end_and_prevents_the_next(tmp_path: Path) -> None:
    world = World(tmp_path, TWO)
    async with under_way(world) as task:
        assert (await world.ask("pause")).state == "applied"
        assert world.mission.pauseRequestedAt is not None
        world.let_go()
    assert task.result().exit_code == 11
    assert (world.mission.status, world.units()) == ("paused", ["worker F1"])
    assert [f.status for f in world.mission.all_features()] == ["complete", "pending"]
    assert world.events("mission_paused_after_current")[0]["data"]["completedUnit"] == "worker:F1"

    assert (await world.run()).exit_code == 11, "a paused mission does not go on by itself"
    assert (await world.resume()).exit_code == 0
    assert world.mission.pauseRequestedAt is None
    assert world.units() == ["worker F1", "worker F2", "scrutiny M1"]


async def test_pause_now_stops_the_run_and_a_resume_goes_on_inside_it(tmp_path: Path) -> None:
    world = World(tmp_path, TWO)
    async with under_way(world) as task:
        assert (await world.ask("pause", now=True)).state == "applied"
    assert task.result().exit_code == 11
    run = world.mission.activeRun
    assert run is not None
    assert world.events("run_suspended")[0]["data"]["runId"] == run.runId

    world.let_go()
    assert (await world.resume()).exit_code == 0
    assert world.units() == ["worker F1", "worker F2", "scrutiny M1"]
    assert world.mission.runs[0].runId == run.runId


async def test_a_request_to_pause_answers_the_request_in_the_journal(tmp_path: Path) -> None:
    world = World(tmp_path, TWO)
    async with under_way(world):
        answer = await world.ask("pause")
        world.let_go()
    record = world.events("mission_pause_requested")[0]
    assert record["seq"] == answer.seq
    assert record["data"]["requestId"]


async def test_cancel_ends_the_run_puts_its_half_done_work_back_and_starts_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, TWO)
    before = world.git("rev-parse", "HEAD")
    async with under_way(world) as task:
        assert (await world.ask("cancel")).state == "applied"
    assert task.result().exit_code == 11
    mission = world.mission
    assert (mission.status, mission.runs[0].status, mission.activeRun) == ("paused", "interrupted", None)
    assert [f.status for f in mission.all_features()] == ["pending", "pending"]
    assert world.clean()
    assert world.git("rev-parse", "HEAD") == before
    assert not (world.root / "work" / "F1.txt").exists()

    world.let_go()
    assert (await world.resume()).exit_code == 0
    assert world.units() == ["worker F1", "worker F1", "worker F2", "scrutiny M1"]


async def test_a_runner_that_is_stopped_at_once_leaves_a_run_that_can_be_cancelled(tmp_path: Path) -> None:
    world = World(tmp_path, TWO)
    with world.serving(world.playbook(waiting_worker("F1"))) as base_url:
        runner = world.runner(base_url)
        task = asyncio.create_task(runner.run())
        await world.reached()
        world.user.write("half-done.txt", "what the worker had begun\n")
        runner.stop_at_once()
        with pytest.raises(asyncio.CancelledError):
            await finished(task)
    assert world.mission.activeRun is not None
    world.request("cancel")
    assert (world.mission.status, world.mission.activeRun) == ("paused", None)

    world.let_go()
    assert (await world.resume()).exit_code == 0
    assert world.units() == ["worker F1", "worker F1", "worker F2", "scrutiny M1"]
    assert "half-done.txt" not in world.git("ls-files")


async def test_a_note_reaches_the_running_worker_with_its_next_turn(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with under_way(world):
        assert (await world.ask("steer", text="Prefer the shorter sentence.")).state == "applied"
        world.let_go()
    assert world.simulator is not None
    said = [str(request["messages"]) for request in world.simulator.requests]
    assert "Prefer the shorter sentence." not in said[0]
    assert "Prefer the shorter sentence." in said[1]
    assert world.events("steering_delivered")[0]["data"]["text"] == "Prefer the shorter sentence."


async def test_a_later_feature_can_be_skipped_while_the_first_one_runs(tmp_path: Path) -> None:
    world = World(tmp_path, TWO)
    async with under_way(world) as task:
        refusal = await world.ask("skip", feature="F1", reason="no")
        assert refusal.state == "refused"
        assert (await world.ask("skip", feature="F2", reason="not needed")).state == "applied"
        world.let_go()
    assert task.result().exit_code == 0
    assert world.units() == ["worker F1", "scrutiny M1"]
    feature = world.mission.feature("F2")
    assert feature is not None
    assert (feature.status, feature.reason) == ("skipped", "not needed")


@pytest.mark.parametrize(
    ("op", "args"),
    [
        ("block", {"reason": "stop"}),
        ("unblock", {}),
        ("retry", {"feature": "F1"}),
        ("rerun-validation", {"milestone": "M1"}),
        ("waive", {"defect": "D1", "reason": "fine"}),
        ("decide", {"answer": "yes"}),
        ("no-such-operation", {}),
    ],
)
async def test_what_makes_no_sense_while_a_run_goes_on_is_refused_and_changes_nothing(
    tmp_path: Path, op: str, args: dict[str, str]
) -> None:
    world = World(tmp_path)
    async with under_way(world) as task:
        seq = world.mission.lastSeq
        answer = await world.ask(op, **args)
        assert answer.state == "refused"
        assert answer.error is not None
        assert answer.error["message"]
        assert {e["type"] for e in world.events()[seq:]} <= {"usage_recorded"}
        world.let_go()
    assert task.result().exit_code == 0


async def test_a_plan_can_be_revised_while_a_unit_runs_and_neither_side_is_lost(tmp_path: Path) -> None:
    world = World(tmp_path, TWO)
    async with under_way(world) as task:
        operations = [{"op": "edit_feature", "featureId": "F2", "title": "Piece F2, renamed"}]
        assert (
            await world.ask("revise-plan", reason="a better name", operations=operations)
        ).state == "applied"
        running = [{"op": "edit_feature", "featureId": "F1", "title": "Piece F1, renamed"}]
        assert (await world.ask("revise-plan", reason="too late", operations=running)).state == "refused"
        world.let_go()
    assert task.result().exit_code == 0
    assert [f.title for f in world.mission.all_features()] == ["Piece F1", "Piece F2, renamed"]
    assert all(f.status == "complete" for f in world.mission.all_features())


async def test_abandon_ends_the_run_and_the_mission_for_good(tmp_path: Path) -> None:
    world = World(tmp_path, TWO)
    async with under_way(world) as task:
        assert (await world.ask("abandon", reason="changed my mind")).state == "applied"
    assert task.result().exit_code == 1
    assert (world.mission.status, world.mission.activeRun) == ("failed", None)
    assert world.clean()
    with pytest.raises(MissionError):
        world.request("resume")
    assert world.git("branch", "--list", f"missions/{world.id}")


# While nobody runs it


async def test_block_by_hand_stops_a_mission_until_it_is_unblocked(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.create()
    world.request("block", reason="wait for the release")
    assert (await world.run()).exit_code == 10
    assert (world.mission.status, world.category) == ("blocked", "manual")
    assert world.mission.recovery is None
    with pytest.raises(MissionError):
        world.request("resume")
    world.request("unblock")
    assert (world.mission.status, world.mission.latestBlock) == ("paused", None)
    assert (await world.resume()).exit_code == 0


@pytest.mark.parametrize("status", ["planned", "complete"])
async def test_a_planned_or_complete_mission_cannot_be_blocked_retried_or_paused(
    tmp_path: Path, status: str
) -> None:
    world = World(tmp_path)
    world.create(accept=None)
    if status == "complete":
        world.request("run", accept=["plan"])
        await world.run()
    assert world.mission.status == status
    seq = world.mission.lastSeq
    for op, args in (("block", {}), ("retry", {"feature": "F1"}), ("pause", {}), ("unblock", {})):
        with pytest.raises(MissionError):
            world.request(op, **args)
    assert world.mission.status == status
    assert {e["type"] for e in world.events()[seq:]} <= {"runner_acquired", "runner_released"}


async def test_retry_lets_the_failed_feature_run_again_and_tells_it_why(tmp_path: Path) -> None:
    world = World(tmp_path, TWO)
    await world.run(world.playbook(deviations={"F1": "blocked"}))
    world.request("retry", feature="F1", note="The decision is: blue.")
    assert world.mission.status == "paused"
    assert (await world.resume()).exit_code == 0
    assert world.units() == ["worker F1", "recovery", "worker F1", "worker F2", "scrutiny M1"]
    assert world.simulator is not None
    assert "The decision is: blue." in str(world.simulator.requests[0]["messages"])


async def test_retry_of_an_unknown_feature_changes_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.run(world.playbook(deviations={"F1": "blocked"}))
    before = world.mission.model_dump(exclude={"lastSeq", "updatedAt", "epoch"})
    with pytest.raises(MissionError, match="F7"):
        world.request("retry", feature="F7")
    assert world.mission.model_dump(exclude={"lastSeq", "updatedAt", "epoch"}) == before


async def test_a_blocked_feature_can_be_skipped_and_the_mission_goes_on(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of({"M1": ["F1", "F2"]}, dependencies={"F2": ["F1"]}))
    await world.run(world.playbook(deviations={"F1": "blocked"}))
    world.request("skip", feature="F1", reason="done elsewhere")
    assert (await world.resume()).exit_code == 0
    assert world.units()[2:] == ["worker F2", "scrutiny M1"]


async def test_a_validation_can_be_asked_for_again_and_counts_only_real_failures(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.run(world.playbook(deviations={"M1": "fail"}))
    assert world.category == "validator_report_failed"
    world.request("rerun-validation", reason="the machine was broken")
    assert world.events("validation_rerun_requested")[0]["data"]["validatorMode"] == "scrutiny"
    assert (await world.resume()).exit_code == 0
    assert world.units() == ["worker F1", "scrutiny M1", "recovery", "scrutiny M1"]
    assert world.mission.milestones[0].validationState.failureCount == 1


async def test_a_waived_defect_no_longer_prevents_a_pass(tmp_path: Path) -> None:
    world = World(tmp_path)
    playbook = world.playbook(deviations={"M1": "pass-with-defect"}, every_attempt=True)
    await world.run(playbook)
    assert world.category == "missing_validation_report"

    other = World(tmp_path / "waived")
    await other.run(other.playbook(deviations={"M1": "fail"}))
    other.request("waive", defect="D1", reason="known and accepted")
    other.request("rerun-validation")
    insists = other.playbook(deviations={"M1": "pass-with-defect"}, every_attempt=True)
    assert (await other.resume(insists)).exit_code == 0
    waived = other.mission.milestones[0].validationState.waived
    assert [(w.defectId, w.reason) for w in waived] == [("D1", "known and accepted")]


# While the orchestrator is at work


def _slow_orchestrator() -> dict[str, object]:
    """An orchestrator whose first reply takes its time."""
    rule = recovery_rule("resume")
    rule["turns"][0]["faults"] = [{"kind": "stall", "seconds": 30, "after": 1}]
    return rule


@asynccontextmanager
async def recovering(world: World) -> AsyncIterator[asyncio.Task[RunResult]]:
    """A runner whose orchestrator has been woken and thinks."""
    playbook = world.playbook(deviations={"F1": "blocked"}, recovery=[_slow_orchestrator()])
    with world.serving(playbook) as base_url:
        task = asyncio.create_task(world.runner(base_url).run())
        await until_async(
            lambda: world.id and (run := world.mission.activeRun) and run.kind == "recovery",
            what="the orchestrator",
        )
        yield task
        await finished(task)


async def test_pause_now_holds_the_orchestrator_and_a_resume_lets_it_decide(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with recovering(world):
        assert (await world.ask("pause", now=True)).state == "applied"
    assert world.mission.status == "blocked"
    assert world.units() == ["worker F1", "recovery"]
    assert (await world.run()).exit_code == 10, "nothing begins before a resume"

    result = await world.resume(world.playbook(recovery=[recovery_rule("resume")]))
    assert result.exit_code == 0
    assert world.units() == ["worker F1", "recovery", "worker F1", "scrutiny M1"]


async def test_cancelling_the_orchestrator_leaves_the_block_to_the_human(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with recovering(world) as task:
        assert (await world.ask("cancel")).state == "applied"
    assert task.result().exit_code == 10
    assert (world.mission.status, world.category) == ("blocked", "worker_reported_blocked")
    assert (await world.run()).exit_code == 10
    assert (await world.resume()).exit_code == 0
    assert world.units() == ["worker F1", "recovery", "worker F1", "scrutiny M1"]


async def test_a_pause_after_the_current_unit_holds_after_the_orchestrator_too(tmp_path: Path) -> None:
    world = World(tmp_path)
    playbook = world.playbook(waiting_worker("F1", lie="no-handoff"), recovery=[recovery_rule("resume")])
    async with under_way(world, playbook):
        await world.ask("pause")
        world.let_go()
    assert world.mission.status == "blocked"
    assert world.units() == ["worker F1"]
    result = await world.resume(world.playbook(recovery=[recovery_rule("resume")]))
    assert result.exit_code == 0


async def test_a_runner_that_dies_beside_the_orchestrator_goes_on_with_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    playbook = world.playbook(deviations={"F1": "blocked"}, recovery=[_slow_orchestrator()])
    with world.serving(playbook) as base_url:
        runner = world.runner(base_url)
        task = asyncio.create_task(runner.run())
        await until_async(lambda: (run := world.mission.activeRun) and run.kind == "recovery")
        runner.stop_at_once()
        with pytest.raises(asyncio.CancelledError):
            await finished(task)
    result = await world.resume(world.playbook(recovery=[recovery_rule("resume")]))
    assert result.exit_code == 0
    assert world.units() == ["worker F1", "recovery", "worker F1", "scrutiny M1"]
