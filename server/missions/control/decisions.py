"""The queue of decisions: every open question of every mission of the store, most urgent first.

Only looks. A question belongs to its mission and is answered there; this is the list that a human works through, and what became of the
questions that are not open any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from missions.control.caller import Caller, who
from missions.control.queries import load, now
from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.mission import Decision, Mission
from missions.model.plain_text import one_line
from missions.store.catalog import MissionSummary, list_missions, view_mission
from missions.store.journal import events_of


@dataclass(frozen=True)
class Waiting:
    """One open decision and the mission it belongs to."""

    mission: str
    title: str
    cwd: str
    status: str
    decision: Decision
    age_ms: int
    left_ms: int | None
    """Until the deadline; negative once it has passed, None without one."""

    def as_json(self) -> dict[str, Any]:
        """The JSON form: the mission's names beside the decision's own fields."""
        return {
            "mission": self.mission,
            "title": self.title,
            "cwd": self.cwd,
            "status": self.status,
            "ageMs": self.age_ms,
            "leftMs": self.left_ms,
            "decision": self.decision.model_dump(mode="json", exclude_none=True),
        }


@dataclass(frozen=True)
class Settled:
    """A decision that is not open any more: answered, or withdrawn because it had lost its object."""

    id: str
    question: str
    answer: str | None
    """What was chosen, in words; None if it was withdrawn."""
    by: str
    at: str
    """When it was answered; when it was asked, if it was withdrawn."""
    text: str | None = None

    def sentence(self) -> str:
        """What became of it, in words."""
        if self.answer is None:
            return self.text or "withdrawn"
        said = one_line(self.text or self.answer, 200)
        return f"answered “{said}” by {self.by or 'nobody named'} at {self.at}"

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        return {**{name: value for name, value in self.__dict__.items() if value is not None}, "open": False}


def settled(caller: Caller, mission_id: str) -> list[Settled]:
    """The decisions of a mission that are not open any more, in the order in which they ended."""
    asked: dict[str, Decision] = {}
    found: list[Settled] = []
    directory = caller.store.mission(mission_id)
    for record, event in events_of(directory, ev.DecisionRequested, ev.DecisionAnswered):
        if isinstance(event, ev.DecisionRequested):
            asked[event.decision.id] = event.decision
        elif (decision := asked.pop(event.decisionId, None)) is not None:
            found.append(_answered(decision, event, record.ts))
    mission = load(caller, mission_id)
    gone = [d for d in asked.values() if mission.decision(d.id) is None]
    return [*(_withdrawn(d, mission.plan.version) for d in gone), *found]


def _withdrawn(decision: Decision, version: int) -> Settled:
    about = decision.planVersion
    why = (
        f"withdrawn: it was about version {about} of the plan, and version {version} is in force"
        if about and about != version
        else "withdrawn: the mission went on without it"
    )
    return Settled(decision.id, decision.question, None, "", decision.requestedAt, why)


def _answered(decision: Decision, event: ev.DecisionAnswered, at: str) -> Settled:
    option = next((o for o in decision.options if o.id == event.answer), None)
    said = option.label if option else event.answer
    return Settled(decision.id, decision.question, said, who(event.by), at, event.text)


def too_late(caller: Caller, mission_id: str, decision_id: str | None) -> MissionError | None:
    """What became of a question that is not open any more, as the reason why an answer is refused."""
    late = next((s for s in reversed(settled(caller, mission_id)) if s.id == decision_id), None)
    if late is None:
        return None
    return MissionError(
        "not_found" if late.answer is not None else "conflict",
        f"Decision {late.id} is not open any more: {late.sentence()}.",
        "`missions decisions` shows what is open.",
        settled=late.as_json(),
    )


def waiting(caller: Caller) -> list[Waiting]:
    """All open decisions: those with a deadline first, the nearest before the others; then what waits longest."""
    moment = now()
    found: list[Waiting] = []
    for row in list_missions(caller.store):
        if not isinstance(row, MissionSummary) or not row.openDecisions or row.status == "failed":
            continue
        mission = view_mission(caller.store, row.id)
        if isinstance(mission, Mission):
            found += [_row(mission, decision, moment) for decision in mission.decisions]
    return sorted(found, key=lambda w: (w.left_ms is None, w.left_ms or 0, -w.age_ms))


def _row(mission: Mission, decision: Decision, moment: datetime) -> Waiting:
    left = None if decision.deadline is None else -_since(decision.deadline, moment)
    age = max(0, _since(decision.requestedAt, moment))
    return Waiting(mission.id, mission.title, mission.cwd, mission.status, decision, age, left)


def _since(then: str, moment: datetime) -> int:
    return int((moment - datetime.fromisoformat(then)).total_seconds() * 1000)
