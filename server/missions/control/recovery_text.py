"""What the orchestrator chose about a block, as a document: the outcome, why, what it changed, what it asks.

Read from the journal. It shows; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from missions.control.revisions import revisions
from missions.model import events as ev
from missions.model.markdown_text import inline, lines
from missions.model.mission import Mission, Run
from missions.model.recovery import OUTCOMES
from missions.store.journal import events_of
from missions.store.layout import MissionDir
from missions.store.records import Record

_TOLD = (
    ev.RecoveryDispatched,
    ev.RecoveryOutcomeChosen,
    ev.RecoveryFailed,
    ev.InteractivePlanRevised,
    ev.DecisionRequested,
)
_Told = Sequence[tuple[Record, ev.Event]]
_MEANING = {option.outcome: option.description for option in OUTCOMES}


def outcome_text(directory: MissionDir, mission: Mission, run: Run) -> str:
    """The outcome of one recovery run. Raises ``store_corrupt``."""
    about = mission.run(run.itemId)
    head = [f"- About: {inline(about.runId)}"] if about is not None else []
    head += [f"- Recovery: {inline(run.runId)}, attempt {run.attempt}"]
    told = list(events_of(directory, *_TOLD))
    failed: ev.RecoveryFailed | None = None
    for record, event in told:
        if isinstance(event, ev.RecoveryOutcomeChosen) and event.runId == run.runId:
            title = f"# Outcome: {event.chosen}"
            parts = [title, "", *head, f"- Chosen: {record.ts}", "", _MEANING.get(event.chosen, ""), ""]
            parts += ["## Why", "", lines(event.reason or "No reason was given."), ""]
            parts += _changed(directory, told, run, record.seq)
            parts += _asked(told, run)
            return "\n".join(parts).rstrip() + "\n"
        if isinstance(event, ev.RecoveryFailed) and event.runId == run.runId:
            failed = failed or event
    why = "It is not chosen yet." if failed is None else failed.error or "It ended without a choice."
    return "\n".join(["# Outcome: none", "", *head, "", lines(why), ""])


def _changed(directory: MissionDir, told: _Told, run: Run, end: int) -> Iterator[str]:
    """The versions of the plan that were written while this recovery was at work; ``end`` is the number of its last record."""
    starts = (
        r.seq for r, event in told if isinstance(event, ev.RecoveryDispatched) and event.runId == run.runId
    )
    began = next(starts, 0)
    written = {
        event.planVersion
        for record, event in told
        if isinstance(event, ev.InteractivePlanRevised)
        and began < record.seq < end
        and event.by == "orchestrator"
    }
    for one in revisions(directory) if written else []:
        if one.version in written:
            yield f"## Plan version {one.version}"
            yield ""
            yield from (f"    {change}" for change in one.changes)
            yield ""


def _asked(told: _Told, run: Run) -> Iterator[str]:
    for _, event in told:
        if isinstance(event, ev.DecisionRequested) and event.decision.runId == run.runId:
            yield "## The question"
            yield ""
            yield lines(event.decision.question)
            yield ""
