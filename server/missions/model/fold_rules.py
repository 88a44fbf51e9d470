"""What the parts of the fold share: the table of handlers, and the rules that more than one event needs.

Part of ``fold.py``: nobody else imports this. It never decides whether an event was legal.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar, cast

from missions.model import events as ev
from missions.model.contract import PlanDocument
from missions.model.mission import DONE, Decision, Milestone, MilestoneStatus, Mission

PlanOf = Callable[[str], PlanDocument]
"""The accepted plan a blob name stands for."""

E = TypeVar("E", bound=ev.Event)
Handler = Callable[[Mission, Any, str, PlanOf], None]
HANDLERS: dict[type[ev.Event], Handler] = {}
"""What each event does to the mission, in place: ``(mission, event, time, plan_of)``."""


def on(
    *kinds: type[ev.Event],
) -> Callable[[Callable[[Mission, E, str, PlanOf], None]], Callable[[Mission, E, str, PlanOf], None]]:
    """Register a handler for ``kinds``."""

    def register(
        handler: Callable[[Mission, E, str, PlanOf], None],
    ) -> Callable[[Mission, E, str, PlanOf], None]:
        for kind in kinds:
            HANDLERS[kind] = cast(Handler, handler)
        return handler

    return register


def derive(mission: Mission) -> None:
    # Most events change none of it, and setting a field of a model costs more than looking at it.
    for milestone in mission.milestones:
        status = _milestone_status(mission, milestone)
        if milestone.status != status:
            milestone.status = status
    if mission.activeRun is None:
        current = next((m for m in mission.milestones if m.status not in DONE), None)
        current_id = current.id if current else None
        if mission.currentMilestoneId != current_id:
            mission.currentMilestoneId = current_id
        feature = mission.currentFeatureId
        if feature is not None and (current is None or all(f.id != feature for f in current.features)):
            mission.currentFeatureId = None


def _milestone_status(mission: Mission, milestone: Milestone) -> MilestoneStatus:
    run = mission.activeRun
    if run is not None and run.kind == "validator" and run.itemId == milestone.id:
        return "validating"
    statuses = {f.status for f in milestone.features}
    if "running" in statuses:
        return "running"
    if "failed" in statuses:
        return "failed"
    if not statuses <= DONE:
        return "running" if statuses & DONE else "pending"
    state = milestone.validationState
    if "fail" in (state.scrutiny.verdict, state.userTesting.verdict) or "inconclusive" in (
        state.scrutiny.verdict,
        state.userTesting.verdict,
    ):
        return "failed"
    if state.scrutiny.verdict == "pass" and (
        not milestone.userTesting.required or state.userTesting.verdict == "pass"
    ):
        return "complete"
    return "validating" if milestone.features else "pending"


def forget_verdicts(milestone: Milestone) -> None:
    for state in (milestone.validationState.scrutiny, milestone.validationState.userTesting):
        state.verdict = None
        state.commit = None


def go_on(mission: Mission, ts: str) -> None:
    mission.status = "running"
    mission.pauseRequestedAt = None
    mission.pauseReason = None
    mission.latestBlock = None
    mission.recovery = None
    mission.decisions = [d for d in mission.decisions if not _starts(d)]
    stop_waiting(mission, ts)


def _starts(decision: Decision) -> bool:
    """A confirmation of starting or resuming has nothing left to confirm once the mission goes on."""
    return decision.kind == "gate" and decision.options[0].op in ("run", "resume")


def reset_failed_unit(mission: Mission) -> None:
    """What blocked may run again: a failed feature is pending, an unusable verdict is forgotten."""
    for feature in mission.all_features():
        if feature.status == "failed":
            feature.status = "pending"
    for milestone in mission.milestones:
        for state in (milestone.validationState.scrutiny, milestone.validationState.userTesting):
            if state.verdict != "pass":
                state.verdict = None


def wait(mission: Mission, ts: str) -> None:
    mission.waitingSince = mission.waitingSince or ts


def stop_waiting(mission: Mission, ts: str) -> None:
    if mission.waitingSince is not None:
        waited = (datetime.fromisoformat(ts) - datetime.fromisoformat(mission.waitingSince)).total_seconds()
        mission.time.waitingHuman += max(0, int(waited * 1000))
        mission.waitingSince = None
