"""The weaknesses of the system that this one follows (W01 … W46), each as the behaviour that replaces it.

What is shown elsewhere in more detail is shown here once more in its shortest form, so that each weakness has a test of its
own name; ``docs/development/parity.md`` says where the others are, and which concern no engine.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.legal import legal_operations
from missions.model.lint import errors_of, lint_plan
from missions.model.schedule import Unit, next_unit
from missions.model.status_text import status_text
from missions.model.view import current_block
from missions.runner.runner import RunResult
from missions.simulator.scripts import recovery_rule, repair_operation
from missions.store.catalog import list_missions
from missions.store.layout import Store
from missions.store.lock import Owner
from missions.store.mission_log import MissionLog
from support.engine import World, finished, plan_of, waiting_worker
from support.histories import History
from support.plans import plan_json
from support.waiting import until_async

NOW = "2026-11-23T10:00:00.000Z"


def following(history: History) -> str:
    found = next_unit(history.mission)
    return found.label if isinstance(found, Unit) else found.reason


# Validation


def test_w01_a_milestone_is_not_complete_without_its_validation() -> None:
    history = History().started()
    history.work("F1", "F2")
    assert history.mission.milestones[0].status == "validating"
    assert following(history) == "validator:M1"


async def test_w01_a_mission_is_complete_only_after_every_milestone_was_validated(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of({"M1": ["F1"], "M2": ["F2"]}))
    result = await world.run(world.playbook(deviations={"M2": "inconclusive"}, every_attempt=True))
    assert result.exit_code == 10
    assert [m.status for m in world.mission.milestones] == ["complete", "failed"]
    assert world.events("mission_complete") == []


async def test_w02_failures_of_a_validation_are_counted_and_survive_a_restart(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of(milestones={"M1": {"failureLimit": 2}}))
    fails = world.playbook(deviations={"M1": "fail"}, every_attempt=True)
    await world.run(fails)
    assert world.mission.milestones[0].validationState.failureCount == 1
    assert world.mission.milestones[0].status == "failed"
    assert world.category == "validator_report_failed"
    await world.resume(fails)
    assert world.mission.milestones[0].validationState.failureCount == 2
    assert world.category == "validation_limit_exceeded"


async def test_w03_a_failed_validation_is_run_again_after_a_resume(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of({"M1": ["F1"], "M2": ["F2"]}))
    await world.run(world.playbook(deviations={"M1": "fail"}))
    assert (await world.resume()).exit_code == 0
    assert world.units() == [
        "worker F1", "scrutiny M1", "recovery", "scrutiny M1", "worker F2", "scrutiny M2",
    ]  # fmt: skip


async def test_w03_an_interrupted_validation_is_run_again_after_a_resume(tmp_path: Path) -> None:
    world = World(tmp_path)
    slow = {
        "when": {"role": "scrutiny", "attempt": 1},
        "reply": {"text": "Hm.", "faults": [{"kind": "stall", "seconds": 30, "after": 1}]},
    }
    with world.serving(world.playbook(slow)) as base_url:
        task = asyncio.create_task(world.runner(base_url).run())
        await until_async(lambda: (run := world.mission.activeRun) and run.kind == "validator")
        assert (await world.ask("cancel")).state == "applied"
        assert (await finished(task)).exit_code == 11
    assert world.mission.milestones[0].status == "validating"
    assert (await world.resume()).exit_code == 0
    assert world.units() == ["worker F1", "scrutiny M1", "scrutiny M1"]


def test_w04_a_validation_can_be_asked_for_again() -> None:
    history = History().started()
    history.work("F1", "F2")
    history.validate("M1", "inconclusive")
    history.block("validation_inconclusive", kind="validator", item="M1", validatorMode="scrutiny")
    assert "rerun-validation" in legal_operations(history.mission)
    history.ask("rerun-validation")
    history.ask("resume")
    assert following(history) == "validator:M1"


# Runs


async def test_w05_a_cancelled_worker_does_not_count_and_nothing_follows_it(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of({"M1": ["F1", "F2"]}))
    with world.serving(world.playbook(waiting_worker("F1"))) as base_url:
        task = asyncio.create_task(world.runner(base_url).run())
        await world.reached()
        await world.ask("cancel")
        result = await finished(task)
    assert (result.exit_code, world.mission.status) == (11, "paused")
    assert world.units() == ["worker F1"]
    assert [f.status for f in world.mission.all_features()] == ["pending", "pending"]


async def test_w06_a_worker_without_a_handoff_never_completes_its_feature(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.run(world.playbook(deviations={"F1": "no-handoff"}, every_attempt=True))
    assert world.category == "missing_handoff"
    assert world.mission.all_features()[0].status == "failed"
    assert world.events("worker_finished")[0]["data"]["accepted"] is False


async def test_w06_a_validator_without_a_report_never_passes_its_milestone(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.run(world.playbook(deviations={"M1": "no-report"}, every_attempt=True))
    assert world.category == "missing_validation_report"
    assert world.mission.milestones[0].status != "complete"


async def test_w07_a_second_process_changes_nothing_while_the_first_runs(tmp_path: Path) -> None:
    world = World(tmp_path)
    with world.serving(world.playbook(waiting_worker("F1"))) as base_url:
        task = asyncio.create_task(world.runner(base_url).run())
        await world.reached()
        before = world.mission
        with pytest.raises(MissionError) as caught:
            await world.runner(base_url, face="another").run()
        assert caught.value.code == "locked"
        assert world.mission.model_dump(include={"status", "activeRun", "epoch", "milestones"}) == (
            before.model_dump(include={"status", "activeRun", "epoch", "milestones"})
        )
        world.let_go()
        assert (await finished(task)).exit_code == 0


async def test_w08_a_plan_revised_during_a_unit_is_not_overwritten_by_its_end(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of({"M1": ["F1", "F2"]}))
    with world.serving(world.playbook(waiting_worker("F1"))) as base_url:
        task = asyncio.create_task(world.runner(base_url).run())
        await world.reached()
        drop = [{"op": "edit_feature", "featureId": "F2", "title": "Another title"}]
        assert (await world.ask("revise-plan", reason="clearer", operations=drop)).state == "applied"
        world.let_go()
        assert (await finished(task)).exit_code == 0
    assert world.mission.plan.version == 2
    assert world.mission.all_features()[1].title == "Another title"


# Store


def test_w09_one_unreadable_mission_hides_no_other_and_writes_are_whole_or_not_at_all(tmp_path: Path) -> None:
    good, bad = World(tmp_path / "one"), World(tmp_path / "two")
    bad.store = good.store
    good.create(accept=None)
    bad.id = "mission-20261123000000-broken"
    log = MissionLog.create(good.store, bad.id, Owner(face="test"), ev.MissionCreated(title="B", cwd="/b"))
    log.release("done")
    directory = good.store.mission(bad.id)
    directory.journal.write_bytes(b'{"seq": 1, nonsense\n' + directory.journal.read_bytes())
    listed = list_missions(good.store)
    assert {m.id for m in listed} == {good.id, bad.id}
    snapshot = good.store.mission(good.id).snapshot
    snapshot.write_text("{ half a")
    assert good.mission.title == good.plan["title"], "the snapshot is only a copy"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "mission-a/b", "/etc/passwd", "mission-A", "mission-a\n"]
)
def test_w10_an_id_never_leads_out_of_the_store(tmp_path: Path, name: str) -> None:
    with pytest.raises(MissionError):
        Store(tmp_path).mission(name)


def test_w11_a_plan_is_checked_and_every_problem_listed() -> None:
    plan = plan_json()
    plan["milestones"][0]["features"][0]["dependencies"] = ["F2"]
    plan["milestones"][1]["features"][0]["id"] = "F1"
    plan["milestones"].append({"id": "M3", "title": "Empty", "features": []})
    found = {finding.rule for finding in errors_of(lint_plan(plan)[1])}
    assert {"duplicate-id", "empty-milestone", "dependency-cycle"} <= found


def test_w11_a_plan_cannot_say_that_work_is_done() -> None:
    plan = plan_json()
    plan["milestones"][0]["features"][1]["status"] = "complete"
    assert "state-in-plan" in {finding.rule for finding in errors_of(lint_plan(plan)[1])}


def test_w12_a_start_that_cannot_be_is_refused_to_the_caller() -> None:
    history = History()
    history.add(ev.MissionCreated(title="A mission", cwd="/somewhere"))
    with pytest.raises(MissionError, match="no plan"):
        history.judge("run", accept=["plan"])
    done = History().started()
    done.add(ev.MissionComplete())
    with pytest.raises(MissionError, match="Nothing is left"):
        done.judge("resume")


def test_w13_a_resume_is_no_repair_and_leaves_neither_block_nor_wish_to_pause() -> None:
    history = History().started()
    history.begin("F1")
    history.ask("pause")
    mission = history.ask("resume")
    assert (mission.status, mission.pauseRequestedAt, mission.latestBlock) == ("running", None, None)
    assert "mission_recovery_gate_repaired" not in {e.type for e in history.entries}


def test_w14_every_face_passes_the_same_gates_and_yes_covers_only_what_it_names(tmp_path: Path) -> None:
    from missions.runner.starting import preflight
    from missions.settings import load_settings

    world = World(tmp_path, plan_of(environment={"network": ["example.org"]}))
    world.create(accept=None)
    world.user.write("README.md", "unfinished\n")
    plan, _ = lint_plan(world.plan)
    assert plan is not None
    loaded = load_settings(world.store.root, environment={}, arguments={"sandbox": {"mode": "none"}})
    look = preflight(world.mission, plan, world.root, loaded)
    assert [g.id for g in look.gates] == ["plan", "dirty", "network", "no-sandbox"]
    assert len({g.flag for g in look.gates}) == 4


# Acceptance


@pytest.mark.parametrize("lie", ["missing-commit", "old-commit", "lacks-files", "wrong-feature"])
async def test_w15_a_commit_and_a_feature_that_are_not_what_they_are_said_to_be_are_refused(
    tmp_path: Path, lie: str
) -> None:
    world = World(tmp_path)
    await world.run(world.playbook(deviations={"F1": lie}, every_attempt=True))
    assert world.category == "handoff_rejected"
    assert world.mission.all_features()[0].commit is None


async def test_w16_what_was_dirty_before_is_nobodys_fault_and_what_a_worker_leaves_is(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of({"M1": ["F1", "F2"]}))
    world.user.write("notes.txt", "mine, before the mission\n")
    await world.run(world.playbook(deviations={"F2": "dirty-tree"}, every_attempt=True))
    assert [f.status for f in world.mission.all_features()] == ["complete", "failed"]
    assert world.category == "dirty_worktree"
    assert (world.root / "notes.txt").exists()


async def test_w17_a_validator_that_changes_the_repository_is_found_out_and_undone(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of({"M1": ["F1"], "M2": ["F2"]}))
    await world.run(world.playbook(deviations={"M1": "edits-repository"}, every_attempt=True))
    assert world.mission.milestones[0].status != "complete"
    assert world.clean()
    assert "README.md" in (world.mission.latestBlock.message if world.mission.latestBlock else "")


@pytest.mark.parametrize(
    "lie", ["pass-with-failed-assertion", "pass-with-defect", "no-evidence", "missing-assertion"]
)
async def test_w18_a_pass_that_its_own_report_contradicts_is_no_pass(tmp_path: Path, lie: str) -> None:
    world = World(tmp_path)
    await world.run(world.playbook(deviations={"M1": lie}, every_attempt=True))
    assert world.category == "missing_validation_report"
    assert world.mission.milestones[0].status != "complete"


async def test_w19_a_block_of_user_testing_names_its_mode_and_its_own_report(tmp_path: Path) -> None:
    plan = plan_of(milestones={"M1": {"userTesting": True}})
    plan["skills"]["validatorUserTesting"] = "Use it."
    world = World(tmp_path, plan)
    await world.run(world.playbook(deviations={"M1:user-testing": "fail"}))
    block = world.mission.latestBlock
    assert block is not None
    assert block.validatorMode == "user-testing"
    assert any(path.endswith("user-testing-report.json") for path in block.artifactPaths)
    assert not any("validation-report" in path for path in block.artifactPaths)


def test_w20_a_mission_that_goes_on_shows_no_old_reason() -> None:
    from datetime import UTC, datetime

    history = History().started()
    history.work("F1", accepted=False)
    history.packet().block("handoff_rejected")
    assert "handoff_rejected" in status_text(history.mission, datetime(2026, 11, 23, 11, tzinfo=UTC))
    history.ask("resume")
    assert current_block(history.mission) is None
    assert "handoff_rejected" not in status_text(history.mission, datetime(2026, 11, 23, 11, tzinfo=UTC))


# Recovery


async def test_w21_the_orchestrator_is_woken_whoever_started_the_mission(tmp_path: Path) -> None:
    world = World(tmp_path)
    playbook = world.playbook(deviations={"F1": "blocked"})
    with world.serving(playbook) as base_url:
        await world.runner(base_url, face="a face that nobody knows").run()
    assert world.units() == ["worker F1", "recovery"]


async def test_w22_what_the_orchestrator_decides_is_applied_after_its_unit_and_never_refused_as_running(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    result = await world.run(world.playbook(deviations={"F1": "blocked"}, recovery=[recovery_rule("resume")]))
    assert result.exit_code == 0
    chosen = world.events("recovery_outcome_chosen")[0]
    again = world.events("worker_started")[1]
    assert chosen["seq"] < again["seq"]
    assert chosen["data"]["applied"] is True


async def test_w24_an_orchestrator_hears_only_of_its_own_mission(tmp_path: Path) -> None:
    first, second = World(tmp_path / "one"), World(tmp_path / "two", plan_of(title="Something else entirely"))
    second.store = first.store
    await first.run(first.playbook(deviations={"F1": "blocked"}))
    await second.run(second.playbook(deviations={"F1": "blocked"}))
    assert second.simulator is not None
    heard = json.dumps(second.simulator.requests)
    assert second.plan["title"] in heard
    assert first.plan["title"] not in heard
    assert first.id not in heard


async def test_w25_a_command_that_outlived_its_runner_is_ended_before_the_run_goes_on(tmp_path: Path) -> None:
    world = World(tmp_path)
    with world.serving(world.playbook(waiting_worker("F1"))) as base_url:
        runner = world.runner(base_url)
        task = asyncio.create_task(runner.run())
        await world.reached()
        run = world.mission.activeRun
        assert run is not None
        record = world.artifact(f"runs/{run.runId}/run.json")
        assert record["supervisor"]["pid"] != os.getpid()
        runner.stop_at_once()
        with pytest.raises(asyncio.CancelledError):
            await finished(task)
    world.let_go()
    assert (await world.run()).exit_code == 0
    assert not Path(f"/proc/{record['supervisor']['pid']}").exists()


async def test_w26_runs_money_and_repetitions_have_limits(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of({"M1": ["F1", "F2"]}, budget={"runs": 1}))
    assert (await world.run()).exit_code == 13
    other = World(tmp_path / "again", settings={"recovery": {"perSignature": 1}})
    resume = [recovery_rule("resume")]
    await other.run(other.playbook(deviations={"F1": "blocked"}, every_attempt=True, recovery=resume))
    assert other.category == "retry_limit_exceeded"


def test_w27_an_owner_that_was_replaced_cannot_write_any_more(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.create(accept=None)
    log = MissionLog.acquire(world.store, world.id, Owner(face="first"))
    before = world.store.mission(world.id).journal.read_bytes()
    world.store.mission(world.id).lock.unlink()
    with pytest.raises(MissionError):
        log.record(ev.MissionReportWritten(blob="0" * 64))
    assert world.store.mission(world.id).journal.read_bytes() == before
    log.release("test")


def test_w27_a_quiet_owner_keeps_its_mission(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.create(accept=None)
    with MissionLog.acquire(world.store, world.id, Owner(face="quiet")):
        old = time.time() - 3600
        os.utime(world.store.mission(world.id).lock_info, (old, old))
        with pytest.raises(MissionError) as caught:
            MissionLog.acquire(world.store, world.id, Owner(face="eager"))
    assert caught.value.code == "locked"
    assert "quiet" in str(caught.value.as_json())


async def test_w29_an_internal_error_is_a_block_with_a_category_and_an_id_and_the_run_goes_on_later(
    tmp_path: Path,
) -> None:
    class Broken:
        def event(self, kind: str, data: dict[str, object]) -> None:
            if kind == "tool_start":
                raise RuntimeError("a defect of the watcher")

    world = World(tmp_path)
    result: RunResult = await world.run(watcher=Broken())
    assert (result.exit_code, world.mission.status, world.category) == (1, "paused", "internal_error")
    failed = world.events("mission_background_execution_failed")[0]["data"]
    assert failed["errorId"] in (world.mission.latestBlock.message if world.mission.latestBlock else "")
    assert (await world.resume()).exit_code == 0


def test_w30_attempts_are_counted_for_validators_as_for_workers() -> None:
    history = History().started()
    history.work("F1", "F2")
    history.add(
        ev.ValidatorStarted(runId="1790000000500-validator-M1", attempt=1, milestoneId="M1"),
        ev.RunInterrupted(runId="1790000000500-validator-M1", reason="cancelled"),
        ev.ValidatorStarted(runId="1790000000501-validator-M1", attempt=2, milestoneId="M1"),
    )
    assert history.mission.milestones[0].validationState.scrutiny.attempts == 2
    assert history.mission.activeRun is not None
    assert history.mission.activeRun.attempt == 2


def test_w31_user_testing_is_a_run_like_the_others() -> None:
    history = History().started()
    history.work("F1", "F2")
    history.validate("M1")
    run = history.begin_validation("M1", "user-testing")
    mission = history.mission
    assert mission.runs[-1].runId == run
    assert mission.activeRun is not None
    assert mission.activeRun.validatorMode == "user-testing"
    assert mission.milestones[0].status == "validating"


@pytest.mark.parametrize("flag", [True, {"required": True}, {"required": True, "instructions": "Click."}])
def test_w32_user_testing_is_asked_for_in_one_place_and_a_flag_elsewhere_is_an_error(flag: object) -> None:
    plan = plan_json()
    plan["milestones"][0]["userTesting"] = flag
    plan["skills"]["validatorUserTesting"] = "Use it."
    document, findings = lint_plan(plan)
    assert document is not None
    assert errors_of(findings) == []
    assert document.milestones[0].userTesting.required
    plan["milestones"][0]["validationState"] = {"userTesting": {"required": True}}
    assert errors_of(lint_plan(plan)[1])


async def test_w33_what_a_run_says_can_be_read_while_it_runs(tmp_path: Path) -> None:
    world = World(tmp_path)
    with world.serving(world.playbook(waiting_worker("F1"))) as base_url:
        task = asyncio.create_task(world.runner(base_url).run())
        await world.reached()
        run = world.mission.activeRun
        assert run is not None
        lines = (world.store.mission(world.id).runs / run.runId / "transcript.jsonl").read_text().splitlines()
        assert any(json.loads(line)["type"] == "assistant" for line in lines)
        world.let_go()
        await finished(task)


def test_w36_an_independent_feature_of_the_milestone_may_go_first_and_impossible_orders_are_found_before() -> (
    None
):
    plan = plan_json()
    plan["milestones"][0]["features"][0]["dependencies"] = ["F3"]
    _, findings = lint_plan(plan)
    assert any("F3" in f.message for f in errors_of(findings))


def test_w37_a_later_milestone_never_runs_first() -> None:
    history = History().started()
    found = next_unit(
        history.mission.model_copy(update={"currentMilestoneId": "M2", "currentFeatureId": "F3"})
    )
    assert isinstance(found, Unit)
    assert found.itemId == "F1"


async def test_w38_work_happens_on_a_branch_of_its_own_and_half_done_work_is_put_back(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of({"M1": ["F1", "F2"]}))
    main = world.git("rev-parse", "main")
    await world.run(world.playbook(deviations={"F2": "stale-check"}, every_attempt=True))
    assert world.category == "handoff_rejected"
    assert world.git("rev-parse", "main") == main
    assert world.git("rev-parse", "HEAD") == world.mission.all_features()[0].commit
    assert world.git("symbolic-ref", "--short", "HEAD") == f"missions/{world.id}"
    assert world.clean()


async def test_w39_each_role_has_only_the_tools_it_may_use(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.run(world.playbook(deviations={"M1": "fail"}))
    assert world.simulator is not None
    offered: dict[str, set[str]] = {}
    for request in world.simulator.requests:
        names = {tool["name"] for tool in request["tools"]}
        for submit in ("submit_handoff", "submit_validation_report", "submit_recovery"):
            if submit in names:
                offered[submit] = names
    assert {"write", "edit"} <= offered["submit_handoff"]
    assert offered["submit_validation_report"].isdisjoint({"write", "edit", "mission_revise_plan"})
    assert offered["submit_recovery"].isdisjoint({"write", "edit", "bash"})
    assert "mission_revise_plan" not in offered["submit_handoff"]


async def test_w40_a_very_long_description_is_no_problem(tmp_path: Path) -> None:
    plan = plan_of()
    long = "Write the file. " + "Mind each of these words. " * 700
    plan["milestones"][0]["features"][0]["description"] = long
    world = World(tmp_path, plan)
    assert (await world.run()).exit_code == 0
    assert world.simulator is not None
    assert long.strip() in world.simulator.requests[0]["messages"][0]["content"][0]["text"]


@pytest.mark.parametrize("op", ["block", "retry"])
@pytest.mark.parametrize("status", ["planned", "complete"])
def test_w41_what_is_planned_or_complete_cannot_be_blocked_or_retried(op: str, status: str) -> None:
    history = History().planned() if status == "planned" else History().started()
    if status == "complete":
        history.add(ev.MissionComplete())
    with pytest.raises(MissionError) as caught:
        history.judge(op, **({"feature": "F1"} if op == "retry" else {}))
    assert caught.value.code == "wrong_state"


def test_w42_failed_is_what_abandon_sets_and_nothing_runs_then() -> None:
    mission = History().started().ask("abandon", reason="no use")
    assert mission.status == "failed"
    history = History().started()
    history.ask("abandon")
    with pytest.raises(MissionError):
        history.judge("resume")
    assert following(history) == "failed"


async def test_w43_the_files_of_the_plan_follow_the_accepted_plan(tmp_path: Path) -> None:
    world = World(tmp_path)
    repair = recovery_rule("retry-repair", [repair_operation("M1", "F1-repair")])
    await world.run(world.playbook(deviations={"M1": "fail"}, recovery=[repair]))
    features = world.artifact("plan/features.json")["milestones"][0]["features"]
    assert [f["id"] for f in features] == ["F1", "F1-repair"]
    contract = world.artifact("plan/validation-contract.json")["assertions"]
    assert contract == world.plan["validationContract"]["assertions"]


async def test_w44_a_mission_runs_without_any_face_and_repairs_say_where_they_come_from(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    repair = recovery_rule("retry-repair", [repair_operation("M1", "F1-repair")])
    assert (await world.run(world.playbook(deviations={"M1": "fail"}, recovery=[repair]))).exit_code == 0
    added = world.events("repair_feature_added")[0]["data"]
    assert (added["featureId"], added["defectId"]) == ("F1-repair", "D1")
    assert added["runId"] == world.mission.runs[1].runId
    report = (world.store.mission(world.id).path / "report.md").read_text()
    assert "F1-repair" in report
    assert "repairs D1" in report
