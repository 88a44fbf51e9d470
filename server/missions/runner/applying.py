"""Applying requests: from the inbox by the runner, directly by whoever finds the mission free.

Both go through ``model.requests.judge`` and record what it says with the request's id, so a request takes effect exactly
once, also across crashes. It never waits and never runs a unit; the signal for a live child is handed back.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from missions.model.errors import MissionError
from missions.model.judgement import Ask, Judgement
from missions.model.reports import ValidationReport
from missions.model.requests import judge
from missions.runner.plan_files import write_plan_files
from missions.store.blobs import plan_of
from missions.store.inbox import Request
from missions.store.journal import utc_now
from missions.store.layout import MissionDir
from missions.store.mission_log import MissionLog
from missions.store.redact import Redactor


@dataclass(frozen=True)
class Applied:
    """What became of a request that was legal."""

    seq: int
    judgement: Judgement


def apply_request(log: MissionLog, request: Request, *, child_runs: bool) -> Applied:
    """Judge and record ``request``; raises the ``MissionError`` that refuses it, with nothing recorded."""
    judgement = judge(
        log.mission,
        Ask(
            request.op,
            Redactor().value(request.args),
            request.by.model_dump(),
            utc_now(),
            request.expect.model_dump(exclude_none=True),
        ),
        child_runs=child_runs,
        plan_of=plan_of(log.directory),
        defects_of=lambda run_id: defects_of(log.directory, run_id),
    )
    for content in judgement.blobs:
        log.blob(content)
    version = log.mission.plan.version
    if judgement.events:
        log.record_all(judgement.events, request.id)
    if log.mission.plan.version != version:
        # The plan is accepted; its copies are written again at the next start if this fails.
        with contextlib.suppress(MissionError):
            write_plan_files(log.directory, log.mission)
    return Applied(log.mission.lastSeq, judgement)


def read_report(directory: MissionDir, run_id: str) -> ValidationReport | None:
    """The accepted report of a validator run, if there is one."""
    run = directory.run(run_id)
    for mode in ("scrutiny", "user-testing"):
        with contextlib.suppress(OSError, ValueError, ValidationError, RecursionError):
            return ValidationReport.model_validate(json.loads(run.report(mode).read_bytes()))
    return None


def defects_of(directory: MissionDir, run_id: str) -> list[dict[str, Any]]:
    """The defects of a run's report as JSON; empty when there is no report."""
    try:
        report = read_report(directory, run_id)
    except MissionError:
        return []
    return [d.model_dump(mode="json", exclude_none=True) for d in report.defects] if report else []
