"""Drafts of a plan: what the planner shows before it saves, with findings, readiness and estimate.

A draft is kept beside the chat until it is saved or replaced, so that what is saved is what was shown. It is no plan: nothing
of it is in force, and the journal does not know it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from missions.control.caller import Caller
from missions.control.planning import estimate_of
from missions.control.queries import load
from missions.model.contract import PlanDocument
from missions.model.errors import MissionError
from missions.model.lint import Finding, accepted_plan
from missions.model.mission import Mission
from missions.model.plain_text import one_line
from missions.model.plan_text import findings_text, plan_text
from missions.store.files import atomic_write, make_dir, read_bytes, unlink
from missions.store.layout import MissionDir

_MOST = 6_000_000


def draft(caller: Caller, mission_id: str, plan: object) -> str:
    """Judge ``plan``, keep it as the mission's draft and return it as the user shall read it; ``plan_invalid`` lists every error."""
    document, findings = accepted_plan(plan)
    directory = caller.store.mission(mission_id)
    make_dir(directory.chat, "chat")
    atomic_write(_place(directory), document.as_bytes(), "chat")
    return draft_text(caller, load(caller, mission_id), document, findings)


def kept(caller: Caller, mission_id: str) -> PlanDocument:
    """The mission's draft; ``not_found`` if there is none."""
    place = _place(caller.store.mission(mission_id))
    if not place.is_file():
        raise MissionError(
            "not_found", f"{mission_id} has no draft.", "The planner makes one in the chat: `missions chat`."
        )
    return PlanDocument.model_validate_json(read_bytes(place, _MOST))


def discard(caller: Caller, mission_id: str) -> None:
    """Forget the draft; it was saved."""
    unlink(_place(caller.store.mission(mission_id)), "chat")


def draft_text(caller: Caller, mission: Mission, plan: PlanDocument, findings: Sequence[Finding]) -> str:
    """A plan that is not saved, in the short form, with what speaks against it, what is missing and what it will take."""
    cwd = Path(mission.cwd)
    readiness = [*findings_text(findings), *_readiness(caller, mission, plan)]
    estimate = estimate_of(caller, plan, cwd)
    lines = [
        plan_text(plan, short=True),
        "## Readiness",
        "",
        *(readiness or ["- Nothing is missing."]),
        "",
        "## Estimate",
        "",
        f"- {estimate.sentence()}",
        *(f"- {over}" for over in estimate.over_budget),
        *(
            f"- The price of {one_line(model, 80)} is not known; a cautious one was taken."
            for model in estimate.uncertain_prices
        ),
    ]
    return "\n".join(lines) + "\n"


def _readiness(caller: Caller, mission: Mission, plan: PlanDocument) -> list[str]:
    """What a start would meet: problems, what is missing, and the yes it will need."""
    from missions.runner.starting import preflight

    cwd = Path(mission.cwd)
    look = preflight(mission, plan, cwd, caller.settings(cwd), environment=caller.variables())
    return [
        *(
            f"- problem: {one_line(found.message, 300)} {one_line(found.next_step, 300)}"
            for found in look.problems
        ),
        *(f"- missing: {one_line(what, 300)}" for what in look.inheritance.missing),
        *(
            f"- will ask: {one_line(gate.question, 200)} {one_line(', '.join(gate.details), 200)}".rstrip()
            for gate in look.gates
            if gate.id != "plan"
        ),
    ]


def _place(directory: MissionDir) -> Path:
    return directory.chat / "draft.json"
