"""The fold of planning and of the mission as a whole: plan, start, pause, resume, end, money.

Part of ``fold.py``: nobody else imports this.
"""

from __future__ import annotations

from missions.model import events as ev
from missions.model.contract import FeaturePlan, MilestonePlan
from missions.model.fold_rules import (
    PlanOf,
    forget_verdicts,
    go_on,
    on,
    reset_failed_unit,
    stop_waiting,
    wait,
)
from missions.model.mission import Comment, Feature, Milestone, Mission, Origin, PlanRef
from missions.model.usage import Usage


@on(ev.InteractivePlanWritten, ev.InteractivePlanRevised)
def _plan(mission: Mission, event: ev.PlanEvent, ts: str, plan_of: PlanOf) -> None:
    plan = plan_of(event.blob)
    known = {f.id: f for f in mission.all_features()}
    milestones = {m.id: m for m in mission.milestones}
    revised = bool(mission.executionStartedAt)
    mission.milestones = [
        _merge_milestone(p, milestones.get(p.id), known, revised, event.by) for p in plan.milestones
    ]
    mission.plan = PlanRef(version=event.planVersion, blob=event.blob)
    mission.title = plan.title
    mission.assertions = len(plan.validationContract.assertions)
    mission.decisions = [d for d in mission.decisions if d.kind != "gate"]  # asked for another plan
    if not mission.executionStartedAt:
        mission.models = dict(plan.models)
    if mission.status in ("planning", "planned", "complete", "failed"):
        mission.status = "planned"
        mission.completedAt = mission.finishedAt = mission.pauseReason = None


def _merge_milestone(
    plan: MilestonePlan, old: Milestone | None, known: dict[str, Feature], revised: bool, by: str
) -> Milestone:
    milestone = old or Milestone(id=plan.id, title=plan.title)
    before = {f.id for f in milestone.features}
    claims_before = (milestone.claims, tuple(f.claims for f in milestone.features))
    milestone.title, milestone.objective, milestone.validation = plan.title, plan.objective, plan.validation
    milestone.claims, milestone.userTesting, milestone.failureLimit = (
        plan.claims,
        plan.userTesting,
        plan.failureLimit,
    )
    milestone.features = [_merge_feature(f, known.get(f.id), revised, by) for f in plan.features]
    if {f.id for f in milestone.features} - before or claims_before != (
        milestone.claims,
        tuple(f.claims for f in milestone.features),
    ):
        forget_verdicts(milestone)
    return milestone


def _merge_feature(plan: FeaturePlan, old: Feature | None, revised: bool, by: str) -> Feature:
    origin = Origin(kind=("repair" if by == "orchestrator" else "user") if revised else "plan")
    feature = old or Feature(id=plan.id, title=plan.title, description=plan.description, origin=origin)
    feature.title, feature.description = plan.title, plan.description
    feature.dependencies, feature.claims = plan.dependencies, plan.claims
    return feature


@on(ev.MissionImported)
def _imported(mission: Mission, event: ev.MissionImported, ts: str, plan_of: PlanOf) -> None:
    mission.cwd = event.cwd
    for feature_id, before in event.features.items():
        feature = mission.feature(feature_id)
        if feature is not None:
            feature.status, feature.commit, feature.reason = before.status, before.commit, before.reason
    for milestone_id, modes in event.passed.items():
        milestone = mission.milestone(milestone_id)
        if milestone is not None:
            for mode in modes:
                milestone.validationState.of(mode).verdict = "pass"
    # Steps begun elsewhere concern another machine's files.
    mission.openIntents = {}
    if mission.workspace.kind == "clone":
        mission.baseline = None  # a new clone has to be set up again
    mission.pauseRequestedAt = None
    if mission.status == "running" or (mission.status == "planned" and event.started):
        mission.status = "paused"
    if event.started:
        mission.executionStartedAt = mission.executionStartedAt or ts
    if mission.status == "paused":
        mission.pauseReason = event.reason or "Imported."
        wait(mission, ts)


@on(ev.RepairFeatureAdded)
def _repair_feature(mission: Mission, event: ev.RepairFeatureAdded, ts: str, plan_of: PlanOf) -> None:
    feature = mission.feature(event.featureId)
    if feature is not None:
        feature.origin = Origin(kind="repair", runId=event.runId, defectId=event.defectId)


@on(ev.SettingsFrozen)
def _frozen(mission: Mission, event: ev.SettingsFrozen, ts: str, plan_of: PlanOf) -> None:
    mission.openIntents.pop("start/branch", None)
    mission.settings = event.settings
    mission.models = event.models
    mission.branch = event.branch
    mission.baseCommit = event.baseCommit
    mission.tipCommit = mission.tipCommit or event.baseCommit
    mission.workspace = event.workspace
    mission.budget = event.budget


@on(ev.RepositoryAdopted)
def _adopted(mission: Mission, event: ev.RepositoryAdopted, ts: str, plan_of: PlanOf) -> None:
    mission.tipCommit = event.commit
    mission.workspace.protectedPaths = event.protectedPaths
    mission.workspace.adopt = False


@on(ev.UnsavedBuffersNoted)
def _unsaved(mission: Mission, event: ev.UnsavedBuffersNoted, ts: str, plan_of: PlanOf) -> None:
    mission.workspace.unsavedPaths = event.paths


@on(ev.ChecksRecorded)
def _checks(mission: Mission, event: ev.ChecksRecorded, ts: str, plan_of: PlanOf) -> None:
    mission.baseline = list(event.failures)


@on(ev.MissionExecutionStarted)
def _started(mission: Mission, event: ev.MissionExecutionStarted, ts: str, plan_of: PlanOf) -> None:
    mission.executionStartedAt = mission.executionStartedAt or ts
    go_on(mission, ts)


@on(ev.MissionResumeRequested)
def _resumed(mission: Mission, event: ev.MissionResumeRequested, ts: str, plan_of: PlanOf) -> None:
    recovery = mission.recovery
    if recovery is not None and recovery.state in ("requested", "running"):
        # The orchestrator has the word: nothing else goes on before it has decided.
        mission.status = "blocked"
        mission.latestBlock = recovery.block or mission.latestBlock
        mission.pauseRequestedAt = None
        mission.pauseReason = None
        stop_waiting(mission, ts)
    elif mission.status in ("paused", "blocked", "running", "planned"):
        reset_failed_unit(mission)
        go_on(mission, ts)


@on(ev.MissionPauseRequested)
def _pause_requested(mission: Mission, event: ev.MissionPauseRequested, ts: str, plan_of: PlanOf) -> None:
    if mission.status == "running" or mission.activeRun is not None:
        mission.pauseRequestedAt = event.requestedAt


@on(ev.MissionPausedAfterCurrent)
def _paused_after(mission: Mission, event: ev.MissionPausedAfterCurrent, ts: str, plan_of: PlanOf) -> None:
    if mission.status == "running":
        mission.status = "paused"
        mission.pauseReason = "Paused after the current unit, as asked."
        wait(mission, ts)


@on(ev.MissionPaused)
def _paused(mission: Mission, event: ev.MissionPaused, ts: str, plan_of: PlanOf) -> None:
    if mission.status == "running":
        mission.status = "paused"
    mission.pauseReason = event.reason
    wait(mission, ts)


@on(ev.MissionComplete)
def _complete(mission: Mission, event: ev.MissionComplete, ts: str, plan_of: PlanOf) -> None:
    mission.status = "complete"
    mission.completedAt = ts
    mission.pauseRequestedAt = None
    mission.pauseReason = None
    mission.latestBlock = None
    mission.activeRun = None
    mission.recovery = None
    mission.decisions = []


@on(ev.MissionReportWritten)
def _report(mission: Mission, event: ev.MissionReportWritten, ts: str, plan_of: PlanOf) -> None:
    mission.report = event.blob


@on(ev.MissionFinished)
def _finished(mission: Mission, event: ev.MissionFinished, ts: str, plan_of: PlanOf) -> None:
    mission.finishedAt = ts


@on(ev.MissionAbandoned)
def _abandoned(mission: Mission, event: ev.MissionAbandoned, ts: str, plan_of: PlanOf) -> None:
    mission.status = "failed"
    mission.pauseReason = event.reason
    mission.activeRun = None
    mission.recovery = None
    mission.decisions = []
    mission.pauseRequestedAt = None
    stop_waiting(mission, ts)


@on(ev.MissionCleared)
def _cleared(mission: Mission, event: ev.MissionCleared, ts: str, plan_of: PlanOf) -> None:
    mission.cleared = True


@on(ev.UsageRecorded)
def _usage(mission: Mission, event: ev.UsageRecorded, ts: str, plan_of: PlanOf) -> None:
    mission.usage = mission.usage + event.usage
    mission.usageByRole[event.role] = mission.usageByRole.get(event.role, Usage()) + event.usage
    run = mission.run(event.runId)
    if run is not None:
        run.usage = run.usage + event.usage


@on(ev.BudgetChanged)
def _budget(mission: Mission, event: ev.BudgetChanged, ts: str, plan_of: PlanOf) -> None:
    mission.budget = event.budget


@on(ev.IntentRecorded)
def _intent(mission: Mission, event: ev.IntentRecorded, ts: str, plan_of: PlanOf) -> None:
    mission.openIntents[event.stepId] = {"kind": event.kind, "key": event.key, "pre": event.pre}


@on(ev.EffectRecorded)
def _effect(mission: Mission, event: ev.EffectRecorded, ts: str, plan_of: PlanOf) -> None:
    mission.openIntents.pop(event.stepId, None)


@on(ev.PlanCommentAdded)
def _commented(mission: Mission, event: ev.PlanCommentAdded, ts: str, plan_of: PlanOf) -> None:
    mission.comments.append(
        Comment(id=event.commentId, path=event.path, text=event.text, planVersion=event.planVersion)
    )


@on(ev.PlanCommentAnswered)
def _comment_answered(mission: Mission, event: ev.PlanCommentAnswered, ts: str, plan_of: PlanOf) -> None:
    mission.comments = [c for c in mission.comments if c.id != event.commentId]
