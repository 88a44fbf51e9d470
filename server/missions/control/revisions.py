"""The history of a plan: every version, who wrote it and why, what it changed; and what became of remarks on it.

Read from the journal and its blobs, which nothing changes afterwards. It shows; it judges nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from missions.control.caller import Caller, who
from missions.model import events as ev
from missions.model.plan_diff import plan_diff
from missions.store.blobs import plan_of
from missions.store.journal import events_of
from missions.store.layout import MissionDir


@dataclass(frozen=True)
class Revision:
    """One version of a plan; ``changes`` is what it changed of the version before, as lines."""

    version: int
    at: str
    by: str
    reason: str | None
    title: str
    changes: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """The JSON form."""
        return {**self.__dict__, "changes": list(self.changes)}


def revisions(directory: MissionDir) -> list[Revision]:
    """Every version of a mission's plan, oldest first."""
    load = plan_of(directory)
    found: list[Revision] = []
    before = None
    for record, event in events_of(directory, ev.InteractivePlanWritten, ev.InteractivePlanRevised):
        plan = load(event.blob)
        found.append(
            Revision(
                event.planVersion,
                record.ts,
                event.by,
                event.reason,
                plan.title,
                tuple(plan_diff(before, plan)) if before is not None else (),
            )
        )
        before = plan
    return found


def changes(caller: Caller, mission_id: str) -> list[str]:
    """What the latest version changed of the one before."""
    known = revisions(caller.store.mission(mission_id))
    return list(known[-1].changes) if known else []


@dataclass
class Remark:
    """A comment on the plan; ``answer`` is None while it waits for the planner."""

    id: str
    path: str
    text: str
    by: str
    at: str
    answer: str | None = None

    def as_json(self) -> dict[str, object]:
        """The JSON form."""
        return dict(self.__dict__)


def remarks(caller: Caller, mission_id: str) -> list[Remark]:
    """Every comment on a mission's plan, oldest first."""
    found: dict[str, Remark] = {}
    directory = caller.store.mission(mission_id)
    for record, event in events_of(directory, ev.PlanCommentAdded, ev.PlanCommentAnswered):
        name = event.commentId
        if isinstance(event, ev.PlanCommentAdded):
            found[name] = Remark(name, event.path, event.text, who(event.by), record.ts)
        elif name in found:
            found[name].answer = event.answer
    return list(found.values())
