"""A worker's unit: one feature, from its snapshot to its accepted commit or to the reason why not.

The only place that records ``worker_*`` events. A handoff counts only after the acceptance checks, and they are made again
after the sandbox is gone, so that nothing the run left behind can change the result.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from missions.agent.ledger import CommandLedger
from missions.agent.skills import base_skill
from missions.agent.tool import Tool
from missions.agent.tools.submit import SubmissionFinding, make_submit_tool
from missions.model import events as ev
from missions.model.documents import handoff_markdown
from missions.model.mission import Feature, Milestone
from missions.model.reports import Handoff, Issue
from missions.model.schedule import Unit
from missions.repo.guard import Guard
from missions.roles.acceptance import HandoffVerdict, WorkerFacts, check_handoff
from missions.roles.brief import Earlier, worker_brief
from missions.roles.submissions import HANDOFF_DESCRIPTION, HANDOFF_SCHEMA
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
from missions.runner.workplace import HEAD, RunStart
from missions.store.files import atomic_write
from missions.store.journal import utc_now
from missions.store.layout import RunDir


class WorkerUnit:
    """One run of a worker. ``prepare`` records its start, ``run`` its end."""

    def __init__(self, bench: Bench, unit: Unit) -> None:
        self.bench = bench
        feature, milestone = bench.mission.feature(unit.itemId), bench.mission.milestone_of(unit.itemId)
        assert feature is not None and milestone is not None
        self.feature: Feature = feature
        self.milestone: Milestone = milestone
        self.run_id = unit.resumes or fresh_run_id(bench, "worker", feature.id)
        self.run_dir: RunDir = bench.directory.run(self.run_id)
        self._resumed = unit.resumes is not None
        self._verdict: HandoffVerdict | None = None
        self._start: RunStart | None = None
        self._facts: WorkerFacts | None = None
        self._since, self._absent = 0.0, list[list[str]]()

    async def prepare(self) -> None:
        """Snapshot first, then the start event: a crash in between leaves nothing but an unused snapshot."""
        bench, feature = self.bench, self.feature
        if self._resumed:
            record = await asyncio.to_thread(begin_again, self.run_dir)
            guard = Guard(record.guard) if record is not None and record.guard is not None else None
            self._start = await asyncio.to_thread(bench.place.begun, self.run_id, guard)
            await asyncio.to_thread(bench.place.clear_locks, self._start.snapshot.taken_at)
            return
        make_run_dir(self.run_dir)
        self._start = await asyncio.to_thread(bench.place.begin, self.run_id)
        model = model_for(bench, "worker").model
        self._record().save(self.run_dir, durable=True)
        bench.log.record(
            ev.WorkerStarted(
                runId=self.run_id,
                attempt=feature.attempts + 1,
                milestoneId=self.milestone.id,
                featureId=feature.id,
                baseCommit=self._start.base,
                planVersion=bench.mission.plan.version,
                model=model,
            )
        )

    def _record(self) -> RunRecord:
        assert self._start is not None
        known = RunRecord.load(self.run_dir)
        if known is not None:
            return known
        model = model_for(self.bench, "worker").model
        return RunRecord(
            self.run_id,
            "worker",
            self.feature.id,
            self.milestone.id,
            None,
            self._start.base,
            self._start.branch,
            utc_now(),
            model,
            guard=self._start.guard.items,
        )

    async def run(self, control: ChildControl) -> Ending:
        """Hold the conversation and conclude it; the returned trouble, if any, is still to be recorded as a block."""
        bench, start = self.bench, self._start
        assert start is not None
        plan = bench.plan()
        plan_milestone, plan_feature = next((m, f) for m, f in plan.features() if f.id == self.feature.id)
        earlier: Sequence[Earlier] = earlier_handoffs(bench.directory, bench.mission)
        skill = base_skill("mission-worker")
        record = self._record()
        self._since, self._absent = time.time(), record.absent
        seat = Seat(
            role="worker",
            brief=lambda around: worker_brief(
                bench.mission, plan, plan_milestone, plan_feature, self.run_id, around, earlier, skill
            ),
            submit_tool="submit_handoff",
            own_tools=self._submit_tool,
        )
        sitting = await hold(bench, self.run_dir, record, seat, control, start)
        ending = await self._conclude(sitting)
        record.endedAt, record.outcome = utc_now(), sitting.outcome.kind
        record.save(self.run_dir)
        return ending

    def _submit_tool(self, ledger: CommandLedger) -> list[Tool]:
        async def accept(raw: dict[str, Any]) -> list[SubmissionFinding]:
            verdict = await self._judge(raw, ledger)
            self._verdict = verdict
            if verdict.handoff is None:
                self._parse_error(verdict)
            return [SubmissionFinding(issue.path, issue.message) for issue in verdict.issues]

        return [make_submit_tool("submit_handoff", HANDOFF_DESCRIPTION, HANDOFF_SCHEMA, accept)]

    async def _judge(self, raw: dict[str, Any], ledger: CommandLedger) -> HandoffVerdict:
        assert self._start is not None
        mission, environment = self.bench.mission, self.bench.plan().environment
        known = {k.command: k.exitCode for k in mission.baseline or []}
        facts = await asyncio.to_thread(
            self.bench.place.worker_facts,
            self._start,
            self.feature.id,
            mission.workspace.kept_paths(),
            environment.checks,
            known,
            self._trace(ledger),
        )
        self._facts = facts
        return check_handoff(raw, facts, ledger)

    def _trace(self, ledger: CommandLedger) -> Trace:
        return Trace(ledger, self._since, self._absent)

    def _parse_error(self, verdict: HandoffVerdict) -> None:
        issues = tuple(i.model_dump() for i in verdict.issues[:20])
        self.bench.log.record(
            ev.HandoffParseError(
                featureId=self.feature.id,
                runId=self.run_id,
                error="the handoff does not have the required shape",
                issues=issues,
            )
        )

    async def _conclude(self, sitting: Sitting) -> Ending:
        outcome, start = sitting.outcome, self._start
        assert start is not None
        if outcome.kind != "submitted" or outcome.submission is None:
            ending = common_ending(self.bench, self.run_id, sitting)
            if ending is not None:
                if ending.interrupted:
                    await put_back(self.bench, self.run_id, start, await self._strangers(sitting))
                return ending
            return await self._failed(sitting, self._unsubmitted(sitting))
        verdict = await self._judge(outcome.submission, sitting.ledger)
        handoff = verdict.handoff
        if handoff is None or verdict.issues:
            self._verdict = verdict
            return await self._failed(
                sitting, self._refused("After the run ended the handoff no longer held")
            )
        self._write(handoff)
        if handoff.status != "complete":
            message = f"{handoff.summary}" + "".join(f"\n- {u.item}" for u in handoff.leftUndone)
            return await self._failed(
                sitting, self._trouble("worker_reported_blocked", message, status=handoff.status), handoff
            )
        facts = self._facts
        assert facts is not None
        self.bench.log.record(
            self._finished(
                sitting,
                handoff,
                accepted=True,
                commits=facts.commits,
                commit=facts.head,
                files=len(facts.changed_paths),
            )
        )
        return Ending()

    async def _strangers(self, sitting: Sitting) -> list[str]:
        """What of the changes since the run began is not its doing."""
        assert self._start is not None
        trace = self._trace(sitting.ledger)
        return await asyncio.to_thread(self.bench.place.strangers_of, self._start, trace)

    def _unsubmitted(self, sitting: Sitting) -> Trouble:
        outcome = sitting.outcome
        if outcome.kind == "rejected":
            if self._verdict is None:
                self._parse_error(
                    HandoffVerdict(None, (Issue(path="/", message=outcome.detail[:4000]),), None)
                )
            return self._refused("The handoff was refused again and again", outcome.detail)
        if outcome.kind == "stuck":
            return self._trouble("stuck", outcome.detail)
        if outcome.kind == "no_submission":
            return self._trouble("missing_handoff", outcome.detail)
        return self._trouble("child_exit_nonzero", outcome.detail, exit_code=1)

    def _refused(self, what: str, detail: str = "") -> Trouble:
        verdict = self._verdict
        issues = verdict.issues if verdict else ()
        listed = "\n".join(f"- {i.path}: {i.message}" for i in issues)
        if verdict is None or verdict.handoff is None:
            return self._trouble("missing_handoff", f"No valid handoff was submitted.\n{listed or detail}")
        dirty = (
            "\n".join(i.message for i in issues if i.path == "/")
            if verdict.category == "dirty_worktree"
            else None
        )
        return self._trouble(
            verdict.category or "handoff_rejected",
            f"{what}:\n{listed}",
            status=verdict.handoff.status,
            dirty=dirty,
        )

    def _trouble(
        self,
        category: Any,
        message: str,
        *,
        status: str | None = None,
        dirty: str | None = None,
        exit_code: int = 0,
    ) -> Trouble:
        paths = [self.run_dir.transcript, self.run_dir.handoff, self.run_dir.handoff_text]
        return Trouble(
            category=category,
            message=message,
            kind="worker",
            item_id=self.feature.id,
            item_title=self.feature.title,
            milestone_id=self.milestone.id,
            feature_id=self.feature.id,
            run_id=self.run_id,
            exit_code=exit_code,
            status=status,
            dirty=dirty,
            artifacts=tuple(f"runs/{self.run_id}/{p.name}" for p in paths if p.exists()),
        )

    async def _failed(self, sitting: Sitting, trouble: Trouble, handoff: Handoff | None = None) -> Ending:
        start = self._start
        assert start is not None
        strangers = await self._strangers(sitting)
        await put_back(self.bench, self.run_id, start, strangers)
        if strangers:
            what = "the branch" if HEAD in strangers else ", ".join(strangers[:12])
            message = (
                f"Somebody else changed {what} during the run; that was left as it is.\n{trouble.message}"
            )
            trouble = replace(trouble, category="repository_changed", message=message)
        elif (full := full_disk(self.bench, self.run_id, sitting)) is not None:
            return full
        failed = ev.WorkerFailed(
            featureId=self.feature.id,
            runId=self.run_id,
            category=trouble.category,
            reasons=tuple(trouble.message.splitlines()[:20]),
            dirty=trouble.dirty,
            hasHandoff=handoff is not None,
        )
        finished = self._finished(sitting, handoff, accepted=False, outcome=trouble.category)
        return Ending(trouble, events=(finished, failed))

    def _finished(
        self,
        sitting: Sitting,
        handoff: Handoff | None,
        *,
        accepted: bool,
        commits: tuple[str, ...] = (),
        commit: str | None = None,
        files: int = 0,
        outcome: str = "complete",
    ) -> ev.WorkerFinished:
        blob = self.bench.log.blob(_handoff_bytes(handoff)) if handoff is not None else None
        return ev.WorkerFinished(
            featureId=self.feature.id,
            runId=self.run_id,
            exitCode=0 if sitting.outcome.kind == "submitted" else 1,
            outcome=outcome,
            durationMs=sitting.duration_ms,
            providerWaitMs=sitting.outcome.provider_wait_ms,
            accepted=accepted,
            commit=commit,
            commits=commits[:100],
            filesChanged=files,
            handoff=blob,
            summary=handoff.summary[:2000] if handoff is not None else None,
        )

    def _write(self, handoff: Handoff) -> None:
        atomic_write(self.run_dir.handoff, _handoff_bytes(handoff), "run")
        atomic_write(
            self.run_dir.handoff_text,
            handoff_markdown(handoff, self.feature.title).encode("utf-8", "backslashreplace"),
            "run",
            durable=False,  # it follows from the JSON
        )


def _handoff_bytes(handoff: Handoff) -> bytes:
    return (
        json.dumps(handoff.model_dump(mode="json", exclude_none=True), indent=2, ensure_ascii=False) + "\n"
    ).encode("utf-8", "backslashreplace")
