"""Plans from outside: saving one as a mission, judging one, estimating one.

A plan is judged before anything is written; a refusal names every finding and leaves no trace. Planning in a
conversation is not here.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from missions.control.caller import Caller
from missions.control.queries import load
from missions.control.requests import Reply
from missions.model import events as ev
from missions.model.contract import PlanDocument
from missions.model.errors import MissionError
from missions.model.estimate import Estimate
from missions.model.ids import new_mission_id
from missions.model.lint import Finding, accepted_plan, lint_plan, lint_plan_text, refusal
from missions.store.blobs import plan_of
from missions.store.inbox import Request
from missions.store.mission_log import MissionLog

MAX_PLAN_FILE = 5_000_001
"""Bytes that are read of a plan file: one more than the rules allow, so that they can say so."""


def new_from_plan(caller: Caller, plan: object, cwd: Path, *, demo: bool = False, goal: str = "") -> Reply:
    """Save ``plan`` as a new mission of the repository that ``cwd`` lies in; ``plan_invalid`` lists every finding."""
    from missions.repo.repository import Repository
    from missions.runner.applying import apply_request

    document, findings = accepted_plan(plan)
    root = Repository.find(cwd).root.resolve()
    mission_id = new_mission_id(datetime.now(UTC), secrets.randbelow(36**6))
    created = ev.MissionCreated(
        title=document.title,
        cwd=str(root),
        goal=goal,
        demo=demo,
        by={"face": caller.face, "user": caller.user},
    )
    request = Request(
        op="write-plan",
        args={"plan": document.model_dump(mode="json", by_alias=True, exclude_none=True)},
        by=caller.by,
    )
    log = MissionLog.create(caller.store, mission_id, caller.owner, created)
    try:
        applied = apply_request(log, request, child_runs=False)
    except BaseException:
        # Without its plan the mission would be a trace of a refusal.
        log.destroy()
        raise
    log.release("planned")
    return Reply(
        "applied",
        mission_id,
        request.id,
        applied.seq,
        {"title": document.title, "cwd": str(root), "findings": [f.as_json() for f in findings]},
    )


def read_plan_file(path: Path) -> object:
    """The JSON of a plan file; ``plan_invalid`` if it is none, ``bad_argument`` if it cannot be read."""
    raw, findings = _parsed(_content(path))
    if findings:
        raise refusal(findings)
    return raw


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_PLAN_FILE)
    except OSError as error:
        raise MissionError(
            "bad_argument",
            f"The plan file {path} cannot be read: {error.strerror or error}.",
            "Name a file with a plan; `missions validate --schema` shows its form.",
        ) from None


def _parsed(content: bytes) -> tuple[object, list[Finding]]:
    from missions.model.lint_shape import parse

    return parse(content)


def plan_in_force(caller: Caller, mission_id: str) -> PlanDocument:
    """The accepted plan of a mission; ``not_found`` while it has none."""
    mission = load(caller, mission_id)
    if not mission.plan.version:
        raise MissionError("not_found", f"{mission_id} has no plan yet.", "Finish planning first.")
    return plan_of(caller.store.mission(mission_id))(mission.plan.blob)


def judged_file(path: Path) -> tuple[PlanDocument | None, list[Finding]]:
    """A plan file and everything that is wrong with it."""
    return lint_plan_text(_content(path))


def judged_mission(caller: Caller, mission_id: str) -> tuple[PlanDocument | None, list[Finding]]:
    """The accepted plan of a mission, judged by the rules of this version."""
    plan = plan_in_force(caller, mission_id)
    return lint_plan(plan.model_dump(mode="json", by_alias=True, exclude_none=True))


def estimate_of(caller: Caller, plan: PlanDocument, cwd: Path | None) -> Estimate:
    """What the whole plan is expected to take with the models that would be used."""
    from missions.agent.prices import PriceTable
    from missions.model.estimate import estimate_plan
    from missions.runner.starting import effective_models

    return estimate_plan(plan, effective_models(plan, caller.settings(cwd).settings), PriceTable.load())


def estimate_json(caller: Caller, mission_id: str) -> dict[str, Any]:
    """The estimate of a mission's whole plan, with what it took so far beside it."""
    from missions.agent.prices import PriceTable
    from missions.model.estimate import compare, estimate_plan
    from missions.runner.starting import effective_models

    mission, plan = load(caller, mission_id), plan_in_force(caller, mission_id)
    models = mission.models or effective_models(plan, caller.settings(Path(mission.cwd)).settings)
    estimate = estimate_plan(plan, models, PriceTable.load())
    actuals = [found.as_json() for found in compare(mission, estimate)] if mission.runs else []
    return {**estimate.as_json(), "mission": mission_id, "actual": actuals}
