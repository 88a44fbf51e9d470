"""The queue of decisions: what it lists, two faces that answer at once, deadlines that pass while nothing runs."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from missions.model import events as ev
from missions.model.mission import Decision, DecisionOption
from missions.store.lock import Owner
from missions.store.mission_log import MissionLog
from support.desk import Desk
from support.engine import World, plan_of

LEAVE = DecisionOption(id="leave", label="Leave", consequence="It stays as it is.")
STOP = DecisionOption(id="stop", label="Stop", consequence="The mission is blocked.", op="block")
GO = DecisionOption(id="go", label="Go", consequence="It goes on.", op="resume")
SPEND = DecisionOption(id="spend", label="Spend", consequence="More money.", op="budget", args={"usd": 100.0})


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def moment(**distance: float) -> str:
    then = datetime.now(UTC) + timedelta(**distance)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def asked(desk: Desk, name: str, **given: Any) -> None:
    """A started mission with this question, requested an hour ago."""
    form: dict[str, Any] = {
        "id": "q1", "kind": "block", "question": "What now?", "requestedAt": moment(hours=-1), "options": (LEAVE, STOP, GO),
    }  # fmt: skip
    with desk.owned(name) as log:
        if log.mission.status == "planned":
            log.record(ev.MissionExecutionStarted(planVersion=1))
        log.record(ev.DecisionRequested(decision=Decision(**{**form, **given})))


def test_one_list_holds_the_questions_of_all_missions_most_urgent_first(desk: Desk) -> None:
    assert "No question is open." in desk.missions("decisions").out
    old, urgent = desk.saved(), desk.saved()
    asked(desk, old, id="q-old", default="leave")
    asked(desk, urgent, id="q-urgent", deadline=moment(minutes=5), onDeadline="leave")
    rows = desk.missions("decisions", "--json", cwd=desk.folder).json["decisions"]
    assert [(row["mission"], row["decision"]["id"]) for row in rows] == [(urgent, "q-urgent"), (old, "q-old")]
    assert rows[1]["ageMs"] >= 3_600_000
    assert rows[0]["leftMs"] > 0
    assert rows[1]["leftMs"] is None
    said = desk.missions("decisions", cwd=desk.folder).out
    for words in (old, "What now?", "leave: Leave (default)", "deadline in", "then “leave”", "decide"):
        assert words in said, words


def test_of_two_faces_that_answer_at_once_one_wins_and_the_other_is_told(desk: Desk) -> None:
    name = desk.saved()
    desk.asking(name)
    begun = [
        desk.begin("decide", name, "decision-1", colour, "--no-resume", "--json")
        for colour in ("red", "blue")
    ]
    ended = [(process.communicate(timeout=60), process.returncode) for process in begun]
    assert sorted(code for _, code in ended) == [0, 1], ended
    lost = next(json.loads(out)["error"] for (out, _), code in ended if code)
    assert lost["code"] == "not_found"
    assert re.search("not open any more: answered “(Red|Blue)” by .+ cli at 20", lost["message"]), lost
    answers = [line for line in desk.journal(name) if line == "decision_answered"]
    assert len(answers) == 1


def test_a_deadline_that_passed_while_nothing_ran_takes_effect_at_the_next_start(desk: Desk) -> None:
    name = desk.saved()
    asked(desk, name, deadline=moment(seconds=-1), onDeadline="stop")
    said = desk.missions("run", name, "--headless", "--yes", "--no-sandbox")
    assert said.code == 1
    mission = desk.mission(name)
    assert (mission.status, mission.decisions) == ("blocked", [])
    lines = desk.store.mission(name).journal.read_text().splitlines()
    answered = [json.loads(line)["data"] for line in lines if '"decision_answered"' in line]
    assert [(a["answer"], a["by"]["face"]) for a in answered] == [("stop", "deadline")]


def test_a_late_answer_does_not_undo_what_the_deadline_did(desk: Desk) -> None:
    name = desk.saved()
    asked(desk, name, deadline=moment(seconds=-1), onDeadline="stop")
    said = desk.missions("decide", name, "q1", "leave", "--no-resume")
    assert (said.code, "answered “Stop” by deadline" in said.err) == (1, True), said
    told = desk.missions("show", name, "decisions").out
    assert "What now? — answered “Stop” by deadline" in told
    assert desk.mission(name).status == "blocked"


def test_a_late_answer_is_never_taken_as_the_words_for_another_question(desk: Desk) -> None:
    name = desk.saved()
    asked(desk, name, id="q1")
    asked(desk, name, id="q2", freeText=True)
    assert desk.missions("decide", name, "q1", "leave", "--no-resume").code == 0
    said = desk.missions("decide", name, "q1", "leave", "--no-resume")
    assert (said.code, "answered “Leave” by" in said.err) == (1, True), said
    assert [d.id for d in desk.mission(name).decisions] == ["q2"]


@pytest.mark.parametrize(
    "given",
    [{"onDeadline": "go"}, {"onDeadline": "spend"}, {"onDeadline": "leave", "kind": "ask-user"}, {}],
    ids=["resumes", "spends", "wakes the orchestrator", "says nothing"],
)
def test_silence_is_never_consent(desk: Desk, given: dict[str, Any]) -> None:
    name = desk.saved()
    asked(desk, name, deadline=moment(seconds=-1), options=(LEAVE, GO, SPEND), **given)
    before = desk.mission(name).budget
    said = desk.missions("run", name, "--headless", "--yes", "--no-sandbox")
    assert said.code == 12, said
    assert [d.id for d in desk.mission(name).decisions] == ["q1"]
    assert desk.mission(name).budget == before


async def test_a_runner_applies_the_deadline_before_it_looks_for_work(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of({"M1": ["F1"]}))
    world.create()

    decision = Decision(
        id="q1", kind="block", question="Go on alone?", options=(LEAVE,), deadline=moment(seconds=-1), onDeadline="leave",
        requestedAt=moment(hours=-1),
    )  # fmt: skip
    with MissionLog.acquire(world.store, world.id, Owner(face="test")) as log:
        log.record(ev.DecisionRequested(decision=decision))
    assert (await world.run()).exit_code == 0
    assert world.events("decision_answered")[0]["data"]["answer"] == "leave"
