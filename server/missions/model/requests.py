"""Judging a request: the events an operation leads to now, or why it is not legal.

One pure table for the runner (requests from the inbox) and for ``control`` (requests while nobody owns the mission), so
that two code paths never decide the same thing. It records nothing: the caller writes the blobs, then the events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from missions.model import events as ev
from missions.model import operations as op
from missions.model.contract import PlanDocument
from missions.model.errors import MissionError
from missions.model.judgement import Ask, Judgement, refuse
from missions.model.mission import BudgetState, Decision, DecisionOption, Milestone, Mission
from missions.model.recovery import Block
from missions.model.reports import ValidatorMode
from missions.model.request_plan import answer_comment, comment, revise_plan, write_plan


def judge(
    mission: Mission,
    ask: Ask,
    *,
    child_runs: bool,
    plan_of: Callable[[str], PlanDocument],
    defects_of: Callable[[str], list[dict[str, Any]]],
) -> Judgement:
    """The judgement of ``ask`` about ``mission``.

    ``child_runs`` says whether a run is really going on in the judging process. ``defects_of`` gives the defects of a
    run's report. Raises ``wrong_state``, ``bad_argument``, ``not_found``, ``conflict`` or ``plan_invalid``.
    """
    _expected(mission, ask)
    args = op.parse_arguments(ask.op, ask.args)
    judges: dict[str, Callable[[], Judgement]] = {
        "run": lambda: _start(mission, ask, cast(op.Run, args)),
        "resume": lambda: _start(mission, ask, cast(op.Run, args)),
        "pause": lambda: _pause(mission, ask, cast(op.Pause, args), child_runs),
        "cancel": lambda: _cancel(mission, ask, child_runs),
        "retry": lambda: _retry(mission, ask, cast(op.Retry, args)),
        "rerun-validation": lambda: _rerun(mission, ask, cast(op.RerunValidation, args)),
        "skip": lambda: _skip(mission, ask, cast(op.Skip, args)),
        "waive": lambda: _waive(mission, ask, cast(op.Waive, args), defects_of),
        "block": lambda: _block(mission, ask, cast(op.Reason, args), child_runs),
        "unblock": lambda: _unblock(mission, ask, cast(op.Unblock, args)),
        "steer": lambda: _steer(mission, ask, cast(op.Steer, args), child_runs),
        "decide": lambda: _decide(mission, ask, cast(op.Decide, args), child_runs, plan_of, defects_of),
        "request-confirmation": lambda: _confirmation(
            mission, ask, cast(op.RequestConfirmation, args), child_runs, plan_of, defects_of
        ),
        "budget": lambda: _budget(mission, ask, cast(op.SetBudget, args)),
        "comment": lambda: comment(mission, ask, cast(op.Comment, args), plan_of),
        "answer-comment": lambda: answer_comment(mission, ask, cast(op.AnswerComment, args)),
        "abandon": lambda: _abandon(mission, cast(op.Reason, args), child_runs),
        "write-plan": lambda: write_plan(mission, ask, cast(op.WritePlan, args), plan_of),
        "revise-plan": lambda: revise_plan(mission, ask, cast(op.RevisePlan, args), plan_of),
    }
    handler = judges.get(ask.op)
    if handler is None:
        raise MissionError("bad_argument", f"{ask.op} is not a request about a mission.", "Call it directly.")
    return handler()


def _expected(mission: Mission, ask: Ask) -> None:
    version = ask.expect.get("planVersion")
    if version is not None and version != mission.plan.version:
        raise MissionError(
            "conflict",
            f"The plan changed: you saw version {version}, version {mission.plan.version} is in force.",
            "Look at the plan again and repeat.",
            planVersion=mission.plan.version,
        )


def _source(ask: Ask) -> str:
    return ask.by.get("face", "")


def _start(mission: Mission, ask: Ask, args: op.Run) -> Judgement:
    if mission.status == "planning":
        refuse(
            mission,
            "There is no plan to run yet",
            "Finish planning: `missions chat`, or save a plan with `missions new --from`.",
        )
    if mission.status == "complete":
        refuse(
            mission,
            "Nothing is left to run",
            "See `missions show` for the report, or revise the plan to add work.",
        )
    if mission.status == "failed":
        refuse(mission, "The mission was abandoned", "Revise its plan to take it up again.")
    open_decision = mission.blocking_decision()
    if open_decision is not None:
        raise MissionError(
            "wrong_state",
            f"A decision is open: {open_decision.question}",
            f"Answer it: `missions decide {open_decision.id} <answer>`.",
            decision=open_decision.id,
        )
    if (
        mission.status == "blocked"
        and mission.latestBlock is not None
        and mission.latestBlock.reasonCategory == "manual"
    ):
        refuse(mission, "The mission was blocked by hand", "Unblock it first: `missions unblock`.")
    if mission.status == "planned":
        if args.planVersion is not None and args.planVersion != mission.plan.version:
            raise MissionError(
                "conflict",
                f"The plan changed since you confirmed it: version {mission.plan.version} is in force.",
                "Confirm again.",
            )
        if mission.executionStartedAt is not None:
            # More work for a mission that had ended: it goes on, it does not start a second time.
            return Judgement((ev.MissionResumeRequested(source=_source(ask)),))
        return Judgement(
            (
                ev.MissionExecutionStarted(
                    planVersion=mission.plan.version, gates=args.accept, source=_source(ask)
                ),
            )
        )
    if mission.status == "running" and mission.pauseRequestedAt is None:
        return Judgement(())
    return Judgement((ev.MissionResumeRequested(source=_source(ask)),))


def _pause(mission: Mission, ask: Ask, args: op.Pause, child_runs: bool) -> Judgement:
    recovering = mission.activeRun is not None and mission.activeRun.kind == "recovery"
    if mission.status != "running" and not recovering:
        refuse(mission, "Only a running mission can be paused", "`missions status` shows what it waits for.")
    asked = ev.MissionPauseRequested(requestedAt=ask.now, source=_source(ask), now=args.now)
    if child_runs:
        return Judgement((asked,), signal="pause-now" if args.now else None)
    run = mission.activeRun.runId if mission.activeRun else None
    return Judgement((asked, ev.MissionPaused(reason="Paused as asked.", runId=run)))


def _cancel(mission: Mission, ask: Ask, child_runs: bool) -> Judgement:
    if mission.activeRun is None:
        refuse(mission, "No run is going on", "`missions status` shows what it waits for.")
    asked = ev.MissionCurrentChildCancelRequested(source=_source(ask), canceled=True)
    if child_runs:
        return Judgement((asked,), signal="cancel")
    run = mission.activeRun
    ended: list[ev.Event] = [ev.RunInterrupted(runId=run.runId, reason="cancelled")]
    if run.kind != "recovery":
        # Nobody is there to tidy up after the run; the next runner does it first.
        ended.insert(0, ev.IntentRecorded(stepId=f"{run.runId}/put-back", kind="put-back", key=run.runId))
    return Judgement((asked, *ended, ev.MissionPaused(reason="The current run was cancelled.")))


def _feature(mission: Mission, feature_id: str) -> None:
    if mission.feature(feature_id) is None:
        raise MissionError(
            "not_found",
            f"There is no feature {feature_id!r} in {mission.id}.",
            "Features: " + ", ".join(f.id for f in mission.all_features()) + ".",
        )


def _may_change_work(mission: Mission, what: str) -> None:
    if mission.status in ("planning", "planned", "complete", "failed"):
        refuse(mission, f"{what} needs a mission that is under way", "Change the plan instead.")
    if mission.activeRun is not None:
        refuse(mission, f"{what} is not possible while a run is going on", "Pause or cancel it first.")


def _retry(mission: Mission, ask: Ask, args: op.Retry) -> Judgement:
    feature_id = (
        args.feature
        or (mission.latestBlock.featureId if mission.latestBlock else None)
        or next((f.id for f in mission.all_features() if f.status == "failed"), None)
    )
    if feature_id is None:
        raise MissionError("bad_argument", "No feature blocks this mission.", "Name the feature to retry.")
    _feature(mission, feature_id)
    _may_change_work(mission, "Retrying a feature")
    feature = mission.feature(feature_id)
    if feature is not None and feature.status not in ("failed", "skipped", "pending"):
        raise MissionError(
            "wrong_state",
            f"Feature {feature_id} is {feature.status}; only a failed, skipped or pending one can be retried.",
            "Add a repair feature to change finished work.",
        )
    return Judgement(
        (
            ev.MissionFeatureRetryRequested(featureId=feature_id, source=_source(ask), note=args.note),
            *_settled(mission, ask),
        )
    )


def _settled(mission: Mission, ask: Ask) -> tuple[ev.Event, ...]:
    """An operation that deals with a block answers the block's open decision too."""
    return tuple(
        ev.DecisionAnswered(decisionId=d.id, answer=ask.op, by=ask.by)
        for d in mission.decisions
        if d.kind in ("block", "ask-user")
    )


def _blocking_milestone(mission: Mission, named: str | None) -> Milestone:
    wanted = (
        named
        or (mission.latestBlock.milestoneId if mission.latestBlock else None)
        or mission.currentMilestoneId
    )
    milestone = mission.milestone(wanted)
    if milestone is None:
        raise MissionError(
            "not_found",
            f"There is no milestone {wanted!r} in {mission.id}.",
            "Milestones: " + ", ".join(m.id for m in mission.milestones) + ".",
        )
    return milestone


def _rerun(mission: Mission, ask: Ask, args: op.RerunValidation) -> Judgement:
    milestone = _blocking_milestone(mission, args.milestone)
    _may_change_work(mission, "Rerunning a validation")
    if not milestone.features_done:
        raise MissionError(
            "wrong_state",
            f"Milestone {milestone.id} still has unfinished features.",
            "Its validation runs when they are done.",
        )
    if milestone.status == "complete":
        raise MissionError(
            "wrong_state",
            f"Milestone {milestone.id} has passed its validation.",
            "There is nothing to rerun.",
        )
    mode: ValidatorMode = args.mode or (
        mission.latestBlock.validatorMode
        if mission.latestBlock and mission.latestBlock.validatorMode
        else "scrutiny"
    )
    return Judgement(
        (
            ev.ValidationRerunRequested(
                milestoneId=milestone.id, validatorMode=mode, source=_source(ask), reason=args.reason
            ),
            *_settled(mission, ask),
        )
    )


def _skip(mission: Mission, ask: Ask, args: op.Skip) -> Judgement:
    _feature(mission, args.feature)
    if mission.status in ("planning", "complete", "failed"):
        refuse(mission, "Skipping a feature needs a mission that is under way", "Change the plan instead.")
    feature = mission.feature(args.feature)
    if feature is not None and feature.status in ("complete", "running"):
        raise MissionError(
            "wrong_state",
            f"Feature {args.feature} is {feature.status} and cannot be skipped.",
            "Cancel the run first, or add a feature that undoes it.",
        )
    if feature is not None and feature.status == "skipped":
        return Judgement(())
    return Judgement(
        (ev.FeatureSkipped(featureId=args.feature, reason=args.reason, by=ask.by), *_settled(mission, ask))
    )


def _waive(
    mission: Mission, ask: Ask, args: op.Waive, defects_of: Callable[[str], list[dict[str, Any]]]
) -> Judgement:
    if mission.status in ("planning", "planned", "complete", "failed"):
        refuse(
            mission,
            "Waiving a defect needs a mission that is under way",
            "`missions status` shows where it stands.",
        )
    runs = [args.run] if args.run else [r.runId for r in reversed(mission.runs) if r.kind == "validator"]
    for run_id in runs:
        run = mission.run(run_id)
        defect = next((d for d in defects_of(run_id) if d.get("id") == args.defect), None) if run else None
        if run is None or defect is None or run.milestoneId is None:
            continue
        if defect.get("severity") == "critical" and not args.confirmed:
            raise MissionError(
                "confirmation_needed",
                f"{args.defect} is critical: {defect.get('title', '')}.",
                "Confirm that you accept it.",
                gates=["critical-defect"],
            )
        return Judgement(
            (
                ev.DefectWaived(
                    milestoneId=run.milestoneId,
                    runId=run_id,
                    defectId=args.defect,
                    reason=args.reason,
                    by=ask.by,
                ),
            )
        )
    raise MissionError(
        "not_found",
        f"No report of {mission.id} holds a defect {args.defect!r}.",
        "`missions show <id> defects` lists them.",
    )


def _block(mission: Mission, ask: Ask, args: op.Reason, child_runs: bool) -> Judgement:
    if mission.status not in ("running", "paused"):
        refuse(
            mission,
            "Only a running or paused mission can be blocked",
            "`missions status` shows where it stands.",
        )
    if child_runs or mission.activeRun is not None:
        refuse(mission, "A run is going on", "Pause or cancel it first.")
    block = Block(
        timestamp=ask.now,
        reasonCategory="manual",
        kind="mission",
        failedItemId=mission.currentFeatureId or mission.currentMilestoneId or mission.id,
        failedItemTitle=mission.title,
        missionId=mission.id,
        milestoneId=mission.currentMilestoneId,
        message=args.reason or "Blocked by hand.",
    )
    return Judgement((ev.MissionBlockManual(source=_source(ask), reason=args.reason, block=block),))


def _unblock(mission: Mission, ask: Ask, args: op.Unblock) -> Judgement:
    if mission.status != "blocked":
        refuse(mission, "Only a blocked mission can be unblocked", "`missions status` shows where it stands.")
    if mission.activeRun is not None:
        refuse(mission, "The orchestrator is looking at the block", "Pause it first, or wait.")
    return Judgement(
        (
            ev.MissionUnblockManual(source=_source(ask), reason=args.reason, adopt=args.adopt),
            *_settled(mission, ask),
        )
    )


def _steer(mission: Mission, ask: Ask, args: op.Steer, child_runs: bool) -> Judgement:
    if not child_runs or mission.activeRun is None:
        refuse(
            mission, "No unit is running that could hear you", "Use retry with a note, or revise the plan."
        )
    return Judgement((), signal="steer")


def _decide(
    mission: Mission,
    ask: Ask,
    args: op.Decide,
    child_runs: bool,
    plan_of: Callable[[str], PlanDocument],
    defects_of: Callable[[str], list[dict[str, Any]]],
) -> Judgement:
    if args.decision is None and len(mission.decisions) > 1:
        raise MissionError(
            "ambiguous",
            "Several decisions are open.",
            "Name one: " + ", ".join(d.id for d in mission.decisions) + ".",
        )
    decision = (
        mission.decision(args.decision)
        if args.decision
        else (mission.decisions[0] if mission.decisions else None)
    )
    if decision is None and args.decision is None:
        raise MissionError(
            "not_found",
            f"No question is open in {mission.id}; it may already be answered.",
            "`missions status` shows how it stands.",
        )
    if decision is None:
        raise MissionError(
            "not_found",
            f"Decision {args.decision} is not open in {mission.id}; it may already be answered.",
            "`missions status` shows what is open.",
        )
    if decision.planVersion and decision.planVersion != mission.plan.version:
        raise MissionError(
            "conflict",
            "The plan changed since this question was asked.",
            "Look at the plan, then answer the new question.",
        )
    option = next((o for o in decision.options if args.answer in (o.id, o.label)), None)
    if option is None and not decision.freeText:
        raise MissionError(
            "bad_argument",
            f"{args.answer!r} is not one of the answers.",
            "Answers: " + ", ".join(f"{o.id} ({o.label})" for o in decision.options) + ".",
        )
    answered = ev.DecisionAnswered(
        decisionId=decision.id,
        answer=option.id if option else "text",
        text=args.text or (None if option else args.answer),
        by=ask.by,
    )
    if option is None or option.op is None:
        return Judgement((answered,))
    after = mission.model_copy(deep=True)
    after.decisions = [d for d in after.decisions if d.id != decision.id]
    follow = judge(
        after,
        Ask(option.op, dict(option.args), ask.by, ask.now),
        child_runs=child_runs,
        plan_of=plan_of,
        defects_of=defects_of,
    )
    return Judgement((answered, *follow.events), follow.blobs, follow.signal, follow.findings)


_WHAT_A_YES_DOES = {
    "run": "The mission starts now.",
    "resume": "The mission goes on now.",
    "cancel": "The current run ends now and the mission pauses.",
    "waive": "The defect counts as accepted from now on.",
}


def _confirmation(
    mission: Mission,
    ask: Ask,
    args: op.RequestConfirmation,
    child_runs: bool,
    plan_of: Callable[[str], PlanDocument],
    defects_of: Callable[[str], list[dict[str, Any]]],
) -> Judgement:
    """A question whose yes applies the operation. What would be refused then is refused now; asked twice, it stays one question."""
    target = Ask(args.op, args.args, ask.by, ask.now)
    judge(
        mission.model_copy(deep=True), target, child_runs=child_runs, plan_of=plan_of, defects_of=defects_of
    )
    if any(
        d.kind == "gate" and d.options[0].op == args.op and d.options[0].args == args.args
        for d in mission.decisions
    ):
        return Judgement(())
    decision = Decision(
        id=f"gate-{args.op}-{mission.lastSeq}",
        kind="gate",
        question=args.question,
        context="\n".join(args.details),
        options=(
            DecisionOption(
                id="yes",
                label="Yes",
                consequence=_WHAT_A_YES_DOES.get(args.op, f"The operation {args.op} is carried out now."),
                op=args.op,
                args=args.args,
            ),
            DecisionOption(id="no", label="No", consequence="Nothing happens."),
        ),
        planVersion=mission.plan.version,
        requestedAt=ask.now,
        blocking=False,
    )
    return Judgement((ev.DecisionRequested(decision=decision),))


def _budget(mission: Mission, ask: Ask, args: op.SetBudget) -> Judgement:
    now = mission.budget
    budget = BudgetState(
        usdMicro=round(args.usd * 1_000_000) if args.usd is not None else now.usdMicro,
        tokens=args.tokens if args.tokens is not None else now.tokens,
        wallMs=round(args.wallMinutes * 60_000) if args.wallMinutes is not None else now.wallMs,
        runs=args.runs if args.runs is not None else now.runs,
        unitUsdMicro=round(args.unitUsd * 1_000_000) if args.unitUsd is not None else now.unitUsdMicro,
        unitWallMs=round(args.unitMinutes * 60_000) if args.unitMinutes is not None else now.unitWallMs,
        unitTurns=args.unitTurns if args.unitTurns is not None else now.unitTurns,
    )
    answered = tuple(
        ev.DecisionAnswered(decisionId=d.id, answer="budget", by=ask.by)
        for d in mission.decisions
        if d.kind == "budget"
    )
    return Judgement((ev.BudgetChanged(budget=budget, reason=args.reason), *answered))


def _abandon(mission: Mission, args: op.Reason, child_runs: bool) -> Judgement:
    if mission.status in ("complete", "failed"):
        refuse(mission, "There is nothing to abandon", "`missions delete` removes its records.")
    ended = (
        (ev.RunInterrupted(runId=mission.activeRun.runId, reason="abandoned"),)
        if mission.activeRun and not child_runs
        else ()
    )
    return Judgement(
        (*ended, ev.MissionAbandoned(reason=args.reason)), signal="cancel" if child_runs else None
    )
