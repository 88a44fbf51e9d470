"""Judging requests: the one table of what is legal when, and what it leads to."""

from __future__ import annotations

import pytest

from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.legal import legal_operations
from missions.model.mission import Decision, DecisionOption
from missions.model.operations import BY_NAME
from support.histories import History
from support.plans import plan_json


def blocked() -> History:
    history = History().started()
    history.work("F1", accepted=False)
    return history.packet().block("handoff_rejected")


def complete() -> History:
    history = History().started()
    history.work("F1", "F2")
    history.validate("M1")
    history.work("F3")
    history.validate("M2")
    history.add(ev.MissionComplete())
    return history


STATES = {
    "planned": lambda: History().planned(),
    "running": lambda: History().started(),
    "blocked": blocked,
    "complete": complete,
}
ARGUMENTS = {
    "retry": {"feature": "F1"},
    "skip": {"feature": "F2", "reason": "not needed"},
    "rerun-validation": {"milestone": "M1"},
    "waive": {"defect": "D1", "reason": "fine"},
    "steer": {"text": "faster"},
}


def legal(history: History, op: str, *, child_runs: bool = False) -> bool:
    try:
        history.judge(op, child_runs=child_runs, **ARGUMENTS.get(op, {}))
    except MissionError as error:
        assert error.code in ("wrong_state", "not_found", "bad_argument")
        assert error.message
        assert error.next_step
        return False
    return True


@pytest.mark.parametrize(
    ("state", "allowed"),
    [
        ("planned", {"run", "resume", "skip", "abandon"}),
        ("running", {"run", "resume", "pause", "retry", "skip", "block", "abandon"}),
        ("blocked", {"run", "resume", "retry", "skip", "unblock", "abandon"}),
        ("complete", set[str]()),
    ],
)
def test_each_status_allows_its_operations_and_refuses_the_others(state: str, allowed: set[str]) -> None:
    asked = {"run", "resume", "pause", "cancel", "skip", "block", "unblock", "abandon", *ARGUMENTS}
    assert {op for op in asked if legal(STATES[state](), op)} == allowed


def test_a_refused_request_leads_to_nothing() -> None:
    history = complete()
    before = history.mission.model_copy(deep=True)
    for op in ("pause", "block", "unblock", "cancel", "retry", "rerun-validation"):
        assert not legal(history, op)
    assert history.mission == before


def test_the_operations_that_menus_offer_exist_and_fit_the_status() -> None:
    for make in STATES.values():
        history = make()
        offered = legal_operations(history.mission)
        assert offered
        assert set(offered) <= set(BY_NAME)
    assert "pause" in legal_operations(History().started().mission)


def test_pause_during_a_run_is_a_wish_and_without_one_it_holds_at_once() -> None:
    history = History().started()
    history.begin("F1")
    assert [e.type for e in history.judge("pause", child_runs=True).events] == ["mission_pause_requested"]
    assert history.judge("pause", child_runs=True, now=True).signal == "pause-now"
    mission = history.ask("pause")
    assert mission.status == "paused"
    assert mission.activeRun is not None


def test_resume_clears_the_wish_to_pause() -> None:
    history = History().started()
    history.begin("F1")
    history.ask("pause")
    mission = history.ask("resume")
    assert (mission.status, mission.pauseRequestedAt, mission.pauseReason) == ("running", None, None)


def test_resuming_a_running_mission_records_nothing() -> None:
    assert History().started().judge("resume").events == ()


def test_cancel_without_a_process_leaves_the_tidying_to_the_next_runner() -> None:
    history = History().started()
    run = history.begin("F1")
    mission = history.ask("cancel")
    assert (mission.status, mission.activeRun) == ("paused", None)
    assert [i["key"] for i in mission.openIntents.values()] == [run]


def test_block_and_retry_are_refused_while_a_run_goes_on() -> None:
    history = History().started()
    history.begin("F1")
    assert not legal(history, "block", child_runs=True)
    assert not legal(history, "retry", child_runs=True)
    assert not legal(history, "rerun-validation", child_runs=True)


def test_retry_makes_one_feature_pending_and_keeps_the_others() -> None:
    history = History().started()
    history.work("F1")
    history.work("F2", accepted=False)
    history.block("handoff_rejected", item="F2")
    mission = history.ask("retry", note="Use the other library.")
    assert [f.status for f in mission.all_features()] == ["complete", "pending", "pending"]
    assert (mission.status, mission.latestBlock) == ("paused", None)
    feature = mission.feature("F2")
    assert feature is not None
    assert feature.reason == "Use the other library."


def test_retry_of_finished_work_and_of_an_unknown_feature_is_refused() -> None:
    history = History().started()
    history.work("F1")
    for feature, code in (("F1", "wrong_state"), ("F7", "not_found")):
        with pytest.raises(MissionError) as caught:
            history.judge("retry", feature=feature)
        assert caught.value.code == code


def test_unblock_is_only_for_a_blocked_mission_and_leaves_it_paused() -> None:
    with pytest.raises(MissionError):
        History().started().judge("unblock")
    mission = blocked().ask("unblock")
    assert (mission.status, mission.latestBlock, mission.recovery) == ("paused", None, None)


def test_a_mission_blocked_by_hand_is_unblocked_before_it_is_resumed() -> None:
    history = History().started()
    mission = history.ask("block", reason="wait")
    assert (mission.status, mission.latestBlock and mission.latestBlock.message) == ("blocked", "wait")
    with pytest.raises(MissionError):
        history.judge("resume")
    history.ask("unblock")
    assert history.ask("resume").status == "running"


def test_a_validation_can_only_be_rerun_when_its_features_are_done_and_it_did_not_pass() -> None:
    history = History().started()
    history.work("F1", "F2")
    history.validate("M1", "fail")
    history.block("validator_report_failed", kind="validator", item="M1", validatorMode="scrutiny")
    history.ask("rerun-validation")
    assert history.mission.milestones[0].validationState.scrutiny.verdict is None
    history.ask("resume")
    history.validate("M1")
    with pytest.raises(MissionError):
        history.judge("rerun-validation", milestone="M1")
    with pytest.raises(MissionError):
        history.judge("rerun-validation", milestone="M2")


def test_an_open_question_must_be_answered_before_a_resume() -> None:
    history = blocked()
    options = (
        DecisionOption(id="retry", label="Retry", consequence="again", op="retry", args={"feature": "F1"}),
    )
    question = Decision(
        id="d1", kind="block", question="What now?", options=options, requestedAt="2026-11-23T10:00:00.000Z"
    )
    history.add(ev.DecisionRequested(decision=question))
    with pytest.raises(MissionError) as caught:
        history.judge("resume")
    assert caught.value.data["decision"] == "d1"
    with pytest.raises(MissionError):
        history.judge("decide", answer="maybe")
    mission = history.ask("decide", answer="retry")
    assert (mission.decisions, mission.status) == ([], "paused")
    with pytest.raises(MissionError):
        history.judge("decide", decision="d1", answer="retry")


def test_a_resume_lets_the_orchestrator_hear_the_answer_first() -> None:
    history = blocked()
    question = Decision(
        id="d1", kind="ask-user", question="Which?", freeText=True, requestedAt="2026-11-23T10:00:00.000Z"
    )
    history.add(
        ev.RecoveryRequested(),
        ev.RecoveryDispatched(runId="1790000000900-recovery-1", attempt=1, packet="1" * 64),
        ev.RecoveryOutcomeChosen(
            runId="1790000000900-recovery-1", exitCode=0, outcome="ask-user", chosen="ask-user", reason="?"
        ),
        ev.DecisionRequested(decision=question),
    )
    history.ask("decide", answer="the blue one")
    mission = history.ask("resume")
    assert mission.status == "blocked"
    assert mission.recovery is not None
    assert (mission.recovery.state, mission.recovery.answer) == ("requested", "the blue one")


def test_a_plan_that_breaks_a_rule_is_refused_as_a_whole() -> None:
    history = History().started()
    plan = plan_json()
    plan["milestones"][0]["features"][0]["dependencies"] = ["F2"]
    plan["milestones"][1]["features"][0]["id"] = "F1"
    with pytest.raises(MissionError) as caught:
        history.judge("write-plan", plan=plan)
    assert caught.value.code == "plan_invalid"
    assert len(caught.value.data["findings"]) >= 2


def test_a_plan_is_never_a_start_and_a_revision_keeps_the_status() -> None:
    plan = {
        **plan_json(),
        "objective": "The importer reads dates in every form, and says so when it cannot do it.",
    }
    assert History().planned().ask("write-plan", plan=plan).status == "planned"
    history = History().started()
    history.work("F1")
    assert history.ask("write-plan", plan=plan).status == "running"
    assert blocked().ask("write-plan", plan=plan).status == "blocked"


def test_a_finished_mission_that_gets_new_work_is_planned_again_and_starts_only_once() -> None:
    history = complete()
    plan = plan_json()
    plan["milestones"].append(
        {
            "id": "M3",
            "title": "More",
            "objective": "There is more.",
            "validation": "Look at it.",
            "features": [
                {
                    "id": "F4",
                    "title": "More dates",
                    "description": "Read dates that name their weekday, and cover them with tests.",
                    "claims": ["A5"],
                }
            ],
        }
    )
    plan["validationContract"]["assertions"].append(
        {**plan["validationContract"]["assertions"][0], "id": "A5", "assertion": "Weekdays are read."}
    )
    again = history.ask("write-plan", plan=plan)
    assert (again.status, again.completedAt) == ("planned", None)
    started = history.mission.executionStartedAt
    mission = history.ask("run", accept=["plan"])
    assert (mission.status, mission.executionStartedAt) == ("running", started)
    assert [e.type for e in history.entries].count("mission_execution_started") == 1


def test_a_request_about_an_older_plan_is_a_conflict() -> None:
    with pytest.raises(MissionError) as caught:
        History().started().judge("skip", feature="F2", reason="no", expect={"planVersion": 7})
    assert caught.value.code == "conflict"


def test_an_unknown_argument_is_refused_by_name() -> None:
    with pytest.raises(MissionError, match="colour"):
        History().started().judge("pause", colour="blue")
