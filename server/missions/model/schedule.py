"""What runs next, or why nothing can. Decided by code from the mission alone, never by a model.

Pure; the runner asks after every unit. It never looks at budgets' consumption within a run (``agent/budget.py``) and
never changes the mission.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from missions.model.mission import DONE, Feature, Mission
from missions.model.reports import ValidatorMode

UnitKind = Literal["worker", "scrutiny", "user-testing", "recovery"]


@dataclass(frozen=True)
class Unit:
    """One thing the runner schedules. ``resumes`` names the run that goes on inside, if one was cut short."""

    kind: UnitKind
    itemId: str
    milestoneId: str | None
    resumes: str | None = None

    @property
    def label(self) -> str:
        """``worker:<feature>``, ``validator:<milestone>``, ``user-testing:<milestone>`` or ``recovery:<run>``."""
        return f"{'validator' if self.kind == 'scrutiny' else self.kind}:{self.itemId}"


@dataclass(frozen=True)
class Unsatisfied:
    """A pending feature and the dependencies that are not done."""

    featureId: str
    status: str
    dependencies: tuple[str, ...]
    unsatisfied: tuple[str, ...]


@dataclass(frozen=True)
class Idle:
    """Why nothing runs. ``all_done`` means the mission may be completed."""

    reason: Literal[
        "not_started",
        "decision",
        "pause",
        "paused",
        "blocked",
        "complete",
        "failed",
        "all_done",
        "no_runnable",
    ]
    detail: str = ""
    pending: tuple[Unsatisfied, ...] = field(default=())


def next_unit(mission: Mission) -> Unit | Idle:
    """The next unit of ``mission``, or why there is none (design 03, "What runs next")."""
    if mission.status in ("planning", "planned"):
        return Idle("not_started")
    if mission.status in ("complete", "failed"):
        return Idle(mission.status)
    decision = mission.blocking_decision()
    if decision is not None:
        return Idle("decision", decision.id)
    if mission.pauseRequestedAt is not None and mission.status == "running":
        return Idle("pause")
    if mission.status == "paused":
        return Idle("paused", mission.pauseReason or "")
    if mission.status == "blocked" and mission.pauseRequestedAt is not None:
        return Idle("blocked", "Paused before the orchestrator looks at the block; resume to go on.")
    if mission.activeRun is not None:
        return _resumed(mission)
    if mission.status == "blocked":
        if mission.recovery is not None and mission.recovery.state == "requested":
            return Unit("recovery", mission.recovery.blockRunId or mission.id, None)
        return Idle("blocked", mission.latestBlock.message if mission.latestBlock else "")
    return _next_work(mission)


def _resumed(mission: Mission) -> Unit:
    run = mission.activeRun
    assert run is not None
    kind: UnitKind = "worker"
    if run.kind == "validator":
        kind = "user-testing" if run.validatorMode == "user-testing" else "scrutiny"
    elif run.kind == "recovery":
        kind = "recovery"
    return Unit(kind, run.itemId, run.milestoneId, resumes=run.runId)


def _next_work(mission: Mission) -> Unit | Idle:
    milestone = next((m for m in mission.milestones if m.status not in DONE), None)
    if milestone is None:
        return Idle("all_done")
    for feature in milestone.features:
        if feature.status in DONE:
            continue
        if feature.status != "pending":
            return _no_runnable(mission)  # a failed feature gates all later ones
        if not unsatisfied(mission, feature):
            return Unit("worker", feature.id, milestone.id)
    if not milestone.features_done:
        return _no_runnable(mission)
    if not milestone.features:
        return _no_runnable(mission)
    for mode in pending_validations(mission, milestone.id):
        return Unit("scrutiny" if mode == "scrutiny" else "user-testing", milestone.id, milestone.id)
    return _no_runnable(mission)


def pending_validations(mission: Mission, milestone_id: str) -> list[ValidatorMode]:
    """The validator modes that still have to pass, in order."""
    milestone = mission.milestone(milestone_id)
    if milestone is None or not milestone.features_done:
        return []
    state = milestone.validationState
    modes: list[ValidatorMode] = []
    if state.scrutiny.verdict != "pass":
        modes.append("scrutiny")
    if milestone.userTesting.required and state.userTesting.verdict != "pass":
        modes.append("user-testing")
    return modes


def unsatisfied(mission: Mission, feature: Feature) -> tuple[str, ...]:
    """Dependencies that are unknown or not done."""
    done = {f.id for f in mission.all_features() if f.status in DONE}
    return tuple(d for d in feature.dependencies if d not in done)


def _no_runnable(mission: Mission) -> Idle:
    pending = tuple(
        Unsatisfied(f.id, f.status, f.dependencies, unsatisfied(mission, f))
        for f in mission.all_features()
        if f.status not in DONE
    )
    return Idle("no_runnable", "Work remains but nothing can run.", pending)


def remaining_units(mission: Mission) -> int:
    """Units that are still to run if nothing fails."""
    features = sum(1 for f in mission.all_features() if f.status not in DONE)
    validations = 0
    for milestone in mission.milestones:
        if milestone.status in DONE:
            continue
        state = milestone.validationState
        validations += state.scrutiny.verdict != "pass"
        validations += milestone.userTesting.required and state.userTesting.verdict != "pass"
    return features + validations


def finished_units(mission: Mission) -> int:
    """Units that are done: features complete or skipped, and validations passed."""
    features = sum(1 for f in mission.all_features() if f.status in DONE)
    passed = sum(
        (m.validationState.scrutiny.verdict == "pass") + (m.validationState.userTesting.verdict == "pass")
        for m in mission.milestones
    )
    return features + passed
