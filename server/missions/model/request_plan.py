"""Judging requests that change the plan: write it, replace it, revise it by operations.

Part of ``requests.py``: nobody else imports this. A plan with an error is refused as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from missions.model import events as ev
from missions.model import operations as op
from missions.model.contract import PlanDocument
from missions.model.errors import MissionError
from missions.model.judgement import Ask, Judgement, blob_name, refuse
from missions.model.lint import Finding, errors_of, lint_plan, lint_revision, refusal
from missions.model.mission import Mission
from missions.model.revise import revise


def write_plan(
    mission: Mission, ask: Ask, args: op.WritePlan, plan_of: Callable[[str], PlanDocument]
) -> Judgement:
    plan, findings = lint_plan(args.plan)
    _no_errors(findings)
    assert plan is not None
    if args.baseVersion is not None and args.baseVersion != mission.plan.version:
        raise MissionError(
            "conflict",
            f"Version {mission.plan.version} of the plan is in force, not {args.baseVersion}.",
            "Read it again and repeat your change.",
        )
    return _save_plan(mission, ask, plan, args.reason, plan_of, (), findings)


def revise_plan(
    mission: Mission, ask: Ask, args: op.RevisePlan, plan_of: Callable[[str], PlanDocument]
) -> Judgement:
    if not mission.plan.version:
        refuse(mission, "There is no plan to revise", "Write one first.")
    if args.baseVersion is not None and args.baseVersion != mission.plan.version:
        raise MissionError(
            "conflict",
            f"Version {mission.plan.version} of the plan is in force, not {args.baseVersion}.",
            "Read it again and repeat your change.",
        )
    plan, repairs, findings = revise(plan_of(mission.plan.blob), list(args.operations))
    _no_errors(findings)
    return _save_plan(mission, ask, plan, args.reason, plan_of, tuple(repairs), findings)


def _save_plan(
    mission: Mission,
    ask: Ask,
    plan: PlanDocument,
    reason: str | None,
    plan_of: Callable[[str], PlanDocument],
    repairs: tuple[tuple[str, str, str], ...],
    findings: list[Finding],
) -> Judgement:
    by = ask.by.get("role") or ask.by.get("face") or "user"
    content = plan.as_bytes()
    blob = blob_name(content)
    if blob == mission.plan.blob:
        return Judgement((), findings=tuple(findings))
    kind: type[ev.PlanEvent] = ev.InteractivePlanWritten
    if mission.plan.version:
        kind = ev.InteractivePlanRevised
        if mission.executionStartedAt:
            late = lint_revision(
                mission, plan_of(mission.plan.blob), plan, "orchestrator" if by == "orchestrator" else "user"
            )
            _no_errors(late)
            findings = [*findings, *late]
    version = mission.plan.version + 1
    saved = kind(
        title=plan.title,
        features=len(plan.features()),
        planVersion=version,
        blob=blob,
        by=by,
        reason=reason,
        baseVersion=mission.plan.version or None,
    )
    provenance = tuple(
        ev.RepairFeatureAdded(
            featureId=feature_id,
            milestoneId=next(m.id for m, f in plan.features() if f.id == feature_id),
            runId=run_id,
            defectId=defect_id,
            planVersion=version,
        )
        for feature_id, run_id, defect_id in repairs
    )
    return Judgement((saved, *provenance), (content,), findings=tuple(findings))


def _no_errors(findings: list[Finding]) -> None:
    if errors_of(findings):
        raise refusal(findings)


def comment(
    mission: Mission, ask: Ask, args: op.Comment, plan_of: Callable[[str], PlanDocument]
) -> Judgement:
    """A remark on the plan; only a plan that is not finished can be remarked on, and only where it has something."""
    if mission.status in ("complete", "failed"):
        refuse(mission, "The plan is closed", "Revise the plan to take the mission up again.")
    if args.path != "/":
        _place(mission, args.path, plan_of)
    comment_id = f"c{mission.lastSeq + 1}"
    event = ev.PlanCommentAdded(
        commentId=comment_id, path=args.path, text=args.text, by=ask.by, planVersion=mission.plan.version
    )
    return Judgement((event,))


def _place(mission: Mission, path: str, plan_of: Callable[[str], PlanDocument]) -> None:
    """Refuse a place that the plan does not have."""
    plan = plan_of(mission.plan.blob) if mission.plan.version else None
    ids = (
        [
            *(m.id for m in plan.milestones),
            *(f.id for _, f in plan.features()),
            *(a.id for a in plan.validationContract.assertions),
        ]
        if plan
        else []
    )
    if path in ids or (plan is not None and path.startswith("/") and _points(plan, path)):
        return
    known = ", ".join(ids[:40]) + (" and more" if len(ids) > 40 else "")
    raise MissionError(
        "not_found",
        f"The plan of {mission.id} has nothing at {path!r}." if plan else f"{mission.id} has no plan yet.",
        f"Name one of {known}, a JSON pointer into the plan, or / for the whole." if plan else "Use / now.",
    )


def _points(plan: PlanDocument, path: str) -> bool:
    """Whether a JSON pointer leads somewhere in the plan."""
    here: object = plan.model_dump(mode="json", by_alias=True)
    for step in path[1:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(here, dict) and name in here:
            here = cast("dict[str, object]", here)[name]
        elif isinstance(here, list) and name.isdecimal() and int(name) < len(cast("list[object]", here)):
            here = cast("list[object]", here)[int(name)]
        else:
            return False
    return True


def answer_comment(mission: Mission, ask: Ask, args: op.AnswerComment) -> Judgement:
    """What became of a remark."""
    if all(c.id != args.comment for c in mission.comments):
        listed = ", ".join(c.id for c in mission.comments) or "none"
        raise MissionError(
            "not_found", f"There is no open comment {args.comment!r}.", f"Open comments: {listed}."
        )
    return Judgement(
        (
            ev.PlanCommentAnswered(
                commentId=args.comment, answer=args.answer, by=ask.by, planVersion=mission.plan.version
            ),
        )
    )
