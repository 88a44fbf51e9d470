"""The fold: what each event makes of a mission, and that nothing else does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.fold import fold, replay
from missions.model.fold_rules import HANDLERS
from missions.model.mission import Decision, Mission
from missions.model.mission import Mission as Snapshot
from support.histories import MISSION, Entry, History
from support.plans import plan_document, plan_json

MODEL = Path(__file__).resolve().parents[3] / "server" / "missions"


def statuses(mission: Mission) -> list[str]:
    return [f.status for f in mission.all_features()]


def test_a_milestone_is_complete_only_when_its_features_are_done_and_its_validation_passed() -> None:
    history = History().started()
    history.work("F1")
    assert history.mission.milestones[0].status == "running"
    history.work("F2")
    assert history.mission.milestones[0].status == "validating"
    history.begin_validation("M1")
    assert history.mission.milestones[0].status == "validating"
    history.validate("M1")
    assert history.mission.milestones[0].status == "complete"


def test_a_milestone_with_user_testing_needs_both_verdicts() -> None:
    raw = plan_json()
    raw["milestones"][0]["userTesting"] = True
    history = History(plan_document(milestones=raw["milestones"])).started()
    history.work("F1", "F2")
    history.validate("M1")
    assert history.mission.milestones[0].status == "validating"
    history.validate("M1", mode="user-testing")
    assert history.mission.milestones[0].status == "complete"


@pytest.mark.parametrize("verdict", ["fail", "inconclusive"])
def test_a_milestone_without_a_pass_is_failed(verdict: str) -> None:
    history = History().started()
    history.work("F1", "F2")
    history.validate("M1", verdict)
    assert history.mission.milestones[0].status == "failed"


def test_new_work_in_a_milestone_makes_its_verdict_worthless() -> None:
    history = History().started()
    history.work("F1", "F2")
    history.validate("M1")
    history.add(ev.MissionFeatureRetryRequested(featureId="F1"))
    assert history.mission.milestones[0].status != "complete"
    history.work("F1")
    assert history.mission.milestones[0].validationState.scrutiny.verdict is None
    assert history.mission.milestones[0].status == "validating"


def test_failures_are_counted_by_milestone_and_survive_a_replay() -> None:
    history = History().started()
    history.work("F1", "F2")
    history.validate("M1", "fail")
    history.validate("M1", "fail")
    again = replay(history.entries, history.blobs.__getitem__, MISSION)
    assert [m.validationState.failureCount for m in again.milestones] == [2, 0]
    assert again == history.mission


def test_only_fields_that_a_snapshot_keeps_are_state() -> None:
    history = History().started()
    history.work("F1", accepted=False)
    history.packet().block("handoff_rejected")
    assert Snapshot.model_validate_json(history.mission.model_dump_json()) == history.mission


def test_a_rejected_worker_fails_its_feature_and_a_resume_makes_it_pending() -> None:
    history = History().started()
    history.work("F1", accepted=False)
    history.block("handoff_rejected")
    assert (history.mission.status, statuses(history.mission)) == (
        "blocked",
        ["failed", "pending", "pending"],
    )
    history.add(ev.MissionResumeRequested())
    assert (history.mission.status, statuses(history.mission)) == ("running", ["pending"] * 3)
    assert history.mission.latestBlock is None
    assert history.mission.pauseRequestedAt is None


@pytest.mark.parametrize("kind", [ev.RunInterrupted, ev.MissionInterruptedRunReset])
def test_an_interrupted_worker_is_pending_again(kind: type[ev.RunInterrupted]) -> None:
    history = History().started()
    run = history.begin("F1")
    assert history.mission.activeRun is not None
    history.add(kind(runId=run, reason="the machine stopped"))
    assert history.mission.activeRun is None
    assert statuses(history.mission)[0] == "pending"
    assert history.mission.runs[0].status == "interrupted"


def test_an_interrupted_validation_has_no_verdict() -> None:
    history = History().started()
    history.work("F1", "F2")
    run = history.begin_validation("M1")
    history.add(ev.RunInterrupted(runId=run, reason="the machine stopped"))
    assert history.mission.milestones[0].validationState.scrutiny.verdict is None
    assert history.mission.milestones[0].status == "validating"


@pytest.mark.parametrize("reason", ["cancelled", "the machine stopped"])
def test_a_cancelled_orchestrator_leaves_the_block_alone_and_an_interrupted_one_is_woken_again(
    reason: str,
) -> None:
    history = History().started()
    history.work("F1", accepted=False)
    history.packet().block("handoff_rejected")
    history.add(
        ev.RecoveryRequested(reasonCategory="handoff_rejected"),
        ev.RecoveryDispatched(runId="1790000000900-recovery-1", attempt=1, packet="1" * 64),
        ev.RunInterrupted(runId="1790000000900-recovery-1", reason=reason),
    )
    assert history.mission.recovery is not None
    assert history.mission.recovery.state == ("closed" if reason == "cancelled" else "requested")


def test_a_recovery_that_a_used_up_budget_held_comes_back_with_its_own_block() -> None:
    history = History().started()
    history.work("F1", accepted=False)
    history.packet().block("handoff_rejected")
    history.add(ev.RecoveryRequested(reasonCategory="handoff_rejected"))
    history.block("budget_reached", kind="mission")
    assert history.mission.status == "paused"
    history.add(ev.MissionResumeRequested())
    assert history.mission.status == "blocked"
    assert history.mission.latestBlock is not None
    assert history.mission.latestBlock.reasonCategory == "handoff_rejected"


def test_a_complete_mission_keeps_no_block_no_pause_and_no_question() -> None:
    history = History().started()
    question = Decision(id="d1", kind="block", question="What now?", requestedAt="2026-11-23T10:00:00.000Z")
    history.add(
        ev.MissionPauseRequested(requestedAt="2026-11-23T10:00:00.000Z"),
        ev.DecisionRequested(decision=question),
    )
    mission = history.add(ev.MissionComplete())
    assert (mission.status, mission.pauseRequestedAt, mission.latestBlock, mission.decisions) == (
        "complete",
        None,
        None,
        [],
    )


def test_a_revision_keeps_what_was_done_and_a_later_start_is_no_second_first_one() -> None:
    history = History().started()
    history.work("F1")
    first = history.mission.executionStartedAt
    history.ask(
        "revise-plan",
        reason="better words",
        operations=[{"op": "edit_feature", "featureId": "F3", "title": "Report every bad date"}],
    )
    mission = history.mission
    assert (mission.status, statuses(mission)) == ("running", ["complete", "pending", "pending"])
    assert mission.plan.version == 2
    history.add(ev.MissionExecutionStarted(planVersion=2))
    assert history.mission.executionStartedAt == first


def test_times_are_split_by_what_the_mission_did() -> None:
    history = History().started()
    history.work("F1", "F2")
    history.validate("M1")
    assert (history.mission.time.working, history.mission.time.validating) == (2000, 500)
    history.block("manual", kind="mission")
    history.add(ev.HostSuspended(seconds=1), ev.MissionUnblockManual(), ev.MissionResumeRequested())
    assert history.mission.time.waitingHuman == 3000


def test_an_event_of_a_later_version_changes_nothing_but_the_position() -> None:
    history = History().started()
    before = history.mission.model_copy(deep=True)
    later = Entry(before.lastSeq + 1, "something_of_tomorrow", {"x": 1}, before.updatedAt)
    after = fold(history.mission, [later], history.blobs.__getitem__)
    assert after is not None
    assert after.model_dump(exclude={"lastSeq"}) == before.model_dump(exclude={"lastSeq"})
    assert after.lastSeq == before.lastSeq + 1


def test_a_known_event_with_impossible_data_is_damage() -> None:
    history = History().started()
    with pytest.raises(MissionError) as caught:
        fold(
            history.mission, [Entry(9, "worker_started", {"attempt": "many"}, "x")], history.blobs.__getitem__
        )
    assert caught.value.code == "store_corrupt"


def test_a_journal_that_does_not_begin_with_its_mission_is_damage() -> None:
    with pytest.raises(MissionError) as caught:
        replay([Entry(1, "mission_complete", {}, "2026-11-23T10:00:00.000Z")], {}.__getitem__, MISSION)
    assert caught.value.code == "store_corrupt"


def test_the_status_of_a_mission_is_set_in_the_fold_and_nowhere_else() -> None:
    assigning = re.compile(r"^\s*(?:self\.)?(?:mission|feature|milestone)\.status(?:, .*)? = ", re.M)
    found = {
        path.name
        for path in MODEL.rglob("*.py")
        if assigning.search(path.read_text("utf-8")) and not path.name.startswith("fold")
    }
    assert found == set()


def test_every_handler_is_for_a_known_event() -> None:
    assert {kind.type for kind in HANDLERS} <= set(ev.EVENTS)


_STEPS = st.sampled_from(
    [
        "work",
        "reject",
        "pass",
        "fail",
        "inconclusive",
        "block",
        "resume",
        "pause",
        "paused",
        "retry",
        "skip",
        "cancel",
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_STEPS, max_size=25))
def test_whatever_happens_no_milestone_is_complete_without_its_pass_and_a_snapshot_can_go_on(
    steps: list[str],
) -> None:
    history = History().started()
    for step in steps:
        _take(history, step)
        mission = history.mission
        for milestone in mission.milestones:
            if milestone.status == "complete":
                assert milestone.features_done
                assert milestone.validationState.scrutiny.verdict == "pass"
    half = len(history.entries) // 2
    plans = history.blobs.__getitem__
    first = fold(None, history.entries[:half], plans, MISSION)
    loaded = Snapshot.model_validate_json(first.model_dump_json()) if first is not None else None
    assert fold(loaded, history.entries[half:], plans, MISSION) == history.mission


def _take(history: History, step: str) -> None:
    feature = next((f.id for f in history.mission.all_features() if f.status == "pending"), "F1")
    milestone = history.mission.currentMilestoneId or "M1"
    if step in ("work", "reject"):
        history.work(feature, accepted=step == "work")
    elif step in ("pass", "fail", "inconclusive"):
        history.validate(milestone, step)
    elif step == "block":
        history.packet().block("worker_reported_blocked", item=feature)
    elif step == "cancel":
        history.add(ev.RunInterrupted(runId=history.begin(feature), reason="cancelled"))
    else:
        history.add(
            {
                "resume": ev.MissionResumeRequested(),
                "pause": ev.MissionPauseRequested(requestedAt="2026-11-23T10:00:00.000Z"),
                "paused": ev.MissionPaused(reason="now"),
                "retry": ev.MissionFeatureRetryRequested(featureId=feature),
                "skip": ev.FeatureSkipped(featureId=feature, reason="not needed"),
            }[step]
        )
