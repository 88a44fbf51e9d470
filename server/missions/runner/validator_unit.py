"""A validator's unit: scrutiny or user testing of one milestone, from the snapshot to the accepted verdict.

The only place that records ``validator_*`` and ``user_testing_*`` events. Whatever the validator changed in the repository
is put back, and a verdict reached on a changed repository does not pass.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from missions.agent.ledger import CommandLedger
from missions.agent.skills import base_skill
from missions.agent.tool import Tool
from missions.agent.tools.submit import SubmissionFinding, make_submit_tool
from missions.model import events as ev
from missions.model.documents import report_markdown
from missions.model.events import Event
from missions.model.mission import Milestone
from missions.model.reports import ProcedureFinding, ValidationReport, ValidatorMode
from missions.model.schedule import Unit
from missions.repo.diff import diff_text
from missions.repo.guard import Guard
from missions.roles.acceptance import ReportVerdict, ValidatorFacts, check_report
from missions.roles.brief import Surroundings, validator_brief
from missions.roles.submissions import REPORT_DESCRIPTION, REPORT_SCHEMA
from missions.runner.attribution import Trace
from missions.runner.bench import Bench
from missions.runner.blocking import Trouble
from missions.runner.child import ChildControl
from missions.runner.endings import Ending, common_ending, full_disk, put_back
from missions.runner.handoffs import earlier_handoffs
from missions.runner.unit_run import (
    RunRecord,
    Seat,
    Sitting,
    begin_again,
    fresh_run_id,
    hold,
    make_run_dir,
    model_for,
)
from missions.runner.workplace import RunChanges, RunStart
from missions.store.files import atomic_write
from missions.store.journal import utc_now
from missions.store.layout import RunDir

_DIFF_IN_BRIEF = 60_000
"""Bytes of the milestone's diff that the brief quotes; the rest is read with git."""


class ValidatorUnit:
    """One run of a validator. ``prepare`` records its start, ``run`` its end."""

    def __init__(self, bench: Bench, unit: Unit) -> None:
        self.bench = bench
        milestone = bench.mission.milestone(unit.itemId)
        assert milestone is not None
        self.milestone: Milestone = milestone
        self.mode: ValidatorMode = "user-testing" if unit.kind == "user-testing" else "scrutiny"
        self.submit_tool = (
            "submit_user_testing_report" if self.mode == "user-testing" else "submit_validation_report"
        )
        self.run_id = unit.resumes or fresh_run_id(
            bench, "validator" if self.mode == "scrutiny" else "user-testing", milestone.id
        )
        self.run_dir: RunDir = bench.directory.run(self.run_id)
        self._resumed = unit.resumes is not None
        self._verdict: ReportVerdict | None = None
        self._start: RunStart | None = None
        self._since, self._absent = 0.0, list[list[str]]()

    async def prepare(self) -> None:
        """Snapshot first, then the start event."""
        bench = self.bench
        if self._resumed:
            record = await asyncio.to_thread(begin_again, self.run_dir)
            guard = Guard(record.guard) if record is not None and record.guard is not None else None
            self._start = await asyncio.to_thread(bench.place.begun, self.run_id, guard)
            await asyncio.to_thread(bench.place.clear_locks, self._start.snapshot.taken_at)
            return
        make_run_dir(self.run_dir)
        self._start = await asyncio.to_thread(bench.place.begin, self.run_id)
        self._record().save(self.run_dir, durable=True)
        kind = ev.UserTestingStarted if self.mode == "user-testing" else ev.ValidatorStarted
        attempt = self.milestone.validationState.of(self.mode).attempts + 1
        bench.log.record(
            kind(
                runId=self.run_id,
                attempt=attempt,
                milestoneId=self.milestone.id,
                baseCommit=self._start.base,
                planVersion=bench.mission.plan.version,
                model=model_for(bench, "validator").model,
            )
        )

    def _record(self) -> RunRecord:
        assert self._start is not None
        known = RunRecord.load(self.run_dir)
        if known is not None:
            return known
        model = model_for(self.bench, "validator").model
        return RunRecord(
            self.run_id,
            "validator",
            self.milestone.id,
            self.milestone.id,
            self.mode,
            self._start.base,
            self._start.branch,
            utc_now(),
            model,
            guard=self._start.guard.items,
        )

    async def run(self, control: ChildControl) -> Ending:
        """Hold the conversation and conclude it; the returned trouble, if any, is still to be recorded as a block."""
        bench = self.bench
        assert self._start is not None
        plan = bench.plan()
        plan_milestone = next(m for m in plan.milestones if m.id == self.milestone.id)
        diff = await asyncio.to_thread(self._diff)
        features = earlier_handoffs(bench.directory, bench.mission, self.milestone)
        skill = base_skill("mission-validator")

        def brief(around: Surroundings) -> Any:
            return validator_brief(
                bench.mission, plan, plan_milestone, self.mode, self.run_id, around, features, diff, skill
            )

        seat = Seat(
            role="validator",
            brief=brief,
            submit_tool=self.submit_tool,
            own_tools=self._submit_tool,
            writable=False,
            research=True,
        )
        record = self._record()
        self._since, self._absent = time.time(), record.absent
        sitting = await hold(bench, self.run_dir, record, seat, control, self._start)
        ending = await self._conclude(sitting)
        record.endedAt, record.outcome = utc_now(), sitting.outcome.kind
        record.save(self.run_dir)
        return ending

    def _diff(self) -> str:
        """The diff since the milestone's first run began."""
        assert self._start is not None
        mine = {f.id for f in self.milestone.features}
        bases = [
            r.baseCommit
            for r in self.bench.mission.runs
            if r.kind == "worker" and r.itemId in mine and r.baseCommit
        ]
        base = bases[0] if bases else self.bench.mission.baseCommit
        if base is None or base == self._start.base:
            return ""
        shown = diff_text(self.bench.place.repository, base, self._start.base, limit=_DIFF_IN_BRIEF)
        rest = (
            f"\n(cut; the whole diff has {shown.size} bytes: git diff {base}..{self._start.base})"
            if shown.truncated
            else ""
        )
        return f"Range: {base}..{self._start.base}\n\n```diff\n{shown.text}```{rest}"

    def _facts(self, changed: tuple[str, ...]) -> ValidatorFacts:
        waived = frozenset(w.defectId for w in self.milestone.validationState.waived)
        assertions = tuple(self.bench.plan().milestone_assertions(self.milestone.id))
        return ValidatorFacts(
            self.mode, self.milestone.id, assertions, waived, changed, self.bench.place.line_count
        )

    def _submit_tool(self, ledger: CommandLedger) -> list[Tool]:
        async def accept(raw: dict[str, Any]) -> list[SubmissionFinding]:
            changed = await self._changes(ledger)
            self._verdict = check_report(raw, self._facts(changed.own), ledger)
            if self._verdict.report is None:
                self._parse_error()
            return [SubmissionFinding(issue.path, issue.message) for issue in self._verdict.issues]

        return [make_submit_tool(self.submit_tool, REPORT_DESCRIPTION, REPORT_SCHEMA, accept)]

    async def _changes(self, ledger: CommandLedger) -> RunChanges:
        assert self._start is not None
        trace = Trace(ledger, self._since, self._absent)
        return await asyncio.to_thread(self.bench.place.validator_changes, self._start, trace)

    def _parse_error(self) -> None:
        issues = tuple(i.model_dump() for i in self._verdict.issues[:20]) if self._verdict else ()
        kind = ev.UserTestingParseError if self.mode == "user-testing" else ev.ValidationParseError
        self.bench.log.record(
            kind(
                milestoneId=self.milestone.id,
                runId=self.run_id,
                error="the report does not have the required shape",
                issues=issues,
            )
        )

    async def _conclude(self, sitting: Sitting) -> Ending:
        start = self._start
        assert start is not None
        ending = (
            common_ending(self.bench, self.run_id, sitting) if sitting.outcome.kind != "submitted" else None
        )
        if ending is not None and not ending.interrupted:
            return ending
        changes = await self._changes(sitting.ledger)
        if changes.own:
            await put_back(self.bench, self.run_id, start, changes.strangers)
        if ending is not None:
            return ending
        if changes.strangers:
            what = f"Somebody else changed {', '.join(changes.strangers[:12])} during the validation; that was left as it is."
            finished = self._finished(sitting, None, None)
            return Ending(self._trouble("repository_changed", what, None, ()), events=(finished,))
        if sitting.outcome.kind != "submitted" or sitting.outcome.submission is None:
            return self._unless_full(sitting, self._without_report(sitting))
        verdict = check_report(sitting.outcome.submission, self._facts(()), sitting.ledger)
        if verdict.report is None or verdict.issues:
            self._verdict = verdict
            return self._unless_full(sitting, self._without_report(sitting))
        report = self._noted(verdict.report, changes.own)
        return self._unless_full(sitting, self._with_report(sitting, report, changes.own))

    def _unless_full(self, sitting: Sitting, ending: Ending) -> Ending:
        """Whatever was found wrong on a full disk is to be looked at again."""
        return (full_disk(self.bench, self.run_id, sitting) if ending.trouble else None) or ending

    def _noted(self, report: ValidationReport, changed: tuple[str, ...]) -> ValidationReport:
        """The report with a procedure finding if the validator changed the repository; then it cannot pass."""
        if not changed:
            return report
        finding = ProcedureFinding(
            id="ENGINE-REPOSITORY-CHANGED",
            severity="major",
            title="The validator changed the repository",
            description="The changes were undone; a verdict reached on a changed repository does not pass.",
            evidence=", ".join(changed[:50]),
        )
        status = "inconclusive" if report.status == "pass" else report.status
        return report.model_copy(
            update={"procedureFindings": (*report.procedureFindings, finding), "status": status}
        )

    def _with_report(self, sitting: Sitting, report: ValidationReport, changed: tuple[str, ...]) -> Ending:
        content = (
            json.dumps(report.model_dump(mode="json", exclude_none=True), indent=2, ensure_ascii=False) + "\n"
        ).encode("utf-8", "backslashreplace")
        title = f"{'User testing' if self.mode == 'user-testing' else 'Validation'} of {self.milestone.id} — {self.milestone.title}"
        target = self.run_dir.report(self.mode)
        atomic_write(target, content, "run")
        atomic_write(
            target.with_suffix(".md"),
            report_markdown(report, title).encode("utf-8", "backslashreplace"),
            "run",
            durable=False,  # it follows from the JSON
        )
        finished = self._finished(sitting, report, self.bench.log.blob(content))
        if report.status == "pass":
            self.bench.log.record(finished)
            return Ending()
        failed = tuple(report.failed_assertions())
        if report.status == "inconclusive":
            why = "The validator changed the repository." if changed else report.summary
            return Ending(self._trouble("validation_inconclusive", why, report, failed), events=(finished,))
        state = self.milestone.validationState
        count, limit = state.failureCount + 1, self.bench.mission.failure_limit(self.milestone)
        counted = ev.MilestoneValidationFailed(
            milestoneId=self.milestone.id,
            runId=self.run_id,
            validatorMode=self.mode,
            failureCount=count,
            failureLimit=limit,
            limitExceeded=count >= limit,
            failedAssertions=failed,
        )
        trouble = self._trouble(
            "validator_report_failed", report.summary, report, failed, exceeded=count >= limit
        )
        return Ending(trouble, events=(finished, counted))

    def _without_report(self, sitting: Sitting) -> Ending:
        outcome = sitting.outcome
        listed = "\n".join(f"- {i.path}: {i.message}" for i in self._verdict.issues) if self._verdict else ""
        if outcome.kind == "stuck":
            trouble = self._trouble("stuck", outcome.detail, None, ())
        elif outcome.kind in ("rejected", "no_submission", "submitted"):
            said = f"No valid report was submitted.\n{listed or outcome.detail}"
            trouble = self._trouble("missing_validation_report", said, None, ())
        else:
            trouble = self._trouble("child_exit_nonzero", outcome.detail, None, (), exit_code=1)
        return Ending(trouble, events=(self._finished(sitting, None, None),))

    def _finished(self, sitting: Sitting, report: ValidationReport | None, blob: str | None) -> Event:
        assert self._start is not None
        kind = ev.UserTestingFinished if self.mode == "user-testing" else ev.ValidatorFinished
        return kind(
            runId=self.run_id,
            milestoneId=self.milestone.id,
            exitCode=0 if report is not None else 1,
            outcome=sitting.outcome.kind,
            durationMs=sitting.duration_ms,
            providerWaitMs=sitting.outcome.provider_wait_ms,
            status=report.status if report is not None else "inconclusive",
            commit=self._start.base,
            report=blob,
            summary=report.summary[:2000] if report is not None else None,
        )

    def _trouble(
        self,
        category: Any,
        message: str,
        report: ValidationReport | None,
        failed: tuple[str, ...],
        *,
        exceeded: bool = False,
        exit_code: int = 0,
    ) -> Trouble:
        target = self.run_dir.report(self.mode)
        paths = [target, target.with_suffix(".md"), self.run_dir.transcript]
        waived = {w.defectId for w in self.milestone.validationState.waived}
        defects = (
            tuple(d.model_dump(mode="json", exclude_none=True) for d in report.defects if d.id not in waived)
            if report
            else ()
        )
        return Trouble(
            category=category,
            message=message,
            kind="validator",
            mode=self.mode,
            item_id=self.milestone.id,
            item_title=self.milestone.title,
            milestone_id=self.milestone.id,
            run_id=self.run_id,
            exit_code=exit_code,
            status=report.status if report else None,
            failed_assertions=failed,
            defects=_short(defects),
            artifacts=tuple(f"runs/{self.run_id}/{p.name}" for p in paths if p.exists()),
            limit_exceeded=exceeded,
        )


def _short(defects: tuple[dict[str, Any], ...]) -> tuple[dict[str, object], ...]:
    """Defects as a block carries them: what, how bad and where; the words are in the report."""
    return tuple({k: d[k] for k in ("id", "severity", "title", "locations") if k in d} for d in defects[:20])
