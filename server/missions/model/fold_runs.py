"""The fold of units: a run begins, ends, is interrupted; a validation fails.

Part of ``fold.py``: nobody else imports this.
"""

from __future__ import annotations

from typing import Any

from missions.model import events as ev
from missions.model.fold_rules import PlanOf, forget_verdicts, on, stop_waiting
from missions.model.mission import ActiveRun, Mission, Run
from missions.model.reports import ValidatorMode


def _begin(
    mission: Mission, event: ev.RunStarted, ts: str, kind: Any, item: str, mode: ValidatorMode | None
) -> None:
    mission.activeRun = ActiveRun(
        kind=kind,
        validatorMode=mode,
        itemId=item,
        milestoneId=event.milestoneId,
        runId=event.runId,
        attempt=event.attempt,
        startedAt=ts,
        baseCommit=event.baseCommit,
    )
    mission.runs.append(
        Run(
            runId=event.runId,
            kind=kind,
            validatorMode=mode,
            itemId=item,
            milestoneId=event.milestoneId,
            attempt=event.attempt,
            startedAt=ts,
            baseCommit=event.baseCommit,
            model=event.model,
            planVersion=event.planVersion,
        )
    )
    mission.currentMilestoneId = event.milestoneId or mission.currentMilestoneId


@on(ev.WorkerStarted)
def _worker_started(mission: Mission, event: ev.WorkerStarted, ts: str, plan_of: PlanOf) -> None:
    _begin(mission, event, ts, "worker", event.featureId, None)
    mission.status = "running"
    mission.currentFeatureId = event.featureId
    feature = mission.feature(event.featureId)
    if feature is not None:
        feature.status = "running"
        feature.runId = event.runId
        feature.attempts = event.attempt


@on(ev.ValidatorStarted, ev.UserTestingStarted)
def _validation_started(mission: Mission, event: ev.RunStarted, ts: str, plan_of: PlanOf) -> None:
    mode: ValidatorMode = "scrutiny" if isinstance(event, ev.ValidatorStarted) else "user-testing"
    _begin(mission, event, ts, "validator", event.milestoneId or "", mode)
    mission.status = "running"
    mission.currentFeatureId = None
    milestone = mission.milestone(event.milestoneId)
    if milestone is not None:
        state = milestone.validationState.of(mode)
        state.runId, state.verdict, state.commit, state.attempts = event.runId, None, None, event.attempt


@on(ev.RecoveryDispatched)
def _recovery_started(mission: Mission, event: ev.RecoveryDispatched, ts: str, plan_of: PlanOf) -> None:
    _begin(mission, event, ts, "recovery", event.blockRunId or mission.id, None)
    stop_waiting(mission, ts)
    if mission.recovery is not None:
        mission.recovery.state = "running"
        signature = mission.recovery.signature
        mission.recoveriesBySignature[signature] = mission.recoveriesBySignature.get(signature, 0) + 1
        mission.recoveriesSinceProgress += 1


def end_run(
    mission: Mission, run_id: str, status: Any, outcome: str, ts: str, duration: int, provider_wait: int
) -> Run | None:
    run = mission.run(run_id)
    if run is not None:
        run.status = status
        run.outcome = outcome
        run.finishedAt = ts
        _count_time(mission, run, duration, provider_wait)
    if mission.activeRun is not None and mission.activeRun.runId == run_id:
        mission.activeRun = None
    return run


def _count_time(mission: Mission, run: Run, duration: int, provider_wait: int) -> None:
    run.durationMs += duration
    run.providerWaitMs += provider_wait
    busy = max(0, duration - provider_wait)
    if run.kind == "validator":
        mission.time.validating += busy
    else:
        mission.time.working += busy
    mission.time.waitingProvider += provider_wait


@on(ev.WorkerFinished)
def _worker_finished(mission: Mission, event: ev.WorkerFinished, ts: str, plan_of: PlanOf) -> None:
    run = end_run(
        mission,
        event.runId,
        "complete" if event.accepted else "failed",
        event.outcome,
        ts,
        event.durationMs,
        event.providerWaitMs,
    )
    feature = mission.feature(event.featureId)
    if feature is None:
        return
    feature.status = "complete" if event.accepted else "failed"
    if event.accepted:
        feature.commit = event.commit
        feature.reason = None
        mission.tipCommit = event.commit or mission.tipCommit
        mission.recoveriesSinceProgress = 0
        milestone = mission.milestone_of(event.featureId)
        if milestone is not None:
            forget_verdicts(milestone)
    if run is not None:
        run.commit = event.commit


@on(ev.ValidatorFinished, ev.UserTestingFinished)
def _validation_finished(
    mission: Mission, event: ev.ValidationFinishedEvent, ts: str, plan_of: PlanOf
) -> None:
    run = end_run(
        mission, event.runId, event.status, event.outcome, ts, event.durationMs, event.providerWaitMs
    )
    if run is not None:
        run.commit = event.commit
    milestone = mission.milestone(event.milestoneId)
    if milestone is None:
        return
    state = milestone.validationState.of(
        "scrutiny" if isinstance(event, ev.ValidatorFinished) else "user-testing"
    )
    state.runId, state.verdict, state.commit = event.runId, event.status, event.commit


@on(ev.MilestoneValidationFailed)
def _validation_failed(
    mission: Mission, event: ev.MilestoneValidationFailed, ts: str, plan_of: PlanOf
) -> None:
    milestone = mission.milestone(event.milestoneId)
    if milestone is not None:
        milestone.validationState.failureCount = event.failureCount


@on(ev.RunSuspended)
def _suspended(mission: Mission, event: ev.RunSuspended, ts: str, plan_of: PlanOf) -> None:
    run = mission.run(event.runId)
    if run is not None:
        _count_time(mission, run, event.durationMs, event.providerWaitMs)


@on(ev.RunInterrupted, ev.MissionInterruptedRunReset)
def _interrupted(
    mission: Mission, event: ev.RunInterrupted | ev.MissionInterruptedRunReset, ts: str, plan_of: PlanOf
) -> None:
    duration, wait = (
        (event.durationMs, event.providerWaitMs) if isinstance(event, ev.RunInterrupted) else (0, 0)
    )
    run = end_run(mission, event.runId, "interrupted", event.reason, ts, duration, wait)
    if run is None:
        return
    if run.kind == "worker":
        feature = mission.feature(run.itemId)
        if feature is not None and feature.status == "running":
            feature.status = "pending"
    elif run.kind == "recovery" and mission.recovery is not None:
        # Whoever cancels the orchestrator takes the block into their own hands.
        mission.recovery.state = "closed" if event.reason == "cancelled" else "requested"
    elif run.kind == "validator":
        milestone = mission.milestone(run.itemId)
        if milestone is not None:
            milestone.validationState.of(run.validatorMode or "scrutiny").verdict = None
