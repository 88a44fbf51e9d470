"""The fold: (mission, record) → mission. The only place where a status changes.

Pure: the accepted plan a record names is handed in by ``plan_of`` (blob name → plan). It never judges whether an
event was legal — that happened before it was recorded — and it never fails on an event it does not know. What each event
does stands in ``fold_course.py``, ``fold_runs.py`` and ``fold_blocks.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from missions.model import events as ev
from missions.model import fold_blocks, fold_course, fold_runs
from missions.model.errors import MissionError
from missions.model.fold_rules import HANDLERS, PlanOf, derive, go_on, reset_failed_unit
from missions.model.mission import Mission

PARTS = (fold_course, fold_runs, fold_blocks)
"""Imported for the handlers they register."""


class RecordLike(Protocol):
    """What the fold needs of a journal record."""

    @property
    def seq(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def ts(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def data(self) -> dict[str, Any]: ...


def fold(
    mission: Mission | None, records: Iterable[RecordLike], plan_of: PlanOf, mission_id: str = ""
) -> Mission | None:
    """The mission after ``records``; the given mission is not changed. ``None`` until ``mission_created`` is seen."""
    state = mission.model_copy(deep=True) if mission is not None else None
    for record in records:
        state = apply(state, record, plan_of, mission_id)
    return state


def apply(
    mission: Mission | None, record: RecordLike, plan_of: PlanOf, mission_id: str = ""
) -> Mission | None:
    """As :func:`fold` for one record, in place: for the owner of the mission's only copy."""
    event = ev.parse_event(record.type, record.data)
    if mission is None:
        if not isinstance(event, ev.MissionCreated):
            return None
        mission = Mission(
            id=mission_id,
            title=event.title,
            createdAt=record.ts,
            updatedAt=record.ts,
            cwd=event.cwd,
            demo=event.demo,
            goal=event.goal,
        )
    handler = HANDLERS.get(type(event))
    if handler is not None:
        handler(mission, event, record.ts, plan_of)
        derive(mission)
    mission.updatedAt = record.ts
    mission.lastSeq = record.seq
    if mission.epoch != record.epoch:
        mission.epoch = record.epoch
    return mission


def if_resumed(mission: Mission) -> Mission:
    """A copy as it would stand if its block were taken away now: for judging what that would lead to."""
    after = mission.model_copy(deep=True)
    after.activeRun = None
    reset_failed_unit(after)
    go_on(after, after.updatedAt)
    derive(after)
    return after


def replay(records: Iterable[RecordLike], plan_of: PlanOf, mission_id: str) -> Mission:
    """The mission a whole journal describes; ``store_corrupt`` if it does not begin with ``mission_created``."""
    mission = fold(None, records, plan_of, mission_id)
    if mission is None:
        raise MissionError(
            "store_corrupt",
            f"The journal of {mission_id} does not begin with mission_created.",
            "Run `missions doctor`.",
        )
    return mission
