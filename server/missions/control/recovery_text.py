"""What the orchestrator chose about a block, as a document: the outcome, why, what it changed, what it asks.

Read from the journal. It shows; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from missions.control.revisions import revisions
from missions.model import events as ev
from missions.model.markdown_text import inline, lines
from missions.model.mission import Mission, Run
from missions.model.recovery import OUTCOMES
from missions.store.journal import JournalReader
from missions.store.layout import MissionDir
from missions.store.records import Record

_MEANING = {option.outcome: option.description for option in OUTCOMES}


def outcome_text(directory: MissionDir, mission: Mission, run: Run) -> str:
    """The outcome of one recovery run."""
    records = JournalReader(directory).read_new()
    began = next((r.seq for r in records if _is(r, ev.RecoveryDispatched, run)), 0)
    chosen = next((r for r in records if _is(r, ev.RecoveryOutcomeChosen, run)), None)
    failed = next((r for r in records if _is(r, ev.RecoveryFailed, run)), None)
    about = mission.run(run.itemId)
    head = [f"# Outcome: {chosen.data['chosen'] if chosen else 'none'}", ""]
    if about is not None:
        head += [f"- About: {inline(about.runId)}"]
    head += [f"- Recovery: {inline(run.runId)}, attempt {run.attempt}"]
    if chosen is None:
        why = (
            str(failed.data.get("error") or "It ended without a choice.")
            if failed
            else "It is not chosen yet."
        )
        return "\n".join([*head, "", lines(why), ""])
    end = chosen.seq
    parts = [*head, f"- Chosen: {chosen.ts}", "", _MEANING.get(str(chosen.data["chosen"]), ""), ""]
    parts += ["## Why", "", lines(str(chosen.data.get("reason") or "No reason was given.")), ""]
    parts += _changed(directory, records, began, end)
    parts += _asked(records, run)
    return "\n".join(parts).rstrip() + "\n"


def _is(record: Record, kind: type[ev.Event], run: Run) -> bool:
    return record.type == kind.type and record.data.get("runId") == run.runId


def _changed(directory: MissionDir, records: list[Record], began: int, end: int) -> Iterator[str]:
    """The versions of the plan that were written while this recovery was at work."""
    written = {
        int(r.data["planVersion"])
        for r in records
        if r.type == ev.InteractivePlanRevised.type
        and began < r.seq < end
        and r.data.get("by") == "orchestrator"
    }
    for one in revisions(directory) if written else []:
        if one.version in written:
            yield f"## Plan version {one.version}"
            yield ""
            yield from (f"    {change}" for change in one.changes)
            yield ""


def _asked(records: list[Record], run: Run) -> Iterator[str]:
    for record in records:
        decision = record.data.get("decision") if record.type == ev.DecisionRequested.type else None
        if isinstance(decision, dict) and decision.get("runId") == run.runId:  # pyright: ignore[reportUnknownMemberType]
            yield "## The question"
            yield ""
            yield lines(str(decision.get("question", "")))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
            yield ""
