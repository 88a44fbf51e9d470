"""Ids that fit what was typed so far, with a title and a state beside them.

From the shared view and a mission; blocking where reports are read. It resolves nothing and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from missions.lsp.operations import CompleteKind, CompleteResult, Completion
from missions.model.contract import ROLES
from missions.model.mission import Mission
from missions.model.operations import OPERATIONS
from missions.model.plain_text import one_line
from missions.model.view import run_title
from missions.store.catalog import MissionSummary

if TYPE_CHECKING:
    from missions.lsp.session import Session

MOST = 100
"""Candidates in one answer."""


def candidates(session: Session, kind: CompleteKind, prefix: str, mission: Mission | None) -> CompleteResult:
    """Candidates whose id begins with ``prefix``, then those whose id or title holds it; best first."""
    wanted = prefix.casefold()
    found = list(_of_kind(session, kind, mission))
    first = [item for item in found if item.id.casefold().startswith(wanted)]
    known = {item.id for item in first}
    rest = [
        item
        for item in found
        if item.id not in known and (wanted in item.id.casefold() or wanted in item.label.casefold())
    ]
    return CompleteResult(items=[*first, *rest][:MOST])


def _of_kind(session: Session, kind: CompleteKind, mission: Mission | None) -> Iterator[Completion]:
    if kind == "mission":
        yield from _missions(session)
    elif kind == "role":
        for role in ROLES:
            yield Completion(id=role)
    elif kind == "model":
        from missions.agent.prices import PriceTable

        chosen = [choice.model for choice in session.settings().settings.models.values()]
        for name in dict.fromkeys([*chosen, *PriceTable.load().names()]):
            yield Completion(id=name)
    elif kind == "template":
        from missions.control.templates import templates

        for template in templates(session.store):
            yield Completion(
                id=template.name, label=one_line(template.title, 120), detail=one_line(template.about, 300)
            )
    elif kind == "operation":
        for operation in OPERATIONS:
            yield Completion(id=operation.name, label=operation.title, detail=operation.meaning)
    elif mission is not None:
        yield from _inside(session, kind, mission)


def _missions(session: Session) -> Iterator[Completion]:
    rows = [row for row in session.view.missions() if isinstance(row, MissionSummary)]
    rows.sort(key=lambda row: row.updatedAt, reverse=True)
    rows.sort(key=lambda row: (not session.is_here(row.cwd), row.status in ("complete", "failed")))
    for row in rows:
        yield Completion(id=row.id, label=one_line(row.title, 120), detail=row.status)


def _inside(session: Session, kind: CompleteKind, mission: Mission) -> Iterator[Completion]:
    if kind == "milestone":
        for milestone in mission.milestones:
            yield Completion(id=milestone.id, label=one_line(milestone.title, 120), detail=milestone.status)
    elif kind == "feature":
        for feature in mission.all_features():
            yield Completion(id=feature.id, label=one_line(feature.title, 120), detail=feature.status)
    elif kind == "run":
        for run in reversed(mission.runs):
            yield Completion(id=run.runId, label=run_title(mission, run), detail=run.outcome or run.status)
    elif kind == "decision":
        for decision in mission.decisions:
            yield Completion(id=decision.id, label=one_line(decision.question, 200), detail=decision.kind)
    elif kind == "assertion":
        yield from _assertions(session, mission)
    elif kind == "defect":
        yield from _defects(session, mission)


def _assertions(session: Session, mission: Mission) -> Iterator[Completion]:
    if not mission.plan.version:
        return
    from missions.store.blobs import plan_of

    plan = plan_of(session.store.mission(mission.id))(mission.plan.blob)
    for assertion in plan.validationContract.assertions:
        yield Completion(
            id=assertion.id, label=one_line(assertion.assertion, 120), detail=str(assertion.severity)
        )


def _defects(session: Session, mission: Mission) -> Iterator[Completion]:
    from missions.runner.applying import defects_of

    seen: set[str] = set()
    for run in reversed(mission.runs):
        if run.kind != "validator":
            continue
        for defect in defects_of(session.store.mission(mission.id), run.runId):
            if defect["id"] not in seen:
                seen.add(defect["id"])
                title = one_line(str(defect.get("title", "")), 120)
                yield Completion(id=defect["id"], label=title, detail=str(defect.get("severity", "")))
