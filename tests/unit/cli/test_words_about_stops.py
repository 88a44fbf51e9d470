"""What people read when a mission stops and goes on: true amounts, raises that suffice, a line for a run that goes on."""

from __future__ import annotations

import pytest

from missions.cli.event_lines import event_line
from missions.model.errors import MissionError
from missions.runner.blocking import budget_decision
from missions.store.records import Record
from support.histories import History

_LATER = "2026-11-23T23:00:00.000Z"


def acquired(purpose: str, ts: str = _LATER) -> Record:
    return Record(9, 2, ts, "runner_acquired", {"purpose": purpose}, 0, 0, "")


def test_a_budget_that_does_not_cover_the_next_request_is_not_called_used_up() -> None:
    mission = History().started().mission
    question = budget_decision(mission, "usd", 30_000, 10_000, "mission", _LATER)
    assert "does not cover another request ($0.01 of $0.03 used)" in question.question
    # Half more of a tiny limit would end in the same question again.
    assert question.options[0].args == {"usd": 1.03}
    assert question.options[0].label == "Raise to $1.03"


def test_a_budget_that_is_used_up_says_so_and_is_raised_by_half() -> None:
    mission = History().started().mission
    question = budget_decision(mission, "runs", 4, 4, "mission", _LATER)
    assert "is used up (4 runs of 4 runs used)" in question.question
    assert question.options[0].args == {"runs": 6}


def test_a_process_that_goes_on_inside_an_open_run_says_so() -> None:
    history = History().started()
    run = history.begin("F1")
    line = event_line(acquired("run"), history.mission)
    assert line is not None
    assert f"goes on inside run {run}" in line
    assert event_line(acquired("apply"), history.mission) is None
    before = history.mission.activeRun
    assert before is not None
    earlier = acquired("run", "2026-11-23T00:00:00.000Z")
    assert event_line(earlier, history.mission) is None


def test_an_answer_without_a_question_is_told_that_no_question_is_open() -> None:
    history = History().started()
    with pytest.raises(MissionError, match="No question is open in mission-") as refused:
        history.ask("decide", answer="yes")
    assert refused.value.code == "not_found"
