"""What a mission left, as documents: plan, reports, handoffs, packets, transcripts, events.

Read-only and bounded: long files are shown from their end. Everything that models or repositories wrote is cleaned
before it is shown as text; the JSON is as it was written.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from missions.control import queries
from missions.control.caller import Caller
from missions.control.planning import plan_in_force
from missions.control.transcript_text import transcript_text
from missions.model.errors import MissionError
from missions.model.mission import Mission, Run
from missions.model.plain_text import many_lines, one_line
from missions.model.plan_text import plan_text
from missions.model.view import run_title
from missions.store.layout import MissionDir
from missions.store.transcript import TranscriptReader

LINES = 500
"""Lines of a transcript or of the journal that are shown unless more are asked for."""
_MOST = 2_000_000
"""Characters of one document."""


@dataclass(frozen=True)
class Document:
    """One artifact. ``text`` is safe for a terminal; ``data`` is its JSON where it has one."""

    title: str
    media: str
    """``text/markdown``, ``text/plain`` or ``application/json``."""
    text: str
    data: Any = None

    def as_json(self) -> dict[str, Any]:
        found = {"title": self.title, "mediaType": self.media, "text": self.text}
        return found if self.data is None else {**found, "json": self.data}


def show(
    caller: Caller, mission_id: str, artifact: str, run: str | None = None, *, lines: int = LINES
) -> Document:
    """The artifact ``artifact`` of a mission; ``run`` is a run id, or a feature or milestone whose latest run is meant."""
    drawer = _ARTIFACTS.get(artifact)
    if drawer is None:
        raise MissionError(
            "bad_argument",
            f"There is no artifact {one_line(artifact, 60)!r}.",
            "Artifacts: " + ", ".join(_ARTIFACTS) + ".",
        )
    mission = queries.load(caller, mission_id)
    return drawer(_Desk(caller, mission, caller.store.mission(mission_id), run, lines))


@dataclass(frozen=True)
class _Desk:
    """What the drawers work with."""

    caller: Caller
    mission: Mission
    directory: MissionDir
    named: str | None
    lines: int

    def run(self, *kinds: str) -> Run:
        """The run that is meant among runs of these kinds: the one named, the named item's latest, else the latest."""
        fitting = [r for r in self.mission.runs if not kinds or r.kind in kinds]
        if self.named is not None:
            fitting = [r for r in fitting if self.named in (r.runId, r.itemId)]
        if not fitting:
            about = f" of {one_line(self.named, 60)}" if self.named else ""
            what = " or ".join(kinds) + " " if kinds else ""
            raise MissionError(
                "not_found",
                f"{self.mission.id} has no {what}run{about}.",
                f"`missions show {self.mission.id} runs` lists them.",
            )
        return fitting[-1]


def _file(path: Path, what: str) -> str:
    try:
        with path.open("rb") as source:
            return many_lines(source.read(_MOST * 2).decode("utf-8", "replace"), _MOST)
    except OSError:
        raise MissionError(
            "not_found", f"There is no {what} (yet).", "`missions status` shows how far it is."
        ) from None


def _json_file(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _pretty(value: Any) -> str:
    return many_lines(json.dumps(value, indent=2, ensure_ascii=False), _MOST) + "\n"


def _status(desk: _Desk) -> Document:
    data = queries.status_json(desk.caller, desk.mission.id)
    return Document("Status", "text/plain", queries.status(desk.caller, desk.mission.id), data)


def _plan(desk: _Desk) -> Document:
    plan = plan_in_force(desk.caller, desk.mission.id)
    data = plan.model_dump(mode="json", by_alias=True, exclude_none=True)
    title = f"Plan, version {desk.mission.plan.version}"
    return Document(title, "text/markdown", plan_text(plan), data)


def _draft(desk: _Desk) -> Document:
    from missions.control import drafts
    from missions.model.lint import lint_plan

    plan = drafts.kept(desk.caller, desk.mission.id)
    data = plan.model_dump(mode="json", by_alias=True, exclude_none=True)
    text = drafts.draft_text(desk.caller, desk.mission, plan, lint_plan(data)[1])
    return Document("Draft of a plan; nothing of it is saved", "text/markdown", text, data)


def _history(desk: _Desk) -> Document:
    from missions.control.revisions import revisions

    found = revisions(desk.directory)
    lines: list[str] = []
    for one in found:
        why = f": {one_line(one.reason, 300)}" if one.reason else ""
        lines += [f"Version {one.version}, {one.at}, by {one_line(one.by, 60) or 'nobody named'}{why}"]
        lines += [f"  {change}" for change in one.changes]
    text = "\n".join(lines or ["There is no plan yet."]) + "\n"
    return Document("History of the plan", "text/plain", text, [one.as_json() for one in found])


def _comments(desk: _Desk) -> Document:
    from missions.control.revisions import remarks

    found = remarks(desk.caller, desk.mission.id)
    lines: list[str] = []
    for one in found:
        who = one_line(one.by, 60)
        lines.append(f"{one.id} at {one_line(one.path, 100)}" + (f", by {who}" if who else ""))
        lines += [f"  {line}" for line in many_lines(one.text, 4000).splitlines()]
        answer = f"Answered: {one_line(one.answer, 4000)}" if one.answer is not None else "Not answered yet."
        lines.append(f"  {answer}")
    text = "\n".join(lines or ["There are no comments on the plan."]) + "\n"
    return Document("Comments on the plan", "text/plain", text, [one.as_json() for one in found])


def _objective(desk: _Desk) -> Document:
    return Document("Objective", "text/markdown", _file(desk.directory.plan / "objective.md", "objective"))


def _contract(desk: _Desk) -> Document:
    plan = plan_in_force(desk.caller, desk.mission.id)
    return Document(
        "Validation contract",
        "text/markdown",
        _file(desk.directory.plan / "validation-contract.md", "contract"),
        plan.validationContract.model_dump(mode="json"),
    )


def _report(desk: _Desk) -> Document:
    return Document("Report", "text/markdown", _file(desk.directory.report, "report"))


def _handoff(desk: _Desk) -> Document:
    run = desk.run("worker")
    place = desk.directory.run(run.runId)
    text = _file(place.handoff_text, f"handoff of run {run.runId}")
    return Document(
        f"Handoff of {run_title(desk.mission, run)}", "text/markdown", text, _json_file(place.handoff)
    )


def _validation(desk: _Desk) -> Document:
    run = desk.run("validator")
    path = desk.directory.run(run.runId).report(run.validatorMode or "scrutiny")
    text = _file(path.with_suffix(".md"), f"report of run {run.runId}")
    return Document(f"Report of {run_title(desk.mission, run)}", "text/markdown", text, _json_file(path))


def _packet(desk: _Desk) -> Document:
    try:
        packets = sorted(desk.directory.packets.glob("*.md"))
    except OSError:
        packets = []
    if desk.named is not None:
        packets = [path for path in packets if desk.named in path.name]
    if not packets:
        raise MissionError(
            "not_found",
            f"{desk.mission.id} has no recovery packet.",
            "Packets are written when a mission blocks.",
        )
    path = packets[-1]
    return Document(
        "Recovery packet", "text/markdown", _file(path, "packet"), _json_file(path.with_suffix(".json"))
    )


def _outcome(desk: _Desk) -> Document:
    from missions.control.recovery_text import outcome_text

    run = desk.run("recovery")
    return Document("Outcome of a recovery", "text/markdown", outcome_text(desk.directory, desk.mission, run))


def _transcript(desk: _Desk) -> Document:
    run = desk.run()
    records = TranscriptReader(desk.directory.run(run.runId).transcript).tail(desk.lines)
    if not records:
        raise MissionError(
            "not_found", f"Run {run.runId} has no transcript (yet).", "Wait for its first turn."
        )
    title = f"Transcript of {run_title(desk.mission, run)}"
    return Document(title, "text/plain", transcript_text(records), records)


def _events(desk: _Desk) -> Document:
    records = TranscriptReader(desk.directory.journal).tail(desk.lines)
    rows = [
        f"{r.get('seq', ''):>5} {r.get('ts', '')} {r.get('type', '')} {one_line(json.dumps(r.get('data', {}), ensure_ascii=False), 160)}"
        for r in records
    ]
    return Document("Events", "text/plain", "\n".join(rows) + "\n", records)


def _defects(desk: _Desk) -> Document:
    from missions.runner.applying import defects_of

    waived = {(w.runId, w.defectId) for m in desk.mission.milestones for w in m.validationState.waived}
    repaired = {
        (f.origin.runId, f.origin.defectId): f.id
        for f in desk.mission.all_features()
        if f.origin.kind == "repair"
    }
    data: list[dict[str, Any]] = []
    for run in desk.mission.runs:
        if run.kind != "validator":
            continue
        for defect in defects_of(desk.directory, run.runId):
            key = (run.runId, str(defect.get("id")))
            data.append(
                {
                    **defect,
                    "runId": run.runId,
                    "milestoneId": run.milestoneId,
                    "waived": key in waived,
                    "repairedBy": repaired.get(key),
                }
            )
    lines = [
        f"{d['id']} ({d.get('severity', '')}) {one_line(str(d.get('title', '')), 100)} — run {d['runId']}"
        + (" — waived" if d["waived"] else f" — repaired by {d['repairedBy']}" if d["repairedBy"] else "")
        for d in data
    ]
    return Document("Defects", "text/plain", "\n".join(lines or ["No defects were reported."]) + "\n", data)


def _decisions(desk: _Desk) -> Document:
    from missions.control.decisions import settled

    lines: list[str] = []
    for decision in desk.mission.decisions:
        lines.append(f"{one_line(decision.id, 80)}: {one_line(decision.question, 400)}")
        lines += [f"  {line}" for line in many_lines(decision.context, 4000).splitlines()]
        lines += [
            f"  {one_line(option.id, 40)}: {one_line(option.label, 120)} — {one_line(option.consequence, 300)}"
            for option in decision.options
        ]
        if decision.freeText:
            lines.append("  or an answer in your own words")
    if not lines:
        lines.append("No question is open.")
    answered = settled(desk.caller, desk.mission.id)
    if answered:
        lines += ["", "Answered before"]
        lines += [f"{one_line(a.id, 80)}: {one_line(a.question, 200)} — {a.sentence()}" for a in answered]
    data = [decision.model_dump(mode="json", exclude_none=True) for decision in desk.mission.decisions]
    data += [one.as_json() for one in answered]
    return Document("Decisions", "text/plain", "\n".join(lines) + "\n", data)


def _runs(desk: _Desk) -> Document:
    from missions.model.figures import duration_text, money_text, tokens_text

    lines = [
        f"{run.runId}  {run.status:<12} {one_line(run_title(desk.mission, run), 70)}  "
        f"{duration_text(run.durationMs)}, {tokens_text(run.usage.total_tokens)} tokens, "
        f"{money_text(run.usage.costMicroUsd, run.usage.estimated)}"
        for run in desk.mission.runs
    ]
    data = [run.model_dump(mode="json") for run in desk.mission.runs]
    return Document("Runs", "text/plain", "\n".join(lines or ["No run was made."]) + "\n", data)


def _settings(desk: _Desk) -> Document:
    data = {
        "settings": desk.mission.settings,
        "models": {role: choice.model_dump(mode="json") for role, choice in desk.mission.models.items()},
        "budget": desk.mission.budget.model_dump(mode="json"),
        "workspace": desk.mission.workspace.model_dump(mode="json"),
    }
    return Document("Settings of this mission", "application/json", _pretty(data), data)


_ARTIFACTS: dict[str, Callable[[_Desk], Document]] = {
    "status": _status,
    "plan": _plan,
    "draft": _draft,
    "history": _history,
    "comments": _comments,
    "objective": _objective,
    "contract": _contract,
    "report": _report,
    "handoff": _handoff,
    "validation": _validation,
    "packet": _packet,
    "outcome": _outcome,
    "transcript": _transcript,
    "events": _events,
    "defects": _defects,
    "decisions": _decisions,
    "runs": _runs,
    "settings": _settings,
}
ARTIFACTS: tuple[str, ...] = tuple(_ARTIFACTS)
"""Names that :func:`show` takes."""
