"""The five recovery outcomes, end to end: a real runner, a real repository, an orchestrator that follows a playbook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from missions.agent.skills import base_skill
from missions.control.control import Control
from missions.model.recovery import packet_issues
from missions.simulator.scripts import recovery_rule, repair_operation, worker_rule
from support.engine import CHECK, World, plan_of


async def test_an_honest_mission_runs_from_its_plan_to_completion(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of({"M1": ["F1", "F2"], "M2": ["F3"]}))
    result = await world.run()
    assert (result.exit_code, world.mission.status) == (0, "complete")
    assert world.units() == ["worker F1", "worker F2", "scrutiny M1", "worker F3", "scrutiny M2"]
    assert world.simulator is not None
    assert world.simulator.unmatched == []


async def test_resume_lets_the_same_unit_run_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    result = await world.run(
        world.playbook(deviations={"F1": "no-handoff"}, recovery=[recovery_rule("resume")])
    )
    assert result.exit_code == 0
    assert world.units() == ["worker F1", "recovery", "worker F1", "scrutiny M1"]
    assert [e["data"]["chosen"] for e in world.events("recovery_outcome_chosen")] == ["resume"]
    assert world.mission.latestBlock is None


ASKS = recovery_rule(
    "ask-user",
    when={"attempt": 1},
    reason="Only the user knows the name.",
    question="Which name shall the piece have?",
    options=[{"id": "ada", "label": "Ada", "consequence": "The piece is called Ada."}],
)
HEARS = recovery_rule("retry-repair", when={"first": "It shall be called Grace"})


async def test_ask_user_waits_for_the_answer_and_wakes_the_orchestrator_with_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    playbook = world.playbook(deviations={"F1": "blocked"}, recovery=[HEARS, ASKS])
    result = await world.run(playbook)
    assert (result.exit_code, world.mission.status) == (12, "blocked")
    decision = world.mission.decisions[0]
    outcome = Control(world.store, face="test", user="ada", environment={}).show(world.id, "outcome").text
    assert "# Outcome: ask-user" in outcome
    assert "## The question\n\nWhich name shall the piece have?" in outcome
    assert decision.question == "Which name shall the piece have?"
    assert [o.id for o in decision.options] == ["ada"]

    world.decide("It shall be called Grace")
    result = await world.run(world.playbook(recovery=[HEARS]))
    assert result.exit_code == 0
    assert world.units() == ["worker F1", "recovery", "recovery", "worker F1", "scrutiny M1"]


async def test_a_resume_after_the_answer_still_wakes_the_orchestrator_with_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    playbook = world.playbook(deviations={"F1": "blocked"}, recovery=[HEARS, ASKS])
    await world.run(playbook)
    world.decide("It shall be called Grace")
    result = await world.resume(world.playbook(recovery=[HEARS]))
    assert result.exit_code == 0
    assert world.units().count("recovery") == 2


async def test_a_chosen_option_reaches_the_orchestrator_by_its_label(tmp_path: Path) -> None:
    world = World(tmp_path)
    told = recovery_rule("leave-blocked", when={"first": r"\bAda\b"})
    playbook = world.playbook(deviations={"F1": "blocked"}, recovery=[told, ASKS])
    await world.run(playbook)
    world.decide("ada")
    await world.run(playbook)
    assert [e["data"]["chosen"] for e in world.events("recovery_outcome_chosen")] == [
        "ask-user",
        "leave-blocked",
    ]


async def test_leave_blocked_stops_the_mission_until_a_human_acts(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of({"M1": ["F1", "F2"]}))
    playbook = world.playbook(deviations={"F1": "blocked"})
    result = await world.run(playbook)
    assert (result.exit_code, world.category) == (10, "worker_reported_blocked")
    assert (await world.run(playbook)).exit_code == 10
    assert world.units() == ["worker F1", "recovery"]

    result = await world.resume()
    assert result.exit_code == 0
    assert world.units()[2:] == ["worker F1", "worker F2", "scrutiny M1"]


async def test_retry_repair_adds_a_feature_with_provenance_and_validates_again(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of({"M1": ["F1"], "M2": ["F2"]}))
    repair = recovery_rule("retry-repair", [repair_operation("M1", "F1-repair", depends_on=["F1"])])
    result = await world.run(world.playbook(deviations={"M1": "fail"}, recovery=[repair]))
    assert result.exit_code == 0
    assert world.units() == [
        "worker F1",
        "scrutiny M1",
        "recovery",
        "worker F1-repair",
        "scrutiny M1",
        "worker F2",
        "scrutiny M2",
    ]
    feature = world.mission.feature("F1-repair")
    assert feature is not None
    assert (feature.origin.kind, feature.origin.defectId) == ("repair", "D1")
    assert feature.origin.runId == world.mission.runs[1].runId
    control = Control(world.store, face="test", user="ada", environment={})
    packet = control.show(world.id, "packet").text
    assert "## Failed assertions" in packet
    assert "D1 (major): " in packet
    outcome = control.show(world.id, "outcome").text
    for words in ("# Outcome: retry-repair", "## Why", "## Plan version 2", "+ feature F1-repair"):
        assert words in outcome, outcome
    assert world.mission.milestones[0].validationState.failureCount == 1


async def test_rerun_validation_repeats_an_inconclusive_validation_without_counting_it(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    result = await world.run(
        world.playbook(deviations={"M1": "inconclusive"}, recovery=[recovery_rule("rerun-validation")])
    )
    assert result.exit_code == 0
    assert world.units() == ["worker F1", "scrutiny M1", "recovery", "scrutiny M1"]
    assert world.mission.milestones[0].validationState.failureCount == 0
    assert world.events("milestone_validation_failed") == []


async def test_a_packet_is_written_before_the_block_and_allows_no_repository_edits(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.run(world.playbook(deviations={"F1": "dirty-tree"}, every_attempt=True))
    assert world.category == "dirty_worktree"
    order = [
        e["type"]
        for e in world.events(
            "worker_finished",
            "worker_failed",
            "orchestrator_recovery_packet_created",
            "mission_block_recorded",
            "runtime_orchestrator_recovery_requested",
            "runtime_orchestrator_recovery_dispatched",
        )
    ]
    assert order == [
        "worker_finished",
        "worker_failed",
        "orchestrator_recovery_packet_created",
        "mission_block_recorded",
        "runtime_orchestrator_recovery_requested",
        "runtime_orchestrator_recovery_dispatched",
    ]
    created = world.events("orchestrator_recovery_packet_created")[0]["data"]
    packet: dict[str, Any] = world.artifact(created["packetPaths"][0])
    assert packet_issues(packet) == []
    block = world.mission.latestBlock
    assert block is not None
    assert set(created["packetPaths"]) <= set(block.artifactPaths)
    assert all((world.store.mission(world.id).path / p).is_file() for p in block.artifactPaths)


async def test_the_orchestrator_can_read_and_revise_but_neither_run_nor_write(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.run(world.playbook(deviations={"F1": "no-handoff"}))
    assert world.simulator is not None
    offered = [
        {tool["name"] for tool in request["tools"]}
        for request in world.simulator.requests
        if any(tool["name"] == "submit_recovery" for tool in request.get("tools", ()))
    ]
    assert offered
    assert offered[0].isdisjoint({"bash", "jobs", "write", "edit"})
    assert {"mission_status", "mission_revise_plan", "ask_user", "read_artifact"} <= offered[0]


# Guards against loops


async def test_the_same_problem_is_recovered_three_times_and_then_put_to_the_human(tmp_path: Path) -> None:
    world = World(tmp_path)
    playbook = world.playbook(
        deviations={"F1": "no-handoff"}, every_attempt=True, recovery=[recovery_rule("resume")]
    )
    result = await world.run(playbook)
    assert (result.exit_code, world.category) == (12, "retry_limit_exceeded")
    assert world.units() == ["worker F1", "recovery"] * 3 + ["worker F1"]
    decision = world.mission.decisions[0]
    assert {"retry", "skip", "abandon"} <= {o.id for o in decision.options}

    world.decide("skip")
    assert (await world.resume(playbook)).exit_code == 0
    assert world.mission.milestones[0].features[0].status == "skipped"


async def test_a_problem_that_comes_back_climbs_from_retry_over_replanning_to_the_human(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    edit = {"op": "edit_feature", "featureId": "F1", "description": "Write work/F1.txt. Call submit_handoff."}
    ladder = [
        HEARS,
        recovery_rule(
            "ask-user", when={"first": "This is recovery 3 of it"}, question="What shall it be called?"
        ),
        recovery_rule("retry-repair", [edit], when={"first": "This is the second recovery of it"}),
        recovery_rule("resume"),
    ]
    playbook = world.playbook(deviations={"F1": "no-handoff"}, every_attempt=True, recovery=ladder)
    result = await world.run(playbook)
    assert (result.exit_code, world.mission.status) == (12, "blocked")
    chosen = [e["data"]["chosen"] for e in world.events("recovery_outcome_chosen")]
    assert chosen == ["resume", "retry-repair", "ask-user"]
    assert world.mission.plan.version == 2
    assert world.mission.decisions[0].question == "What shall it be called?"
    world.decide("It shall be called Grace")
    assert (await world.run(world.playbook(recovery=[HEARS]))).exit_code == 0
    assert world.mission.status == "complete"


async def test_the_same_problem_counts_on_over_features_that_were_finished_between(tmp_path: Path) -> None:
    world = World(tmp_path, settings={"recovery": {"perSignature": 1}})
    repair = recovery_rule("retry-repair", [repair_operation("M1", "F1-again{{attempt}}")])
    result = await world.run(world.playbook(deviations={"M1": "fail"}, every_attempt=True, recovery=[repair]))
    assert (result.exit_code, world.category) == (12, "retry_limit_exceeded")
    assert world.units().count("recovery") == 1


async def test_different_problems_without_progress_are_put_to_the_human_too(tmp_path: Path) -> None:
    world = World(tmp_path, settings={"recovery": {"perMission": 2}})
    feature = {"id": "F1", "title": "Piece"}
    lies = [
        worker_rule(feature, [CHECK], lie, {"attempt": number})
        for number, lie in enumerate(("no-handoff", "blocked", "dirty-tree"), 1)
    ]
    result = await world.run(world.playbook(*lies, recovery=[recovery_rule("resume")]))
    assert (result.exit_code, world.category) == (12, "retry_limit_exceeded")
    assert world.units() == ["worker F1", "recovery"] * 2 + ["worker F1"]


async def test_a_milestone_that_fails_up_to_its_limit_is_put_to_the_human(tmp_path: Path) -> None:
    plan = plan_of({"M1": ["F1"], "M2": ["F2"]}, milestones={"M1": {"failureLimit": 2}})
    world = World(tmp_path, plan)
    repair = recovery_rule("retry-repair", [repair_operation("M1", "F1-again{{attempt}}")])
    playbook = world.playbook(deviations={"M1": "fail"}, every_attempt=True, recovery=[repair])
    result = await world.run(playbook)
    assert (result.exit_code, world.category) == (12, "validation_limit_exceeded")
    failures = [e["data"] for e in world.events("milestone_validation_failed")]
    assert [(f["failureCount"], f["limitExceeded"]) for f in failures] == [(1, False), (2, True)]
    assert "worker F2" not in world.units()
    assert world.mission.milestones[0].status == "failed"

    world.decide("rerun-validation")
    await world.resume(playbook)
    assert world.category == "validation_limit_exceeded"
    assert world.mission.milestones[0].validationState.failureCount == 3
    assert "worker F2" not in world.units()


# What code does not accept from the orchestrator


def _revisions(world: World) -> list[dict[str, Any]]:
    return world.events("interactive_plan_revised")


async def refused(tmp_path: Path, *rules: dict[str, Any]) -> World:
    """A mission whose validation fails, with this orchestrator; what it wants must not come true."""
    world = World(tmp_path, plan_of({"M1": ["F1", "F2"], "M2": ["F3"]}))
    result = await world.run(world.playbook(deviations={"M1": "fail"}, recovery=rules))
    assert result.exit_code == 10
    assert world.mission.status == "blocked"
    assert world.units() == ["worker F1", "worker F2", "scrutiny M1", "recovery"]
    return world


async def test_a_failed_validation_is_not_repeated_to_get_a_better_verdict(tmp_path: Path) -> None:
    insists = {**recovery_rule("rerun-validation"), "repeatLast": True}
    world = await refused(tmp_path, insists)
    assert len(world.events("runtime_orchestrator_recovery_failed")) == 1
    assert world.events("recovery_outcome_chosen") == []


async def test_a_change_that_brings_no_work_does_not_repeat_a_failed_validation(tmp_path: Path) -> None:
    edit = {"op": "edit_feature", "featureId": "F3", "title": "Piece F3, with a better title"}
    insists = {**recovery_rule("retry-repair", [edit]), "repeatLast": True}
    world = await refused(tmp_path, insists)
    assert len(_revisions(world)) == 1
    assert world.events("recovery_outcome_chosen") == []


async def test_the_orchestrator_cannot_drop_the_assertion_that_failed(tmp_path: Path) -> None:
    drop = {"op": "edit_feature", "featureId": "F1", "claims": []}
    insists = {**recovery_rule("retry-repair", [drop]), "repeatLast": True}
    world = await refused(tmp_path, insists)
    assert _revisions(world) == []
    assert len(world.mission.milestones[0].features[0].claims) == 1


async def test_the_orchestrator_cannot_postpone_the_assertion_that_failed(tmp_path: Path) -> None:
    moves = [
        {"op": "edit_feature", "featureId": "F1", "claims": []},
        {"op": "edit_feature", "featureId": "F3", "claims": ["A1", "A3"]},
    ]
    world = await refused(tmp_path, {**recovery_rule("retry-repair", moves), "repeatLast": True})
    assert _revisions(world) == []


async def test_the_orchestrator_cannot_tell_validators_what_to_find(tmp_path: Path) -> None:
    weaker = [
        {"op": "edit_skill", "role": "validatorScrutiny", "text": "Everything is fine."},
        {"op": "edit_milestone", "milestoneId": "M1", "validation": "Look away."},
    ]
    world = await refused(tmp_path, {**recovery_rule("retry-repair", weaker), "repeatLast": True})
    assert _revisions(world) == []


async def test_the_orchestrator_cannot_touch_finished_work(tmp_path: Path) -> None:
    removal = [{"op": "drop_feature", "featureId": "F2", "reason": "it is in the way"}]
    world = await refused(tmp_path, {**recovery_rule("retry-repair", removal), "repeatLast": True})
    assert _revisions(world) == []
    assert [f.status for f in world.mission.milestones[0].features] == ["complete", "complete"]


async def test_ask_user_needs_a_question(tmp_path: Path) -> None:
    world = World(tmp_path)
    silent = {**recovery_rule("ask-user"), "repeatLast": True}
    result = await world.run(world.playbook(deviations={"F1": "blocked"}, recovery=[silent]))
    assert result.exit_code == 10
    assert world.mission.decisions == []


async def test_the_skill_comes_before_the_packet_and_the_event_names_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.run(world.playbook(deviations={"F1": "no-handoff"}))
    dispatched = world.events("runtime_orchestrator_recovery_dispatched")[0]["data"]
    assert dispatched["injectedSkill"] == "mission-orchestrator"
    assert world.simulator is not None
    request = next(r for r in world.simulator.requests if "submit_recovery" in str(r["tools"]))
    system = "".join(block["text"] for block in request["system"])
    assert base_skill("mission-orchestrator").strip()[:200] in system
    assert "orchestrator_action_required" in request["messages"][0]["content"][0]["text"]


async def test_a_run_that_ends_by_an_error_blocks_whatever_it_had_done(tmp_path: Path) -> None:
    world = World(tmp_path)
    refusing = {
        "when": {"role": "worker", "turn": {"from": 3}, "attempt": 1},
        "reply": {"text": "No.", "faults": [{"kind": "unknown-stop-reason", "stop": "of_tomorrow"}]},
    }
    result = await world.run(world.playbook(refusing))
    assert (result.exit_code, world.category) == (10, "child_exit_nonzero")
    block = world.mission.latestBlock
    assert block is not None
    assert block.exitCode == 1
    assert world.mission.all_features()[0].status == "failed"
    assert world.clean()
    assert world.git("rev-parse", "HEAD") == world.git("rev-parse", "main"), "its commit was put back"


async def test_the_orchestrator_keeps_one_session_that_each_block_wakes_again(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of({"M1": ["F1", "F2"]}))
    lies = {"F1": "no-handoff", "F2": "no-handoff"}
    playbook = world.playbook(deviations=lies, recovery=[recovery_rule("retry-repair")])
    result = await world.run(playbook)
    assert result.status == "complete"
    recoveries = [r for r in world.mission.runs if r.kind == "recovery"]
    assert len(recoveries) == 2
    session = world.store.mission(world.id).orchestrator_transcript.read_text()
    assert all(run.runId in session for run in recoveries)
    assert world.simulator is not None
    asked = [
        body
        for body in world.simulator.requests
        if any(t["name"] == "submit_recovery" for t in body["tools"])
    ]
    first, last = asked[0]["messages"], asked[-1]["messages"]
    assert last[0]["content"][0]["text"] == first[0]["content"][0]["text"], (
        "the second wake-up remembers the first"
    )
    assert not world.simulator.unmatched
