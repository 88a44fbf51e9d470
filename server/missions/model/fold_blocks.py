"""The fold of blocks, recoveries, decisions and what people ask for.

Part of ``fold.py``: nobody else imports this.
"""

from __future__ import annotations

from collections.abc import Callable

from missions.model import events as ev
from missions.model.fold_rules import PlanOf, go_on, on, reset_failed_unit, stop_waiting, wait
from missions.model.fold_runs import end_run
from missions.model.mission import Mission, Recovery, ValidationPass, Waiver
from missions.model.recovery import CATEGORIES


@on(ev.MissionBlockRecorded)
def _blocked(mission: Mission, event: ev.MissionBlockRecorded, ts: str, plan_of: PlanOf) -> None:
    block = event.block
    mission.latestBlock = block
    category = CATEGORIES[block.reasonCategory]
    if category.status == "paused":
        mission.status = "paused"
        mission.pauseReason = block.message
    else:
        mission.status = "blocked"
        if not category.orchestrator:
            mission.pauseRequestedAt = None
        if mission.recovery is not None:
            mission.recovery.block = block
    wait(mission, ts)


@on(ev.OrchestratorRecoveryPacketCreated)
def _packet(mission: Mission, event: ev.OrchestratorRecoveryPacketCreated, ts: str, plan_of: PlanOf) -> None:
    mission.recovery = Recovery(
        packet=event.packet, blockRunId=event.runId, signature=event.signature, state="closed"
    )


@on(ev.RecoveryRequested)
def _recovery_requested(mission: Mission, event: ev.RecoveryRequested, ts: str, plan_of: PlanOf) -> None:
    if mission.recovery is not None:
        mission.recovery.state = "requested"


@on(ev.RecoveryFailed)
def _recovery_failed(mission: Mission, event: ev.RecoveryFailed, ts: str, plan_of: PlanOf) -> None:
    end_run(mission, event.runId, "failed", event.outcome, ts, event.durationMs, event.providerWaitMs)
    if mission.recovery is not None:
        mission.recovery.state = "closed"
    mission.pauseRequestedAt = None
    wait(mission, ts)


@on(ev.RecoveryOutcomeChosen)
def _recovery_outcome(mission: Mission, event: ev.RecoveryOutcomeChosen, ts: str, plan_of: PlanOf) -> None:
    end_run(mission, event.runId, "complete", event.chosen, ts, event.durationMs, event.providerWaitMs)
    if event.applied and event.chosen in ("resume", "retry-repair", "rerun-validation"):
        asked = mission.pauseRequestedAt
        reset_failed_unit(mission)
        go_on(mission, ts)
        mission.pauseRequestedAt = asked
        return
    mission.pauseRequestedAt = None
    if mission.recovery is not None:
        mission.recovery.state = "waiting" if event.applied and event.chosen == "ask-user" else "closed"
    wait(mission, ts)


@on(ev.DecisionRequested)
def _decision_requested(mission: Mission, event: ev.DecisionRequested, ts: str, plan_of: PlanOf) -> None:
    if mission.decision(event.decision.id) is None:
        mission.decisions.append(event.decision)
    if event.decision.blocking:
        wait(mission, ts)


@on(ev.DecisionAnswered)
def _decision_answered(mission: Mission, event: ev.DecisionAnswered, ts: str, plan_of: PlanOf) -> None:
    decision = mission.decision(event.decisionId)
    if decision is None:
        return
    mission.decisions = [d for d in mission.decisions if d.id != decision.id]
    if decision.kind == "ask-user" and mission.recovery is not None and mission.recovery.state == "waiting":
        chosen = next((o.label for o in decision.options if o.id == event.answer), event.answer)
        mission.recovery.answer = event.text or chosen
        mission.recovery.state = "requested"
        stop_waiting(mission, ts)


def _settle_block(mission: Mission, ts: str, about: Callable[[], bool]) -> None:
    """A blocked mission whose block an operation has dealt with is paused, ready to resume."""
    if mission.status == "blocked" and mission.latestBlock is not None and about():
        mission.status = "paused"
        mission.pauseReason = "The block was dealt with; resume to go on."
        mission.latestBlock = None
        mission.recovery = None
        mission.decisions = [d for d in mission.decisions if d.kind not in ("block", "ask-user")]


@on(ev.MissionFeatureRetryRequested)
def _retry(mission: Mission, event: ev.MissionFeatureRetryRequested, ts: str, plan_of: PlanOf) -> None:
    feature = mission.feature(event.featureId)
    if feature is None:
        return
    feature.status = "pending"
    feature.runId = None
    feature.reason = event.note
    block = mission.latestBlock
    _settle_block(
        mission,
        ts,
        lambda: (
            block is not None and (block.featureId in (event.featureId, None) and block.kind != "validator")
        ),
    )


@on(ev.FeatureSkipped)
def _skipped(mission: Mission, event: ev.FeatureSkipped, ts: str, plan_of: PlanOf) -> None:
    feature = mission.feature(event.featureId)
    if feature is None:
        return
    feature.status = "skipped"
    feature.reason = event.reason
    block = mission.latestBlock
    _settle_block(
        mission,
        ts,
        lambda: (
            block is not None and (block.featureId in (event.featureId, None) and block.kind != "validator")
        ),
    )


@on(ev.DefectWaived)
def _waived(mission: Mission, event: ev.DefectWaived, ts: str, plan_of: PlanOf) -> None:
    milestone = mission.milestone(event.milestoneId)
    if milestone is not None:
        milestone.validationState.waived.append(
            Waiver(runId=event.runId, defectId=event.defectId, reason=event.reason)
        )


@on(ev.ValidationRerunRequested)
def _rerun(mission: Mission, event: ev.ValidationRerunRequested, ts: str, plan_of: PlanOf) -> None:
    milestone = mission.milestone(event.milestoneId)
    if milestone is None:
        return
    state: ValidationPass = milestone.validationState.of(event.validatorMode)
    state.verdict = None
    if event.validatorMode == "scrutiny":
        milestone.validationState.userTesting.verdict = None
    block = mission.latestBlock
    _settle_block(
        mission,
        ts,
        lambda: block is not None and block.kind == "validator" and block.milestoneId == event.milestoneId,
    )


@on(ev.MissionBlockManual)
def _block_manual(mission: Mission, event: ev.MissionBlockManual, ts: str, plan_of: PlanOf) -> None:
    mission.status = "blocked"
    mission.latestBlock = event.block
    mission.pauseRequestedAt = None
    wait(mission, ts)


@on(ev.MissionUnblockManual)
def _unblock(mission: Mission, event: ev.MissionUnblockManual, ts: str, plan_of: PlanOf) -> None:
    mission.workspace.adopt = event.adopt
    reset_failed_unit(mission)
    _settle_block(mission, ts, lambda: True)
