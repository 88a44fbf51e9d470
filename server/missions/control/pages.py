"""The read-only pages of missions by their names: what an editor opens as a `missions:` document.

Gathers what a page needs (state, artifacts, transcript, diff) and lets ``model/pages.py`` and its neighbours write it.
Reads only, within bounds; takes no lock. Names come from clients and are checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from missions.control.caller import Caller
from missions.control.queries import alive, load, overview_of
from missions.model.documents import handoff_markdown, report_markdown
from missions.model.errors import MissionError
from missions.model.ids import check_mission_id, check_run_id
from missions.model.markdown_text import code, code_block, inline
from missions.model.mission import Mission, Run
from missions.model.pages import blocks_page, mission_page, overview_page, rules_page, run_facts
from missions.model.plain_text import many_lines, one_line
from missions.model.transcript_page import transcript_page
from missions.model.view import run_title
from missions.store.layout import MissionDir
from missions.store.transcript import TranscriptReader

RECORDS = 1500
"""Lines of a transcript on its page, from the end."""
_COMMANDS = 300
_DIFF = 120_000
_FILE = 2_000_000


def control_name(mission_id: str | None = None) -> str:
    """The name of Mission Control's page, or of one mission's."""
    return f"{mission_id}/control.md" if mission_id else "control.md"


def review_name(mission_id: str, run_id: str) -> str:
    """The name of the page that reviews a run."""
    return f"{mission_id}/runs/{run_id}/review.md"


def transcript_name(mission_id: str, run_id: str) -> str:
    """The name of the page with the transcript of a run."""
    return f"{mission_id}/runs/{run_id}/transcript.md"


def report_name(mission_id: str) -> str:
    """The name of the page with the final report."""
    return f"{mission_id}/report.md"


def page(caller: Caller, name: str) -> str:
    """The Markdown of a page; ``not_found`` for one that there is not, ``bad_argument`` for no name of a page."""
    match [part for part in name.split("/") if part]:
        case ["control.md"]:
            return overview_page(overview_of(caller), _now())
        case ["help", "blocks.md"]:
            return blocks_page()
        case ["help", "rules.md"]:
            return rules_page()
        case [mission_id, "control.md"]:
            return _control(caller, check_mission_id(mission_id))
        case [mission_id, "report.md"]:
            return _report(caller.store.mission(check_mission_id(mission_id)))
        case [mission_id, "runs", run_id, "review.md"]:
            return _review(*_run(caller, mission_id, run_id))
        case [mission_id, "runs", run_id, "transcript.md"]:
            return _transcript(*_run(caller, mission_id, run_id))
        case _:
            raise MissionError(
                "not_found",
                f"There is no document “{one_line(name, 120)}”.",
                "Documents: control.md, <id>/control.md, <id>/report.md, <id>/runs/<run>/review.md, "
                "<id>/runs/<run>/transcript.md.",
            )


def _now() -> datetime:
    return datetime.now(UTC)


def _run(caller: Caller, mission_id: str, run_id: str) -> tuple[MissionDir, Mission, Run]:
    mission = load(caller, check_mission_id(mission_id))
    run = mission.run(check_run_id(run_id))
    if run is None:
        raise MissionError(
            "not_found",
            f"{mission.id} has no run {run_id}.",
            f"{control_name(mission.id)} lists the runs.",
        )
    return caller.store.mission(mission.id), mission, run


def _control(caller: Caller, mission_id: str) -> str:
    mission = load(caller, mission_id)
    has_report = caller.store.mission(mission_id).report.is_file()
    return mission_page(mission, _now(), alive(caller, mission_id), has_report=has_report)


def _report(directory: MissionDir) -> str:
    text = _text(directory.report)
    if text is None:
        raise MissionError(
            "not_found",
            f"{directory.id} has no report (yet).",
            "It is written when the mission is complete.",
        )
    return text


def _transcript(directory: MissionDir, mission: Mission, run: Run) -> str:
    records = TranscriptReader(directory.run(run.runId).transcript).tail(RECORDS)
    title = f"Transcript of {run_title(mission, run)}, attempt {run.attempt}"
    return transcript_page(title, records, cut=len(records) >= RECORDS)


def _review(directory: MissionDir, mission: Mission, run: Run) -> str:
    parts = [f"# {inline(run_title(mission, run))}, attempt {run.attempt}", "", *run_facts(mission, run), ""]
    parts += [
        f"[Mission](../../control.md) · [Transcript](transcript.md){_about(mission, run)}",
        "",
        *_left(directory, mission, run),
        *_really_ran(directory, run),
        *_diff(directory, mission, run),
    ]
    return "\n".join(parts).strip() + "\n"


def _about(mission: Mission, run: Run) -> str:
    if run.kind == "recovery" and mission.run(run.itemId) is not None:
        return f" · [the run that it is about](../{run.itemId}/review.md)"
    return ""


def _left(directory: MissionDir, mission: Mission, run: Run) -> Iterator[str]:
    """The handoff or report, one heading lower than as a document of its own."""
    from missions.control.recovery_text import outcome_text
    from missions.runner.applying import read_report
    from missions.runner.handoffs import read_handoff

    text: str | None = None
    if run.kind == "recovery":
        text = outcome_text(directory, mission, run)
    elif run.kind == "validator":
        report = read_report(directory, run.runId)
        text = report_markdown(report, "Report") if report is not None else None
    elif run.kind == "worker":
        handoff = read_handoff(directory, run.runId)
        feature = mission.feature(run.itemId)
        title = feature.title if feature else ""
        changes = "#changes" if _has_changes(run) else None
        text = handoff_markdown(handoff, title, changes) if handoff is not None else None
    if text is None:
        what = {"worker": "handoff", "validator": "report"}.get(run.kind)
        if what is not None:
            yield "It is still at work." if run.status == "running" else f"It left no valid {what}."
            yield ""
        return
    inside = False
    for line in text.splitlines():
        inside ^= line.startswith("```")
        yield f"#{line}" if line.startswith("#") and not inside else line
    yield ""


def _really_ran(directory: MissionDir, run: Run) -> Iterator[str]:
    """The commands as the engine saw them, whatever the handoff claims."""
    entries: list[dict[str, Any]] = []
    for record in TranscriptReader(directory.run(run.runId).transcript).tail(20_000):
        meta = record.get("meta")
        if record.get("type") == "tool_end" and isinstance(meta, dict):
            command = cast("dict[str, Any]", meta).get("command")
            if isinstance(command, dict):
                entries.append(cast("dict[str, Any]", command))
    if not entries:
        return
    yield "## Commands that really ran"
    yield ""
    if len(entries) > _COMMANDS:
        yield f"The last {_COMMANDS} of {len(entries)}."
        yield ""
    yield "| Run | Command | Exit code |"
    yield "|---:|---|---:|"
    for entry in entries[-_COMMANDS:]:
        shown = code(one_line(str(entry.get("command", "")), 300)).replace("|", "\\|")
        exit_code = entry.get("exitCode")
        ended = (
            "timed out" if entry.get("timedOut") else "in the background" if entry.get("background") else ""
        )
        yield f"| {entry.get('run')} | {shown} | {ended if exit_code is None else exit_code} |"
    yield ""


def _has_changes(run: Run) -> bool:
    return run.kind == "worker" and bool(run.commit and run.baseCommit) and run.commit != run.baseCommit


def _diff(directory: MissionDir, mission: Mission, run: Run) -> Iterator[str]:
    if not run.commit or not run.baseCommit or not _has_changes(run):
        return
    from missions.repo.diff import counts, diff_text
    from missions.repo.repository import Repository

    place = directory.git / "tree" if mission.workspace.kind == "clone" else Path(mission.cwd)
    yield "## Changes"
    yield ""
    try:
        repository = Repository.find(place)
        changed = counts(repository, run.baseCommit, run.commit)
        diff = diff_text(repository, run.baseCommit, run.commit, limit=_DIFF)
    except MissionError as error:
        yield f"They cannot be shown: {inline(error.message)}"
        yield ""
        return
    for one in changed[:200]:
        size = "binary" if one.added is None else f"+{one.added} −{one.removed}"
        yield f"- [{inline(one.path)}]({_file_link(place, one.path)}) {size}"
    yield ""
    yield code_block(many_lines(diff.text, _DIFF), "diff")
    yield ""
    if diff.truncated:
        yield f"The diff is cut; it has {diff.size} bytes in all."
        yield ""


def _file_link(place: Path, name: str) -> str:
    try:
        return (place / name).as_uri().replace("(", "%28").replace(")", "%29")
    except ValueError:
        return ""


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as source:
            return many_lines(source.read(_FILE).decode("utf-8", "replace"), _FILE)
    except OSError:
        return None
