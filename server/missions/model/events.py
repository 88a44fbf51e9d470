"""Every event of the journal, one class each.

An event says what happened, in the past tense, with the data a reader needs to fold it; times are the record's ``ts``.
Field names are a contract with users (``docs/artifacts.md``). Unknown types are kept and ignored, so that an older
reader survives a newer journal. Nothing here changes a mission: that is ``fold.py``.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from missions.model.contract import Role
from missions.model.event_base import EVENTS as EVENTS
from missions.model.event_base import Event as Event
from missions.model.event_base import UnknownEvent as UnknownEvent
from missions.model.event_base import parse_event as parse_event
from missions.model.events_of_blocks import (
    BudgetChanged as BudgetChanged,
)
from missions.model.events_of_blocks import (
    BudgetReached as BudgetReached,
)
from missions.model.events_of_blocks import (
    DecisionAnswered as DecisionAnswered,
)
from missions.model.events_of_blocks import (
    DecisionRequested as DecisionRequested,
)
from missions.model.events_of_blocks import (
    DefectWaived as DefectWaived,
)
from missions.model.events_of_blocks import (
    FeatureSkipped as FeatureSkipped,
)
from missions.model.events_of_blocks import (
    MissionBlockManual as MissionBlockManual,
)
from missions.model.events_of_blocks import (
    MissionBlockRecorded as MissionBlockRecorded,
)
from missions.model.events_of_blocks import (
    MissionCurrentChildCancelRequested as MissionCurrentChildCancelRequested,
)
from missions.model.events_of_blocks import (
    MissionFeatureRetryRequested as MissionFeatureRetryRequested,
)
from missions.model.events_of_blocks import (
    MissionRecoveryGateRepaired as MissionRecoveryGateRepaired,
)
from missions.model.events_of_blocks import (
    MissionUnblockManual as MissionUnblockManual,
)
from missions.model.events_of_blocks import (
    OrchestratorRecoveryPacketCreated as OrchestratorRecoveryPacketCreated,
)
from missions.model.events_of_blocks import (
    RecoveryFailed as RecoveryFailed,
)
from missions.model.events_of_blocks import (
    RecoveryOutcomeChosen as RecoveryOutcomeChosen,
)
from missions.model.events_of_blocks import (
    RecoveryRequested as RecoveryRequested,
)
from missions.model.events_of_blocks import (
    ValidationRerunRequested as ValidationRerunRequested,
)
from missions.model.events_of_runs import (
    EffectRecorded as EffectRecorded,
)
from missions.model.events_of_runs import (
    HandoffParseError as HandoffParseError,
)
from missions.model.events_of_runs import (
    IntentRecorded as IntentRecorded,
)
from missions.model.events_of_runs import (
    MilestoneValidationFailed as MilestoneValidationFailed,
)
from missions.model.events_of_runs import (
    MissionInterruptedRunReset as MissionInterruptedRunReset,
)
from missions.model.events_of_runs import (
    RecoveryDispatched as RecoveryDispatched,
)
from missions.model.events_of_runs import (
    RunFinished as RunFinished,
)
from missions.model.events_of_runs import (
    RunInterrupted as RunInterrupted,
)
from missions.model.events_of_runs import (
    RunStarted as RunStarted,
)
from missions.model.events_of_runs import (
    RunSuspended as RunSuspended,
)
from missions.model.events_of_runs import (
    SteeringDelivered as SteeringDelivered,
)
from missions.model.events_of_runs import (
    UsageRecorded as UsageRecorded,
)
from missions.model.events_of_runs import (
    UserTestingFinished as UserTestingFinished,
)
from missions.model.events_of_runs import (
    UserTestingParseError as UserTestingParseError,
)
from missions.model.events_of_runs import (
    UserTestingStarted as UserTestingStarted,
)
from missions.model.events_of_runs import (
    ValidationFinishedEvent as ValidationFinishedEvent,
)
from missions.model.events_of_runs import (
    ValidationParseError as ValidationParseError,
)
from missions.model.events_of_runs import (
    ValidatorFinished as ValidatorFinished,
)
from missions.model.events_of_runs import (
    ValidatorStarted as ValidatorStarted,
)
from missions.model.events_of_runs import (
    WorkerFailed as WorkerFailed,
)
from missions.model.events_of_runs import (
    WorkerFinished as WorkerFinished,
)
from missions.model.events_of_runs import (
    WorkerStarted as WorkerStarted,
)
from missions.model.mission import BudgetState, KnownFailure, Workspace
from missions.model.reports import ValidatorMode
from missions.model.usage import ModelChoice


class MissionCreated(Event, type="mission_created"):
    title: str
    cwd: str
    goal: str = ""
    demo: bool = False
    by: dict[str, str] = {}
    importedFrom: str | None = None


class ImportedFeature(BaseModel):
    """How far a feature had come where the mission was before."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    status: Literal["pending", "complete", "skipped"]
    commit: str | None = None
    reason: str | None = None


class MissionImported(Event, type="mission_imported"):
    """The mission came from elsewhere and stands still until someone resumes it.

    ``history`` is the blob of the event log it had in another program. ``features`` and ``passed`` (milestone → modes)
    say what was done there; a large mission says it in several of these events.
    """

    source: Literal["bundle", "pi-missions"]
    originalId: str
    cwd: str
    checksum: str | None = None
    """SHA-256 of the file it came in."""
    history: str | None = None
    started: bool = False
    features: dict[str, ImportedFeature] = {}
    passed: dict[str, tuple[ValidatorMode, ...]] = {}
    reason: str = ""


class RepositoryRestored(Event, type="repository_restored"):
    """Files of the repository were put back from ``snapshot``; how they were before is kept as ``safety``."""

    snapshot: str
    safety: str | None = None
    written: int = 0
    removed: int = 0
    recovered: bool = False
    """The git directory was destroyed and was built again."""
    by: dict[str, str] = {}


class PlanEvent(Event):
    """``blob`` is the accepted plan document; ``planVersion`` counts from 1."""

    title: str
    features: int
    planVersion: int
    blob: str
    by: str = "user"
    reason: str | None = None
    baseVersion: int | None = None


class InteractivePlanWritten(PlanEvent, type="interactive_plan_written"):
    pass


class InteractivePlanRevised(PlanEvent, type="interactive_plan_revised"):
    pass


class RepairFeatureAdded(Event, type="repair_feature_added"):
    featureId: str
    milestoneId: str
    runId: str
    defectId: str
    planVersion: int


class PlanCommentAdded(Event, type="plan_comment_added"):
    """A remark on the plan before it is approved; ``path`` is a JSON pointer or an id."""

    commentId: str
    path: str
    text: str
    by: dict[str, str] = {}
    planVersion: int = 0


class PlanCommentAnswered(Event, type="plan_comment_answered"):
    commentId: str
    answer: str
    by: dict[str, str] = {}
    planVersion: int = 0


# Running


class RunnerAcquired(Event, type="runner_acquired"):
    """A process took the lock. ``purpose`` is ``run`` for a runner, ``apply`` for a single request."""

    purpose: Literal["run", "apply", "repair"] = "run"
    face: str = ""
    host: str = ""
    pid: int = 0
    bootId: str = ""
    startTicks: int = 0


class RunnerReleased(Event, type="runner_released"):
    reason: str = ""


class MissionRunnerLockRecovered(Event, type="mission_runner_lock_recovered"):
    """The previous owner died without releasing."""

    previousOwner: dict[str, Any] = {}


class HostSuspended(Event, type="host_suspended"):
    seconds: int


class SettingsFrozen(Event, type="settings_frozen"):
    """What the mission runs with; written once, before the first unit."""

    settings: dict[str, Any] = {}
    models: dict[Role, ModelChoice] = {}
    branch: str | None = None
    baseCommit: str
    workspace: Workspace = Workspace()
    budget: BudgetState = BudgetState()


class RepositoryAdopted(Event, type="repository_adopted"):
    """The human accepted what someone else changed; the mission goes on from ``commit``."""

    commit: str
    protectedPaths: list[str] = []


class UnsavedBuffersNoted(Event, type="unsaved_buffers_noted"):
    """Files with unsaved changes in an editor as the next unit begins; empty when there are none any more."""

    paths: list[str] = []


class ChecksRecorded(Event, type="checks_recorded"):
    """Baseline: which of the plan's checks failed before any work."""

    failures: list[KnownFailure] = []
    commands: int = 0


class MissionExecutionStarted(Event, type="mission_execution_started"):
    planVersion: int
    gates: tuple[str, ...] = ()
    source: str = ""


class MissionResumeRequested(Event, type="mission_resume_requested"):
    source: str = ""


class MissionPauseRequested(Event, type="mission_pause_requested"):
    requestedAt: str
    source: str = ""
    now: bool = False


class MissionPausedAfterCurrent(Event, type="mission_paused_after_current"):
    requestedAt: str | None = None
    completedUnit: str | None = None


class MissionPaused(Event, type="mission_paused"):
    """Paused for another reason; with ``runId`` the run goes on inside when resumed."""

    reason: str
    runId: str | None = None
    category: str | None = None


class MissionComplete(Event, type="mission_complete"):
    commit: str | None = None


class MissionReportWritten(Event, type="mission_report_written"):
    blob: str


class MissionFinished(Event, type="mission_finished"):
    branch: str | None = None
    merged: bool = False


class MissionAbandoned(Event, type="mission_abandoned"):
    reason: str | None = None


class MissionCleared(Event, type="mission_cleared"):
    clearedStateFile: str = ""


class MissionBackgroundExecutionFailed(Event, type="mission_background_execution_failed"):
    error: str
    errorId: str
    source: str = ""
