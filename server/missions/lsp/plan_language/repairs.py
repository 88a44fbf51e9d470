"""Two commands that change a plan: turning a defect into a repair feature, and applying edited plan files.

Both become ordinary requests (`revise-plan`, `write-plan`), judged like everybody's; nothing is written here.
"""

from __future__ import annotations

import asyncio
import itertools
from functools import partial
from typing import TYPE_CHECKING, Any

from missions.control.proposals import Proposal, proposal_of
from missions.lsp.confirmations import ask, declined
from missions.lsp.plan_language.stops import StandingDefect, standing_defects
from missions.lsp.withdrawing import withdrawable
from missions.model.errors import MissionError
from missions.model.lint import accepted_plan, lint_revision
from missions.model.mission import Mission
from missions.model.plain_text import many_lines, one_line
from missions.model.plan_diff import plan_diff
from missions.model.reports import Defect
from missions.store.blobs import plan_of

if TYPE_CHECKING:
    from missions.control.requests import Reply
    from missions.lsp.session import Session

_SHOWN_CHANGES = 12


async def repair(session: Session, mission_id: str, defect_id: str, run_id: str | None = None) -> Reply:
    """Add a feature that repairs a defect of a failed validation, with its provenance."""
    mission, standing = await asyncio.to_thread(_find, session, mission_id, defect_id, run_id)
    if standing.repair is not None:
        raise MissionError(
            "wrong_state",
            f"Feature {standing.repair.id} is already to repair {defect_id}.",
            "Resume the mission, or retry that feature.",
        )
    operation = repair_operation(mission, standing)
    arguments = {
        "reason": f"Repair {one_line(defect_id, 40)} of run {standing.run.runId}.",
        "operations": [operation],
        "baseVersion": mission.plan.version,
    }
    return await withdrawable(partial(session.control.request, "revise-plan", mission_id, arguments))


def _find(
    session: Session, mission_id: str, defect_id: str, run_id: str | None
) -> tuple[Mission, StandingDefect]:
    mission = session.control.mission(mission_id)
    directory = session.store.mission(mission_id)
    for standing in standing_defects(directory, mission):
        if standing.defect.id == defect_id and run_id in (None, standing.run.runId):
            return mission, standing
    raise MissionError(
        "not_found",
        f"{mission_id} has no open defect {one_line(defect_id, 40)}.",
        "`missions show <id> defects` lists the defects; repaired and waived ones are settled.",
    )


def repair_operation(mission: Mission, standing: StandingDefect) -> dict[str, Any]:
    """The operation of a revision that adds the repair feature at the end of the milestone that failed."""
    taken = {feature.id.casefold() for feature in mission.all_features()}
    taken |= {milestone.id.casefold() for milestone in mission.milestones}
    return {
        "op": "add_feature",
        "milestoneId": standing.milestone.id,
        "feature": {
            "id": _free_id(standing.milestone.id, standing.defect.id, taken),
            "title": one_line(f"Repair: {standing.defect.title}", 100),
            "description": _description(standing.defect),
            "dependencies": [],
            "claims": [],
        },
        "repairs": {"runId": standing.run.runId, "defectId": standing.defect.id},
    }


def _free_id(milestone_id: str, defect_id: str, taken: set[str]) -> str:
    clean = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in defect_id)
    for number in itertools.count(1):
        tail = f"-{number}" if number > 1 else ""
        found = f"repair-{milestone_id}-{clean}"[: 40 - len(tail)] + tail
        if found.casefold() not in taken:
            return found
    raise AssertionError


def _description(defect: Defect) -> str:
    parts = [
        f"A validation found this defect ({defect.severity}): {one_line(defect.title, 200)}",
        many_lines(defect.description, 3000),
        f"Reproduce it first:\n{many_lines(defect.reproduction, 1500)}",
    ]
    places = [f"{one_line(place.path, 200)}:{place.startLine}" for place in (defect.locations or ())[:20]]
    if places:
        parts.append("Places: " + ", ".join(places))
    if defect.suggestedFix:
        parts.append(f"Suggested: {many_lines(defect.suggestedFix, 1500)}")
    parts.append(
        "Repair its cause, add a test that fails without the repair, and keep everything else as it is."
    )
    return "\n\n".join(parts)


async def apply_plan(session: Session, mission_id: str, reason: str = "") -> Reply:
    """Apply the edited plan files as a revision, after showing what changes while the mission has begun."""
    mission, proposal = await asyncio.to_thread(_proposal, session, mission_id)
    assert proposal.raw is not None
    changes = await asyncio.to_thread(_changes, session, mission, proposal.raw)
    if mission.executionStartedAt:
        await _confirm(session, mission, changes)
    arguments: dict[str, Any] = {
        "plan": proposal.raw,
        "reason": reason or f"Edited {', '.join(proposal.edited)}.",
        "baseVersion": mission.plan.version,
    }
    return await withdrawable(partial(session.control.request, "write-plan", mission_id, arguments))


def _proposal(session: Session, mission_id: str) -> tuple[Mission, Proposal]:
    mission = session.control.mission(mission_id)
    proposal = proposal_of(session.store.mission(mission_id), mission)
    if proposal is None or not proposal.edited:
        raise MissionError(
            "wrong_state", "No plan file differs from the accepted plan.", "Edit and save one first."
        )
    if proposal.broken:
        raise MissionError(
            "plan_invalid",
            f"{', '.join(proposal.broken)} cannot be read as JSON.",
            "Mend the file; its problems are shown in it.",
            findings=[],
        )
    return mission, proposal


def _changes(session: Session, mission: Mission, raw: dict[str, Any]) -> list[str]:
    """What would change, one line each; refuses at once what would be refused later."""
    plan, _ = accepted_plan(raw)
    accepted = plan_of(session.store.mission(mission.id))(mission.plan.blob)
    if mission.executionStartedAt:
        errors = [f for f in lint_revision(mission, accepted, plan, "user") if f.severity == "error"]
        if errors:
            raise MissionError(
                "plan_invalid",
                f"The plan cannot be revised so: {errors[0].message}",
                errors[0].fix,
                findings=[f.as_json() for f in errors],
            )
    return plan_diff(accepted, plan)


async def _confirm(session: Session, mission: Mission, changes: list[str]) -> None:
    shown = changes[:_SHOWN_CHANGES]
    more = f"\n… and {len(changes) - len(shown)} more" if len(changes) > len(shown) else ""
    question = f"Revise the plan of “{one_line(mission.title, 60)}”?\n" + "\n".join(shown) + more
    answer = await ask(session, question, "Revise")
    # A client that cannot ask has run the command by name; that is its user's word, and work only changes when resumed.
    if answer not in ("yes", "cannot"):
        raise declined(answer)
