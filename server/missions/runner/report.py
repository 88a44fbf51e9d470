"""``report.md`` of a finished mission: gathered from run directories, rendered by the model, stored as a blob.

Writes the report once, at completion; repeating it gives the same text. It judges nothing.
"""

from __future__ import annotations

from missions.model import events as ev
from missions.model.documents import mission_report_markdown
from missions.model.reports import Handoff, ValidationReport
from missions.runner.applying import read_report
from missions.runner.handoffs import read_handoff
from missions.store.blobs import plan_of
from missions.store.files import atomic_write
from missions.store.mission_log import MissionLog


def write_report(log: MissionLog) -> str:
    """Write ``report.md`` and record it; returns its text."""
    directory, mission = log.directory, log.mission
    handoffs: dict[str, Handoff] = {}
    reports: dict[str, ValidationReport] = {}
    for run in mission.runs:
        handoff = read_handoff(directory, run.runId) if run.kind == "worker" else None
        report = read_report(directory, run.runId) if run.kind == "validator" else None
        if handoff is not None:
            handoffs[run.runId] = handoff
        if report is not None:
            reports[run.runId] = report
    # The record that completes the mission comes after the report, so that no complete mission lacks one.
    done = mission.model_copy(update={"status": "complete"})
    text = mission_report_markdown(done, plan_of(directory)(mission.plan.blob).objective, handoffs, reports)
    content = text.encode("utf-8", "backslashreplace")
    blob = log.blob(content)
    atomic_write(directory.report, content, "report")
    log.record(ev.MissionReportWritten(blob=blob))
    return text
