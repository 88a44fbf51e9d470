"""The events of units: runs begin, end, are suspended or interrupted; validations fail; usage and steps.

Part of ``events.py``, through which everybody reads them.
"""

from __future__ import annotations

from typing import Any

from missions.model.event_base import Event
from missions.model.reports import ValidatorMode, Verdict
from missions.model.usage import Usage


class RunStarted(Event):
    runId: str
    attempt: int
    milestoneId: str | None = None
    baseCommit: str | None = None
    planVersion: int = 0
    model: str | None = None


class WorkerStarted(RunStarted, type="worker_started"):
    featureId: str


class ValidatorStarted(RunStarted, type="validator_started"):
    pass


class UserTestingStarted(RunStarted, type="user_testing_started"):
    pass


class RecoveryDispatched(RunStarted, type="runtime_orchestrator_recovery_dispatched"):
    packet: str
    blockRunId: str | None = None
    injectedSkill: str = "mission-orchestrator"


class RunFinished(Event):
    """``exitCode`` is 0 for a run that ended by its submission, 1 otherwise."""

    runId: str
    exitCode: int
    outcome: str
    durationMs: int = 0
    providerWaitMs: int = 0


class WorkerFinished(RunFinished, type="worker_finished"):
    """``accepted`` is the verdict of the acceptance checks; only then is the feature complete."""

    featureId: str
    accepted: bool
    commit: str | None = None
    commits: tuple[str, ...] = ()
    filesChanged: int = 0
    handoff: str | None = None
    summary: str | None = None


class WorkerFailed(Event, type="worker_failed"):
    featureId: str
    runId: str
    category: str
    reasons: tuple[str, ...] = ()
    dirty: str | None = None
    hasHandoff: bool = False
    autoRetry: bool = False


class HandoffParseError(Event, type="handoff_parse_error"):
    featureId: str
    runId: str
    error: str
    issues: tuple[dict[str, str], ...] = ()


class ValidationFinishedEvent(RunFinished):
    milestoneId: str
    status: Verdict
    commit: str | None = None
    report: str | None = None
    summary: str | None = None


class ValidatorFinished(ValidationFinishedEvent, type="validator_finished"):
    pass


class UserTestingFinished(ValidationFinishedEvent, type="user_testing_finished"):
    pass


class ValidationParseError(Event, type="validation_parse_error"):
    milestoneId: str
    runId: str
    error: str
    issues: tuple[dict[str, str], ...] = ()


class UserTestingParseError(ValidationParseError, type="user_testing_parse_error"):
    pass


class MilestoneValidationFailed(Event, type="milestone_validation_failed"):
    milestoneId: str
    runId: str
    validatorMode: ValidatorMode
    failureCount: int
    failureLimit: int
    limitExceeded: bool
    failedAssertions: tuple[str, ...] = ()


class RunInterrupted(Event, type="run_interrupted"):
    """The run ended without a verdict (cancelled, machine stopped, superseded); its unit is pending again."""

    runId: str
    reason: str
    durationMs: int = 0
    providerWaitMs: int = 0


class RunSuspended(Event, type="run_suspended"):
    """The run stopped but stays open: it goes on inside when the mission is resumed."""

    runId: str
    reason: str
    durationMs: int = 0
    providerWaitMs: int = 0


class MissionInterruptedRunReset(Event, type="mission_interrupted_run_reset_for_resume"):
    """A run that cannot go on inside was reset; ``before`` is how it stood."""

    runId: str
    reason: str
    before: dict[str, Any] = {}


class IntentRecorded(Event, type="intent_recorded"):
    stepId: str
    kind: str
    key: str = ""
    pre: dict[str, Any] = {}


class EffectRecorded(Event, type="effect_recorded"):
    stepId: str
    kind: str
    outcome: dict[str, Any] = {}


class UsageRecorded(Event, type="usage_recorded"):
    runId: str | None = None
    role: str
    model: str
    usage: Usage


class SteeringDelivered(Event, type="steering_delivered"):
    runId: str
    text: str
    by: dict[str, str] = {}
