"""What runs next, decided from the mission alone."""

from __future__ import annotations

from typing import Any

import pytest

from missions.model import events as ev
from missions.model.mission import Decision
from missions.model.schedule import Idle, Unit, next_unit, remaining_units
from support.histories import History
from support.plans import plan_document, plan_json


def following(history: History) -> str:
    found = next_unit(history.mission)
    return found.label if isinstance(found, Unit) else found.reason


def with_features(**changes: Any) -> History:
    """The good plan with fields of features replaced, by feature id."""
    raw = plan_json()
    for milestone in raw["milestones"]:
        for feature in milestone["features"]:
            feature.update(changes.get(feature["id"], {}))
    return History(plan_document(milestones=raw["milestones"]))


def test_nothing_runs_before_the_mission_is_started() -> None:
    assert following(History().planned()) == "not_started"


def test_a_whole_mission_goes_through_its_units_in_order() -> None:
    history = History().started()
    order: list[str] = []
    while following(history) != "all_done":
        label = following(history)
        order.append(label)
        kind, item = label.split(":")
        history.work(item) if kind == "worker" else history.validate(item)
    assert order == ["worker:F1", "worker:F2", "validator:M1", "worker:F3", "validator:M2"]
    assert remaining_units(history.mission) == 0


def test_user_testing_comes_after_scrutiny_and_before_the_next_milestone() -> None:
    raw = plan_json()
    raw["milestones"][0]["userTesting"] = {"required": True}
    history = History(plan_document(milestones=raw["milestones"])).started()
    history.work("F1", "F2")
    history.validate("M1")
    assert following(history) == "user-testing:M1"
    history.validate("M1", mode="user-testing")
    assert following(history) == "worker:F3"


def test_no_validator_starts_before_all_features_of_its_milestone_are_done() -> None:
    history = History().started()
    history.work("F1")
    assert following(history) == "worker:F2"
    history.add(ev.FeatureSkipped(featureId="F2", reason="not needed"))
    assert following(history) == "validator:M1"


def test_a_failed_feature_gates_all_later_ones() -> None:
    history = with_features(F2={"dependencies": []}).started()
    history.work("F1", accepted=False)
    assert following(history) == "no_runnable"


def test_a_feature_that_waits_lets_later_independent_ones_of_its_milestone_go_first() -> None:
    history = with_features(F1={"dependencies": ["F2"]}, F2={"dependencies": []}).started()
    assert following(history) == "worker:F2"


def test_a_skipped_dependency_counts_as_done() -> None:
    history = History().started()
    history.add(ev.FeatureSkipped(featureId="F1", reason="not needed"))
    assert following(history) == "worker:F2"


def test_what_can_never_run_is_listed_with_what_it_waits_for() -> None:
    history = with_features(F1={"dependencies": ["F9"]}).started()
    found = next_unit(history.mission)
    assert isinstance(found, Idle)
    assert found.reason == "no_runnable"
    assert [(p.featureId, p.unsatisfied) for p in found.pending] == [
        ("F1", ("F9",)),
        ("F2", ("F1",)),
        ("F3", ("F2",)),
    ]


def test_a_later_milestone_never_runs_first_whatever_is_current() -> None:
    history = History().started()
    mission = history.mission.model_copy(update={"currentMilestoneId": "M2"})
    found = next_unit(mission)
    assert isinstance(found, Unit)
    assert found.itemId == "F1"


@pytest.mark.parametrize("verdict", ["fail", "inconclusive"])
def test_a_validation_without_a_pass_is_run_again_before_anything_later(verdict: str) -> None:
    history = History().started()
    history.work("F1", "F2")
    history.validate("M1", verdict)
    assert following(history) == "validator:M1"


def test_a_validation_that_only_started_is_run_again() -> None:
    history = History().started()
    history.work("F1", "F2")
    run = history.begin_validation("M1")
    found = next_unit(history.mission)
    assert isinstance(found, Unit)
    assert (found.label, found.resumes) == ("validator:M1", run)
    history.add(ev.RunInterrupted(runId=run, reason="the machine stopped"))
    assert following(history) == "validator:M1"


def test_a_pause_request_a_question_and_a_block_each_stop_everything() -> None:
    history = History().started()
    history.add(ev.MissionPauseRequested(requestedAt="2026-11-23T10:00:00.000Z"))
    assert following(history) == "pause"
    history = History().started()
    history.add(
        ev.DecisionRequested(
            decision=Decision(id="d", kind="gate", question="?", requestedAt="2026-11-23T10:00:00.000Z")
        )
    )
    assert following(history) == "decision"
    history = History().started()
    assert following(history.block("manual", kind="mission")) == "blocked"


def test_while_a_packet_is_open_only_the_orchestrator_may_run() -> None:
    history = History().started()
    history.work("F1", accepted=False)
    history.packet().block("handoff_rejected")
    assert following(history) == "blocked"
    history.add(ev.RecoveryRequested(reasonCategory="handoff_rejected"))
    assert following(history).startswith("recovery:")


def test_the_orchestrator_is_not_woken_while_a_pause_is_wanted() -> None:
    history = History().started()
    history.add(ev.MissionPauseRequested(requestedAt="2026-11-23T10:00:00.000Z"))
    history.work("F1", accepted=False)
    history.packet().block("handoff_rejected")
    history.add(ev.RecoveryRequested(reasonCategory="handoff_rejected"))
    assert following(history) == "blocked"
    history.add(ev.MissionResumeRequested())
    assert following(history).startswith("recovery:")


def test_a_finished_mission_runs_nothing() -> None:
    history = History().started()
    history.add(ev.MissionComplete())
    assert following(history) == "complete"
    history = History().started()
    history.add(ev.MissionAbandoned())
    assert following(history) == "failed"
