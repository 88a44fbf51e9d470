"""Budgets that pause and go on, known failing checks, verdicts that do not count, and whole missions in a private clone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from missions.simulator.playbook import Playbook
from missions.simulator.scripts import recovery_rule, repair_operation, validator_rule, worker_rule
from support.desk import KEY, Desk
from support.engine import CHECK, World, plan_of

TWO = {"M1": ["F1", "F2"]}


def steady(world: World) -> Playbook:
    """Workers and a validator that do again what was not run, and submit as soon as the work is done."""
    rules: list[dict[str, Any]] = []
    for feature in ("F1", "F2"):
        *work, submit = worker_rule({"id": feature, "title": "Piece"}, [CHECK])["turns"]
        submit["tools"][0]["input"]["commandsRun"] = []
        when = {"role": "worker", "task": feature}
        rules.append({"when": {**when, "anyResult": "^[0-9a-f]{40}$"}, "reply": submit})
        rules.append({"when": when, "reply": {"tools": [t for turn in work[1:] for t in turn["tools"]]}})
        rules[-1]["reply"]["tools"].insert(0, work[0]["tools"][1])
    look, report = validator_rule({"id": "M1", "assertions": ["A1", "A2"], "mode": "scrutiny"}, [CHECK])[
        "turns"
    ]
    report["tools"][0]["input"]["commandsRun"] = []
    rules.append({"when": {"role": "scrutiny", "anyResult": "exit code 0"}, "reply": report})
    rules.append({"when": {"role": "scrutiny"}, "reply": look})
    return Playbook.from_data({"rules": rules})


async def reached(world: World, kind: str, scope: str) -> dict[str, Any]:
    """Run until the budget is used up; the event."""
    result = await world.run(steady(world))
    assert (result.exit_code, world.mission.status, world.category) == (13, "paused", "budget_reached")
    event = world.events("budget_reached")[0]["data"]
    assert (event["kind"], event["scope"]) == (kind, scope)
    decision = world.mission.decisions[0]
    assert (decision.kind, [o.id for o in decision.options]) == ("budget", ["raise", "abandon"])
    assert world.mission.recovery is None
    return event


async def goes_on(world: World, *attempts: str) -> None:
    """Answer with a higher limit, if need be again, and see the mission through without repeating a run."""
    for _ in range(12):
        world.decide("raise")
        result = await world.resume(steady(world))
        if result.exit_code != 13:
            break
    assert result.exit_code == 0
    assert world.units() == list(attempts)


HONEST = ("worker F1", "worker F2", "scrutiny M1")


async def test_a_used_up_run_budget_pauses_and_goes_on_after_raising(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of(TWO, budget={"runs": 1}))
    event = await reached(world, "runs", "mission")
    assert (event["limit"], event["spent"]) == (1, 1)
    assert world.units() == ["worker F1"]
    await goes_on(world, *HONEST)


@pytest.mark.parametrize(
    ("kind", "budget"), [("usd", {"usd": 0.03}), ("tokens", {"tokens": 12_000})], ids=["money", "tokens"]
)
async def test_a_used_up_mission_budget_pauses_inside_the_run_and_goes_on_inside_it(
    tmp_path: Path, kind: str, budget: dict[str, Any]
) -> None:
    world = World(tmp_path, plan_of(TWO, budget={"runs": 60, **budget}))
    await reached(world, kind, "mission")
    assert world.mission.activeRun is not None
    spent = world.mission.usage.costMicroUsd if kind == "usd" else world.mission.usage.total_tokens
    assert spent <= world.events("budget_reached")[0]["data"]["limit"]
    await goes_on(world, *HONEST)


async def test_a_used_up_time_budget_pauses_and_goes_on(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of(TWO, budget={"runs": 60, "wallMinutes": 0.0001}))
    event = await reached(world, "wall", "mission")
    assert event["spent"] >= event["limit"] == 6
    world.request("budget", wallMinutes=60)
    assert world.mission.decisions == []
    assert (await world.resume(steady(world))).exit_code == 0


async def test_a_unit_that_takes_too_many_turns_pauses_and_goes_on_inside_after_raising(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, plan_of(TWO), settings={"budget": {"unitTurns": 1}})
    event = await reached(world, "turns", "unit")
    assert event["limit"] == 1
    run = world.mission.activeRun
    assert run is not None
    await goes_on(world, *HONEST)
    assert world.mission.runs[0].runId == run.runId


async def test_a_used_up_unit_budget_names_the_unit(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of(TWO), settings={"budget": {"unitUsd": 0.02}})
    await reached(world, "usd", "unit")
    world.request("budget", unitUsd=5)
    assert (await world.resume(steady(world))).exit_code == 0


async def test_a_budget_used_up_by_the_orchestrator_lets_it_decide_after_raising(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of(budget={"runs": 1}))
    result = await world.run(world.playbook(deviations={"F1": "blocked"}))
    assert (result.exit_code, world.units()) == (13, ["worker F1"])
    world.request("budget", runs=60)
    assert (await world.resume(world.playbook(recovery=[recovery_rule("resume")]))).exit_code == 0
    assert world.units() == ["worker F1", "recovery", "worker F1", "scrutiny M1"]


async def test_abandoning_at_a_used_up_budget_ends_the_mission(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of(TWO, budget={"runs": 1}))
    await reached(world, "runs", "mission")
    world.decide("abandon")
    assert world.mission.status == "failed"
    assert (await world.run()).exit_code == 1


# Baseline


async def test_a_check_that_failed_before_the_mission_is_not_blamed_on_anybody(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of(environment={"checks": ["test -s README.md", "exit 4"]}))
    assert (await world.run()).exit_code == 0
    recorded = world.events("checks_recorded")
    assert [e["data"]["failures"] for e in recorded] == [[{"command": "exit 4", "exitCode": 4}]]
    assert world.simulator is not None
    assert "already failed before the mission" in str(world.simulator.requests[0]["messages"])


async def test_a_check_that_breaks_during_the_mission_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of(environment={"checks": ["test ! -e work/F1.txt"]}))
    assert (await world.run()).exit_code == 10
    assert world.category in ("missing_handoff", "handoff_rejected")
    assert world.mission.baseline == []
    assert world.clean()


async def test_what_the_checks_leave_behind_is_put_back_before_the_first_unit(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of(environment={"checks": ["echo left > left.txt; rm left.txt", "true"]}))
    assert (await world.run()).exit_code == 0
    assert world.clean()


# Validations


@pytest.mark.parametrize("flag", [True, {"required": True, "instructions": "Open each file."}])
async def test_user_testing_follows_scrutiny_when_the_plan_asks_for_it_as_flag_or_object(
    tmp_path: Path, flag: object
) -> None:
    plan = plan_of({"M1": ["F1"], "M2": ["F2"]}, milestones={"M1": {"userTesting": flag}})
    plan["skills"]["validatorUserTesting"] = "Use it like a user."
    world = World(tmp_path, plan)
    assert (await world.run()).exit_code == 0
    assert world.units() == ["worker F1", "scrutiny M1", "user-testing M1", "worker F2", "scrutiny M2"]
    run = next(r for r in world.mission.runs if r.validatorMode == "user-testing")
    assert world.report(run.runId, "user-testing-report.json")["screens"]


async def test_a_failed_user_testing_blocks_and_is_repeated_after_the_repair(tmp_path: Path) -> None:
    plan = plan_of(milestones={"M1": {"userTesting": True}})
    plan["skills"]["validatorUserTesting"] = "Use it like a user."
    world = World(tmp_path, plan)
    repair = recovery_rule("retry-repair", [repair_operation("M1", "F1-repair")])
    result = await world.run(world.playbook(deviations={"M1:user-testing": "fail"}, recovery=[repair]))
    assert result.exit_code == 0
    assert world.units() == [
        "worker F1",
        "scrutiny M1",
        "user-testing M1",
        "recovery",
        "worker F1-repair",
        "scrutiny M1",
        "user-testing M1",
    ]
    block = world.events("mission_block_recorded")[0]["data"]["block"]
    assert block["validatorMode"] == "user-testing"
    assert any("user-testing-report" in path for path in block["artifactPaths"])


async def test_an_inconclusive_validation_blocks_without_counting(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of(milestones={"M1": {"failureLimit": 1}}))
    result = await world.run(world.playbook(deviations={"M1": "inconclusive"}, every_attempt=True))
    assert (result.exit_code, world.category) == (10, "validation_inconclusive")
    assert world.mission.milestones[0].validationState.failureCount == 0
    assert world.mission.milestones[0].status != "complete"


@pytest.mark.parametrize("workspace", ["inPlace", "clone"])
@pytest.mark.parametrize("sandbox", ["auto", "none"])
async def test_a_validator_that_edits_does_not_change_the_repository(
    tmp_path: Path, workspace: str, sandbox: str
) -> None:
    plan = plan_of(environment={"workspace": workspace})
    world = World(tmp_path, plan, settings={"sandbox": {"mode": sandbox}})
    result = await world.run(world.playbook(deviations={"M1": "edits-repository"}, every_attempt=True))
    run = next(r for r in world.mission.runs if r.kind == "validator")
    assert (result.exit_code, world.category, run.status) == (10, "missing_validation_report", "inconclusive")
    assert world.mission.latestBlock is not None
    assert "README.md" in world.mission.latestBlock.message
    put_back = [e["data"] for e in world.events("effect_recorded") if e["data"]["kind"] == "put-back"]
    assert put_back[-1]["outcome"]["paths"] == ["README.md"]
    assert world.clean()
    tree = world.store.mission(world.id).git / "tree" if workspace == "clone" else world.root
    assert (tree / "README.md").read_text() == "hello\n"


# A private clone


async def test_a_mission_in_a_clone_leaves_the_checkout_alone_and_brings_its_branch_home(
    tmp_path: Path,
) -> None:
    plan = plan_of({"M1": ["F1"], "M2": ["F2"]}, environment={"workspace": "clone"})
    world = World(tmp_path, plan)
    world.user.write("README.md", "what the user is writing\n")
    world.user.write("notes.txt", "untracked\n")
    before = world.user.contents()
    head, branch = world.git("rev-parse", "HEAD"), world.git("symbolic-ref", "HEAD")
    result = await world.run(world.playbook(deviations={"F2": "blocked"}, every_attempt=True))
    assert result.exit_code == 10
    home = f"missions/{world.id}"
    assert world.git("show", f"{home}:work/F1.txt").startswith("F1:"), "brought home after the unit"

    assert (await world.resume()).exit_code == 0
    assert world.git("show", f"{home}:work/F2.txt").startswith("F2:")
    assert world.git("rev-parse", home) == world.mission.tipCommit
    assert world.user.contents() == before
    assert (world.git("rev-parse", "HEAD"), world.git("symbolic-ref", "HEAD")) == (head, branch)


async def test_setup_prepares_a_clone_once(tmp_path: Path) -> None:
    environment = {"workspace": "clone", "setup": "mkdir -p build && echo ready >> build/ready.txt"}
    world = World(tmp_path, plan_of(environment={**environment, "checks": ["grep -q ready build/ready.txt"]}))
    assert (await world.run()).exit_code == 0
    assert world.mission.baseline == []
    tree = world.store.mission(world.id).git / "tree"
    assert (tree / "build" / "ready.txt").read_text() == "ready\n"
    assert not (world.root / "build").exists()


# Dirty trees and strangers


async def test_files_that_were_dirty_at_the_start_stay_as_they_are_and_are_never_committed(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.user.write("README.md", "half a sentence\n")
    world.user.write("notes.txt", "mine\n")
    assert (await world.run()).exit_code == 0
    assert (world.root / "README.md").read_text() == "half a sentence\n"
    assert world.git("diff", "--name-only", "main", "HEAD") == "work/F1.txt"
    assert (world.root / "notes.txt").read_text() == "mine\n"


async def test_what_the_user_commits_meanwhile_becomes_a_question_and_is_never_reverted(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, plan_of(TWO))
    await world.run(world.playbook(deviations={"F2": "blocked"}))
    world.user.write("mine.txt", "by hand\n")
    commit = world.user.commit("mine")
    world.request("retry", feature="F2")
    result = await world.resume()
    assert (result.exit_code, world.category) == (12, "repository_changed")
    assert world.git("rev-parse", "HEAD") == commit
    world.decide("accept")
    assert (await world.resume()).exit_code == 0
    assert (world.root / "mine.txt").read_text() == "by hand\n"


async def test_a_check_that_is_killed_before_any_work_is_a_known_failure_without_a_code(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, plan_of(environment={"checks": [CHECK, "kill -9 $$"]}))
    await world.run()
    assert world.units()[0] == "worker F1"
    recorded = world.events("checks_recorded")[0]["data"]
    assert (recorded["failures"], recorded["commands"]) == ([{"command": "kill -9 $$"}], 2)


async def test_on_a_disk_that_is_nearly_full_nothing_begins_and_all_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    world.create()
    monkeypatch.setenv("MISSIONS_DISK_FLOOR", str(2**60))
    result = await world.run()
    assert (result.exit_code, world.mission.status, world.category) == (11, "paused", "disk_full")
    assert (world.units(), world.clean()) == ([], True)
    assert "MB are free" in str(world.mission.latestBlock)
    monkeypatch.delenv("MISSIONS_DISK_FLOOR")
    assert (await world.resume()).exit_code == 0


def test_a_start_on_a_disk_that_is_nearly_full_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path)
    desk.environment["ANTHROPIC_API_KEY"] = KEY
    name = desk.saved()
    before = desk.journal(name)
    said = desk.missions("run", name, "--headless", "--yes", "--no-sandbox", MISSIONS_DISK_FLOOR=str(2**60))
    assert (said.code, "MB are free" in said.err) == (1, True), said
    assert desk.journal(name) == before
