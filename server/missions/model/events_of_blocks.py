"""The events of blocks, recoveries, decisions, and of what people ask for.

Part of ``events.py``, through which everybody reads them.
"""

from __future__ import annotations

from typing import Literal

from missions.model.event_base import Event
from missions.model.events_of_runs import RunFinished
from missions.model.mission import BudgetState, Decision
from missions.model.recovery import Block, RecoveryOutcome
from missions.model.reports import ValidatorMode


class MissionBlockRecorded(Event, type="mission_block_recorded"):
    block: Block


class OrchestratorRecoveryPacketCreated(Event, type="orchestrator_recovery_packet_created"):
    runId: str | None = None
    featureId: str | None = None
    packet: str
    """Blob of the packet."""
    packetPaths: tuple[str, ...] = ()
    signature: str


class RecoveryRequested(Event, type="runtime_orchestrator_recovery_requested"):
    blockRunId: str | None = None
    reasonCategory: str = ""


class RecoveryFailed(RunFinished, type="runtime_orchestrator_recovery_failed"):
    error: str = ""


class RecoveryOutcomeChosen(RunFinished, type="recovery_outcome_chosen"):
    chosen: RecoveryOutcome
    reason: str
    applied: bool = True
    """False when code refused the outcome; ``refusal`` says why."""
    refusal: str | None = None


class MissionRecoveryGateRepaired(Event, type="mission_recovery_gate_repaired"):
    reasons: tuple[str, ...] = ()


class BudgetReached(Event, type="budget_reached"):
    kind: Literal["usd", "tokens", "wall", "runs", "turns"]
    limit: int
    spent: int
    scope: Literal["mission", "unit"] = "mission"


class BudgetChanged(Event, type="budget_changed"):
    budget: BudgetState
    reason: str | None = None


class DecisionRequested(Event, type="decision_requested"):
    decision: Decision


class DecisionAnswered(Event, type="decision_answered"):
    decisionId: str
    answer: str
    text: str | None = None
    by: dict[str, str] = {}
    expired: bool = False


# What people ask for


class MissionCurrentChildCancelRequested(Event, type="mission_current_child_cancel_requested"):
    source: str = ""
    canceled: bool


class MissionFeatureRetryRequested(Event, type="mission_feature_retry_requested"):
    featureId: str
    source: str = ""
    note: str | None = None


class MissionBlockManual(Event, type="mission_block_manual"):
    source: str = ""
    reason: str | None = None
    block: Block


class MissionUnblockManual(Event, type="mission_unblock_manual"):
    source: str = ""
    reason: str | None = None
    adopt: bool = False
    """The human keeps what someone else changed in the repository."""


class FeatureSkipped(Event, type="feature_skipped"):
    featureId: str
    reason: str
    by: dict[str, str] = {}


class DefectWaived(Event, type="defect_waived"):
    milestoneId: str
    runId: str
    defectId: str
    reason: str
    by: dict[str, str] = {}


class ValidationRerunRequested(Event, type="validation_rerun_requested"):
    milestoneId: str
    validatorMode: ValidatorMode
    source: str = ""
    reason: str | None = None
