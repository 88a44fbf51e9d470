"""Blocks, recovery packets and outcomes: why a mission stopped, and what may happen next.

Holds the one table of block categories (design 08). It never decides what to do about a block: that is
``requests.py`` for people and ``fold.py`` for the orchestrator's outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from missions.model.reports import shape_issues

BlockCategory = Literal[
    "child_exit_nonzero",
    "missing_handoff",
    "dirty_worktree",
    "worker_reported_blocked",
    "validator_report_failed",
    "missing_validation_report",
    "no_runnable_pending_work",
    "validation_inconclusive",
    "handoff_rejected",
    "stuck",
    "budget_reached",
    "provider_unavailable",
    "sandbox_unavailable",
    "retry_limit_exceeded",
    "validation_limit_exceeded",
    "repository_changed",
    "store_tampered",
    "disk_full",
    "internal_error",
    "manual",
]

RecoveryOutcome = Literal["resume", "ask-user", "leave-blocked", "retry-repair", "rerun-validation"]


@dataclass(frozen=True)
class Category:
    """One row of the category table."""

    status: Literal["blocked", "paused"]
    packet: bool
    orchestrator: bool
    decision: bool
    exit_code: int
    shown: str
    """The sentence shown to people; the block's own message follows it."""
    operations: tuple[str, ...]
    """Operations that are legal next, most useful first."""


CATEGORIES: dict[BlockCategory, Category] = {
    "worker_reported_blocked": Category(
        "blocked",
        True,
        True,
        False,
        10,
        "The worker could not finish its feature.",
        ("retry", "skip", "unblock", "abandon"),
    ),
    "missing_handoff": Category(
        "blocked",
        True,
        True,
        False,
        10,
        "The worker ended without a valid handoff.",
        ("retry", "skip", "unblock", "abandon"),
    ),
    "handoff_rejected": Category(
        "blocked",
        True,
        True,
        False,
        10,
        "The worker's handoff did not stand up to the checks.",
        ("retry", "skip", "unblock", "abandon"),
    ),
    "dirty_worktree": Category(
        "blocked",
        True,
        True,
        False,
        10,
        "The worker left changes that it did not commit.",
        ("retry", "skip", "unblock", "abandon"),
    ),
    "child_exit_nonzero": Category(
        "blocked",
        True,
        True,
        False,
        10,
        "The run ended with an error.",
        ("retry", "skip", "rerun-validation", "unblock", "abandon"),
    ),
    "validator_report_failed": Category(
        "blocked",
        True,
        True,
        False,
        10,
        "The validation failed.",
        ("rerun-validation", "waive", "unblock", "abandon"),
    ),
    "missing_validation_report": Category(
        "blocked",
        True,
        True,
        False,
        10,
        "The validator ended without a valid report.",
        ("rerun-validation", "unblock", "abandon"),
    ),
    "validation_inconclusive": Category(
        "blocked",
        True,
        True,
        False,
        10,
        "The validation could not reach a verdict.",
        ("rerun-validation", "unblock", "abandon"),
    ),
    "no_runnable_pending_work": Category(
        "blocked",
        True,
        True,
        False,
        10,
        "Work remains but nothing can run.",
        ("retry", "skip", "unblock", "abandon"),
    ),
    "stuck": Category(
        "blocked",
        True,
        True,
        False,
        10,
        "The run repeated itself without progress.",
        ("retry", "skip", "unblock", "abandon"),
    ),
    "validation_limit_exceeded": Category(
        "blocked",
        True,
        False,
        True,
        12,
        "The milestone failed validation too often.",
        ("decide", "rerun-validation", "waive", "abandon"),
    ),
    "retry_limit_exceeded": Category(
        "blocked",
        True,
        False,
        True,
        12,
        "The same problem came back too often.",
        ("decide", "retry", "skip", "abandon"),
    ),
    "repository_changed": Category(
        "blocked",
        True,
        False,
        True,
        12,
        "Someone else changed the repository during the run.",
        ("decide", "unblock", "abandon"),
    ),
    "store_tampered": Category(
        "blocked",
        True,
        False,
        True,
        12,
        "The mission's records were changed from outside.",
        ("decide", "doctor", "abandon"),
    ),
    "budget_reached": Category(
        "paused", False, False, True, 13, "A budget is used up.", ("decide", "abandon")
    ),
    "provider_unavailable": Category(
        "paused", False, False, False, 14, "The model service does not answer.", ("resume", "abandon")
    ),
    "sandbox_unavailable": Category(
        "paused", False, False, False, 11, "The sandbox is not available.", ("resume", "abandon")
    ),
    "disk_full": Category("paused", False, False, False, 11, "The disk is full.", ("resume", "abandon")),
    "internal_error": Category(
        "paused", False, False, False, 1, "Missions itself failed.", ("resume", "abandon")
    ),
    "manual": Category("blocked", False, False, False, 10, "Blocked by hand.", ("unblock", "abandon")),
}


class Block(BaseModel):
    """Why a mission stopped (``latestBlock``, payload of ``mission_block_recorded``, ``block`` in packets)."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    schemaVersion: int = 1
    timestamp: str
    reasonCategory: BlockCategory
    kind: Literal["worker", "validator", "recovery", "mission"]
    validatorMode: Literal["scrutiny", "user-testing"] | None = None
    failedItemId: str
    failedItemTitle: str
    missionId: str
    milestoneId: str | None = None
    featureId: str | None = None
    runId: str | None = None
    runDir: str | None = None
    exitCode: int | None = None
    status: str | None = None
    dirty: str | None = None
    message: str = ""
    """What exactly went wrong, for people; derived from the run, never from old log lines."""
    failedAssertions: tuple[str, ...] = ()
    defects: tuple[dict[str, Any], ...] = ()
    artifactPaths: tuple[str, ...] = ()
    limitExceeded: bool = False

    def signature(self) -> str:
        """Unit, category and failed assertions: what makes two blocks the same problem."""
        unit = f"{self.kind}:{self.failedItemId}:{self.validatorMode or ''}"
        return f"{unit}|{self.reasonCategory}|{','.join(sorted(self.failedAssertions))}"


class PacketOutcome(BaseModel):
    outcome: RecoveryOutcome
    description: str
    safeWhen: str
    requiresHuman: bool | None = None


class RecoveryPacket(BaseModel):
    """The block as handed to the dedicated runtime orchestrator."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    schemaVersion: Literal[1] = 1
    missionId: str
    missionTitle: str
    createdAt: str
    status: Literal["orchestrator_action_required"] = "orchestrator_action_required"
    block: Block
    dispatch: dict[str, Any]
    authority: dict[str, Any]
    allowedOutcomes: tuple[PacketOutcome, ...]
    instructions: tuple[str, ...]


OUTCOMES: tuple[PacketOutcome, ...] = (
    PacketOutcome(
        outcome="resume",
        description="Go on without changing code or plan.",
        safeWhen="The records are consistent and the same unit can simply run again.",
    ),
    PacketOutcome(
        outcome="ask-user",
        description="Put one question to the human and wait.",
        safeWhen="A judgement or information from outside is needed.",
        requiresHuman=True,
    ),
    PacketOutcome(
        outcome="leave-blocked", description="Stay blocked and say why.", safeWhen="No safe repair is known."
    ),
    PacketOutcome(
        outcome="retry-repair",
        description="Change the plan (a repair feature, a clearer instruction) or retry the failed unit.",
        safeWhen="The cause is procedural, a planning gap, a defect that a feature can repair, or passing.",
    ),
    PacketOutcome(
        outcome="rerun-validation",
        description="Validate the milestone again.",
        safeWhen="The report was missing, or inconclusive because of the environment.",
    ),
)


def make_packet(
    mission_id: str, title: str, created_at: str, block: Block, session_path: str | None, orchestrator: bool
) -> RecoveryPacket:
    """The packet for a block; the same input gives the same packet."""
    return RecoveryPacket(
        missionId=mission_id,
        missionTitle=title,
        createdAt=created_at,
        block=block,
        dispatch={
            "target": "dedicated-runtime-orchestrator-session",
            "trigger": "runner-after-block",
            "runnerWritesPacket": True,
            "fallback": "decision-for-the-human",
            "orchestratorWoken": orchestrator,
            "orchestratorSessionRecordPath": session_path,
        },
        authority={
            "runner": [
                "sequence units",
                "hold the lock",
                "check artifacts",
                "write block and packet",
                "apply the outcome",
            ],
            "mainChat": ["commands", "questions", "overrides"],
            "runtimeOrchestrator": {
                "mayUseMissionTools": True,
                "mayReviseMissionMetadata": True,
                "mayEditRepositoryImplementation": False,
                "repositoryEditPolicy": "forbidden-by-default",
            },
            "missionControl": "read-only-observability",
        },
        allowedOutcomes=OUTCOMES,
        instructions=(
            "Look at mission_status and the artifacts named in the block before you decide.",
            "Repair by features with provenance; never weaken the contract and never mark failed work as done.",
            "Repeat a validation only when its report was unusable, never to get a better verdict.",
            "End with exactly one submit_recovery.",
        ),
    )


class _Dispatch(BaseModel):
    target: Literal["dedicated-runtime-orchestrator-session"]


class _RuntimeAuthority(BaseModel):
    mayEditRepositoryImplementation: Literal[False]
    repositoryEditPolicy: Literal["forbidden-by-default"]


class _Authority(BaseModel):
    runtimeOrchestrator: _RuntimeAuthority


class _PacketRules(BaseModel):
    dispatch: _Dispatch
    authority: _Authority
    allowedOutcomes: tuple[PacketOutcome, ...]


def packet_issues(packet: object) -> list[str]:
    """What is wrong with a packet read from outside; empty when it may be acted on."""
    try:
        rules = _PacketRules.model_validate(packet)
    except ValidationError as error:
        return [f"{issue.path}: {issue.message}" for issue in shape_issues(error)]
    named = {entry.outcome for entry in rules.allowedOutcomes}
    return [f"/allowedOutcomes: lacks {o.outcome}" for o in OUTCOMES if o.outcome not in named]
