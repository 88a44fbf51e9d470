"""The mission as every face sees it: the snapshot ``mission.json``.

A value derived from the journal by ``fold.py``; nothing else changes it. Every field is reachable from events. It
never holds file contents, prompts or secrets.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from missions.model.contract import Role, UserTesting
from missions.model.recovery import Block
from missions.model.reports import ValidatorMode, Verdict
from missions.model.usage import ModelChoice, Usage

SCHEMA_VERSION = 1

MissionStatus = Literal["planning", "planned", "running", "paused", "blocked", "complete", "failed"]
ItemStatus = Literal["pending", "running", "complete", "failed", "skipped"]
MilestoneStatus = Literal["pending", "running", "validating", "complete", "failed", "skipped"]
RunKind = Literal["worker", "validator", "recovery"]
RunStatus = Literal["running", "complete", "failed", "pass", "fail", "inconclusive", "interrupted"]

DONE: frozenset[str] = frozenset({"complete", "skipped"})
"""Item statuses that count as done."""

DEFAULT_FAILURE_LIMIT = 5


class State(BaseModel):
    model_config = ConfigDict(extra="allow", defer_build=True)


class Origin(State):
    """Where a feature comes from."""

    kind: Literal["plan", "repair", "user"] = "plan"
    runId: str | None = None
    defectId: str | None = None


class Feature(State):
    id: str
    title: str
    description: str
    dependencies: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    status: ItemStatus = "pending"
    runId: str | None = None
    commit: str | None = None
    attempts: int = 0
    origin: Origin = Origin()
    reason: str | None = None
    """Why it was skipped, or what the next attempt must know."""


class Waiver(State):
    """A defect the human accepted."""

    runId: str
    defectId: str
    reason: str


class ValidationPass(State):
    """The latest accepted verdict of one validator mode of a milestone."""

    runId: str | None = None
    verdict: Verdict | None = None
    commit: str | None = None
    attempts: int = 0


class ValidationState(State):
    scrutiny: ValidationPass = Field(default_factory=ValidationPass)
    userTesting: ValidationPass = Field(default_factory=ValidationPass)
    failureCount: int = 0
    waived: list[Waiver] = []

    def of(self, mode: ValidatorMode) -> ValidationPass:
        return self.scrutiny if mode == "scrutiny" else self.userTesting


class Milestone(State):
    id: str
    title: str
    objective: str = ""
    validation: str = ""
    status: MilestoneStatus = "pending"
    claims: tuple[str, ...] = ()
    userTesting: UserTesting = UserTesting()
    failureLimit: int | None = None
    features: list[Feature] = []
    validationState: ValidationState = Field(default_factory=ValidationState)

    @property
    def features_done(self) -> bool:
        return all(f.status in DONE for f in self.features)


class ActiveRun(State):
    """The run that is going on, or was when the runner died."""

    schemaVersion: int = 1
    kind: RunKind
    validatorMode: ValidatorMode | None = None
    itemId: str
    milestoneId: str | None = None
    runId: str
    attempt: int
    startedAt: str
    baseCommit: str | None = None
    intent: Literal["active"] = "active"


class Run(State):
    """One attempt at a unit."""

    runId: str
    kind: RunKind
    validatorMode: ValidatorMode | None = None
    itemId: str
    milestoneId: str | None = None
    attempt: int = 1
    status: RunStatus = "running"
    outcome: str | None = None
    startedAt: str
    finishedAt: str | None = None
    baseCommit: str | None = None
    commit: str | None = None
    model: str | None = None
    planVersion: int = 0
    durationMs: int = 0
    providerWaitMs: int = 0
    usage: Usage = Field(default_factory=Usage)


class DecisionOption(State):
    """An answer that can be chosen; ``op`` is the operation that choosing it applies."""

    id: str
    label: str
    consequence: str
    op: str | None = None
    args: dict[str, Any] = {}


class Decision(State):
    """A question only the human can answer. Silence is never consent."""

    id: str
    kind: str
    """``budget``, ``block``, ``ask-user``, ``gate`` or ``buffers``."""
    question: str
    context: str = ""
    options: tuple[DecisionOption, ...] = ()
    freeText: bool = False
    default: str | None = None
    deadline: str | None = None
    onDeadline: str | None = None
    """Option applied when the deadline passes; never one that starts, spends or widens anything."""
    planVersion: int = 0
    requestedAt: str
    runId: str | None = None
    blocking: bool = True


class Comment(State):
    """A remark on the plan that waits for the planner's answer."""

    id: str
    path: str
    text: str
    planVersion: int = 0


class TimeSplit(State):
    """Milliseconds by what the mission was doing."""

    working: int = 0
    validating: int = 0
    waitingHuman: int = 0
    waitingProvider: int = 0


class BudgetState(State):
    """The limits in force; ``None`` is unlimited. Money in micro-dollars, time in milliseconds."""

    usdMicro: int | None = None
    tokens: int | None = None
    wallMs: int | None = None
    runs: int | None = None
    unitUsdMicro: int | None = None
    unitWallMs: int | None = None
    unitTurns: int | None = None


class PlanRef(State):
    """Which accepted plan is in force."""

    version: int = 0
    blob: str = ""


class Recovery(State):
    """An open recovery: the packet exists and nothing else may advance."""

    packet: str
    """Blob of the packet."""
    blockRunId: str | None = None
    signature: str
    state: Literal["requested", "running", "waiting", "closed"] = "requested"
    """``waiting`` is for an answer of the human; ``closed`` stays blocked without the orchestrator."""
    answer: str | None = None
    """The human's answer, for the next recovery run."""
    block: Block | None = None
    """What the packet is about; ``latestBlock`` may meanwhile be another, such as a used-up budget."""


class Workspace(State):
    kind: Literal["inPlace", "clone"] = "inPlace"
    originalBranch: str | None = None
    originalCommit: str | None = None
    protectedPaths: list[str] = []
    """Files that were dirty at start; the mission may not touch them."""
    unsavedPaths: list[str] = []
    """Files with unsaved changes in an editor when the current unit began; the unit may not touch them."""
    adopt: bool = False
    """The human accepted what someone else changed; the runner takes the repository as it is at its next step."""

    def kept_paths(self) -> list[str]:
        """Everything that the mission may not touch now."""
        return [
            *self.protectedPaths,
            *(path for path in self.unsavedPaths if path not in self.protectedPaths),
        ]


class KnownFailure(State):
    """A check that already failed before the first unit."""

    command: str
    exitCode: int | None = None
    """None: it did not end by itself, but was stopped (time, silence, memory) or killed by a signal."""


class Mission(State):
    schemaVersion: int = SCHEMA_VERSION
    id: str
    title: str
    status: MissionStatus = "planning"
    createdAt: str
    updatedAt: str
    cwd: str
    demo: bool = False
    goal: str = ""
    plan: PlanRef = Field(default_factory=PlanRef)
    assertions: int = 0
    models: dict[Role, ModelChoice] = {}
    currentMilestoneId: str | None = None
    currentFeatureId: str | None = None
    executionStartedAt: str | None = None
    completedAt: str | None = None
    finishedAt: str | None = None
    """When the user's branch was restored by ``finish``."""
    pauseRequestedAt: str | None = None
    pauseReason: str | None = None
    latestBlock: Block | None = None
    activeRun: ActiveRun | None = None
    validation: dict[str, int] = {"failureLimit": DEFAULT_FAILURE_LIMIT}
    milestones: list[Milestone] = []
    runs: list[Run] = []
    lastSeq: int = 0
    epoch: int = 0
    branch: str | None = None
    baseCommit: str | None = None
    tipCommit: str | None = None
    """The last commit accepted on the mission's branch."""
    workspace: Workspace = Field(default_factory=Workspace)
    openIntents: dict[str, dict[str, Any]] = {}
    """Steps that were begun and whose effect is not recorded: step id → ``{kind, key, pre}``; settled after a crash."""
    settings: dict[str, Any] = {}
    budget: BudgetState = Field(default_factory=BudgetState)
    usage: Usage = Field(default_factory=Usage)
    usageByRole: dict[str, Usage] = {}
    time: TimeSplit = Field(default_factory=TimeSplit)
    waitingSince: str | None = None
    decisions: list[Decision] = []
    comments: list[Comment] = []
    """Remarks on the plan that are not answered yet."""
    recovery: Recovery | None = None
    recoveriesBySignature: dict[str, int] = {}
    recoveriesSinceProgress: int = 0
    baseline: list[KnownFailure] | None = None
    cleared: bool = False
    report: str | None = None
    """Blob of ``report.md``."""

    def milestone(self, milestone_id: str | None) -> Milestone | None:
        return next((m for m in self.milestones if m.id == milestone_id), None)

    def feature(self, feature_id: str | None) -> Feature | None:
        return next((f for m in self.milestones for f in m.features if f.id == feature_id), None)

    def milestone_of(self, feature_id: str | None) -> Milestone | None:
        return next((m for m in self.milestones for f in m.features if f.id == feature_id), None)

    def run(self, run_id: str | None) -> Run | None:
        return next((r for r in self.runs if r.runId == run_id), None)

    def decision(self, decision_id: str) -> Decision | None:
        return next((d for d in self.decisions if d.id == decision_id), None)

    def all_features(self) -> list[Feature]:
        return [f for m in self.milestones for f in m.features]

    def failure_limit(self, milestone: Milestone) -> int:
        """Milestone's limit, else the mission's, else 5."""
        for limit in (milestone.failureLimit, self.validation.get("failureLimit")):
            if isinstance(limit, int) and limit > 0:
                return limit
        return DEFAULT_FAILURE_LIMIT

    def blocking_decision(self) -> Decision | None:
        return next((d for d in self.decisions if d.blocking), None)
