"""A journal record as one line for people; most records are not worth one.

Pure. Words from plans and models are cleaned.
"""

from __future__ import annotations

from typing import Any, cast

from missions.model.mission import Mission
from missions.model.plain_text import one_line
from missions.model.recovery import CATEGORIES
from missions.store.records import Record


def event_line(record: Record, mission: Mission | None) -> str | None:
    """``12:04:31  ✓ F1 done (commit 1a2b3c4)``; None for what only programs want."""
    said = _gone_on(record, mission) or _said(record.type, record.data, mission)
    return f"{record.ts[11:19]}  {said}" if said else None


def _said(kind: str, data: dict[str, Any], mission: Mission | None) -> str | None:
    if kind in _STARTS:
        return _start(kind, data, mission)
    if kind == "worker_finished":
        return _worker(data)
    if kind in ("validator_finished", "user_testing_finished"):
        return _verdict(kind, data)
    if kind == "runtime_orchestrator_recovery_dispatched":
        return f"▶ the orchestrator looks at the block of {_t(data.get('blockRunId') or 'the mission')}"
    if kind == "recovery_outcome_chosen":
        refused = "" if data.get("applied", True) else f" (refused: {_t(data.get('refusal'), 200)})"
        return f"→ orchestrator: {_t(data.get('chosen'))}: {_t(data.get('reason'), 200)}{refused}"
    if kind == "mission_block_recorded":
        block = cast("dict[str, Any]", data.get("block") or {})
        category = block.get("reasonCategory")
        shown = CATEGORIES[category].shown if category in CATEGORIES else f"{_t(category)}:"
        return f"✗ {shown} {_t(block.get('message'), 240)}"
    if kind == "decision_requested":
        decision = cast("dict[str, Any]", data.get("decision") or {})
        return f"? {_t(decision.get('question'), 300)}"
    if kind == "usage_recorded":
        return None
    form = _PLAIN.get(kind)
    return None if form is None else form.format_map(_Cleaned(data)).strip().rstrip(":").strip()


def _gone_on(record: Record, mission: Mission | None) -> str | None:
    """A process that took the mission while a run was open goes on inside it, and nothing begins that would be told."""
    run = mission.activeRun if mission is not None else None
    if record.type != "runner_acquired" or record.data.get("purpose") != "run" or run is None:
        return None
    return f"▶ goes on inside run {_t(run.runId)}" if run.startedAt < record.ts else None


_STARTS = {
    "worker_started": "worker",
    "validator_started": "scrutiny",
    "user_testing_started": "user testing",
}

_PLAIN = {
    "mission_execution_started": "▶ started (plan version {planVersion})",
    "mission_resume_requested": "▶ resumed",
    "interactive_plan_revised": "~ plan revised, version {planVersion}: {reason}",
    "repair_feature_added": "+ repair feature {featureId} for defect {defectId} of run {runId}",
    "worker_failed": "✗ {featureId} was not accepted: {category}",
    "run_interrupted": "… run {runId} ended: {reason}",
    "run_suspended": "… run {runId} stopped and can go on: {reason}",
    "mission_pause_requested": "… a pause was asked for",
    "mission_paused_after_current": "‖ paused after {completedUnit}",
    "mission_paused": "‖ paused: {reason}",
    "steering_delivered": "» told to the unit: {text}",
    "mission_runner_lock_recovered": "… goes on after a process that died",
    "decision_answered": "! answered: {answer} {text}",
    "budget_reached": "‖ the {kind} budget is reached",
    "budget_changed": "~ new limits {reason}",
    "feature_skipped": "↷ {featureId} is left out: {reason}",
    "defect_waived": "↷ defect {defectId} is accepted: {reason}",
    "mission_feature_retry_requested": "~ {featureId} will run again",
    "validation_rerun_requested": "~ {milestoneId} will be validated again",
    "mission_block_manual": "✗ blocked by hand: {reason}",
    "mission_unblock_manual": "~ unblocked",
    "mission_complete": "✓ complete",
    "mission_abandoned": "✗ given up: {reason}",
    "mission_finished": "✓ finished, back on {branch}",
    "mission_background_execution_failed": "✗ internal error {errorId}",
}


class _Cleaned(dict[str, Any]):
    """The data of a record for a form: cleaned texts, empty where there is none."""

    def __getitem__(self, key: str) -> str:
        return _t(self.get(key), 200)


def _start(kind: str, data: dict[str, Any], mission: Mission | None) -> str:
    item = str(data.get("featureId") or data.get("milestoneId") or "")
    found = None if mission is None else mission.feature(item) or mission.milestone(item)
    title = f" — {_t(found.title)}" if found is not None else ""
    attempt = f" (attempt {data.get('attempt')})" if data.get("attempt", 1) != 1 else ""
    return f"▶ {_STARTS[kind]} {_t(item)}{title}{attempt}"


def _worker(data: dict[str, Any]) -> str:
    feature = _t(data.get("featureId"))
    if not data.get("accepted"):
        return f"✗ {feature} ended without acceptance ({_t(data.get('outcome'))})"
    commit = f" (commit {_t(data['commit'], 10)})" if data.get("commit") else ""
    return f"✓ {feature} done{commit}: {_t(data.get('summary'), 160)}".rstrip(": ")


def _verdict(kind: str, data: dict[str, Any]) -> str:
    mode = "scrutiny" if kind == "validator_finished" else "user testing"
    status = str(data.get("status", ""))
    sign = {"pass": "✓", "fail": "✗"}.get(status, "?")
    return (
        f"{sign} {mode} {_t(data.get('milestoneId'))}: {_t(status)} {_t(data.get('summary'), 160)}".rstrip()
    )


def _t(value: object, width: int = 120) -> str:
    return one_line(str(value), width) if value is not None else ""
