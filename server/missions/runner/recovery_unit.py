"""The orchestrator's unit: wake the dedicated session for one block, check the outcome it chooses, apply it afterwards.

The only place that records recovery events. The orchestrator gets reading tools and mission tools, never a shell; its outcome is
checked by code before it is accepted and applied after its unit has ended.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from missions.agent.ledger import CommandLedger
from missions.agent.skills import base_skill
from missions.agent.tool import Tool
from missions.agent.tools.submit import SubmissionFinding, make_submit_tool
from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.events import Event
from missions.model.fold import if_resumed
from missions.model.judgement import Ask
from missions.model.mission import Decision, DecisionOption, Mission, Recovery
from missions.model.recovery import Block
from missions.model.reports import shape_issues
from missions.model.requests import judge
from missions.model.revise import operations_schema
from missions.model.schedule import Unit, next_unit
from missions.model.status_text import status_text
from missions.roles.brief import Surroundings, recovery_brief
from missions.roles.mission_tools import artifact_tool, ask_user_tool, revise_tool, status_tool
from missions.roles.submissions import RECOVERY_DESCRIPTION, RECOVERY_SCHEMA, RecoverySubmission
from missions.runner.applying import defects_of
from missions.runner.artifacts import read_artifact
from missions.runner.bench import Bench
from missions.runner.child import ChildControl
from missions.runner.endings import Ending, common_ending
from missions.runner.plan_files import write_plan_files
from missions.runner.unit_run import RunRecord, Seat, Sitting, fresh_run_id, hold, make_run_dir, model_for
from missions.store.blobs import plan_of, read_blob
from missions.store.journal import utc_now
from missions.store.layout import RunDir


class RecoveryUnit:
    """One wake-up of the orchestrator. ``prepare`` records its start, ``run`` its end."""

    def __init__(self, bench: Bench, unit: Unit) -> None:
        self.bench = bench
        recovery = bench.mission.recovery
        assert recovery is not None
        block = recovery.block or bench.mission.latestBlock
        assert block is not None
        self.recovery: Recovery = recovery.model_copy(deep=True)
        self.block: Block = block
        self.number = sum(1 for r in bench.mission.runs if r.kind == "recovery") + (0 if unit.resumes else 1)
        self.run_id = unit.resumes or fresh_run_id(bench, "recovery", str(self.number))
        self.run_dir: RunDir = bench.directory.run(self.run_id)
        self._resumed = unit.resumes is not None
        self._question: dict[str, Any] | None = None

    async def prepare(self) -> None:
        """Record the dispatch; the packet was written with the block."""
        if self._resumed:
            return
        bench = self.bench
        make_run_dir(self.run_dir)
        self._record().save(self.run_dir, durable=True)
        bench.log.record(
            ev.RecoveryDispatched(
                runId=self.run_id,
                attempt=self.number,
                milestoneId=self.block.milestoneId,
                planVersion=bench.mission.plan.version,
                model=model_for(bench, "orchestrator").model,
                packet=self.recovery.packet,
                blockRunId=self.recovery.blockRunId,
            )
        )

    def _record(self) -> RunRecord:
        known = RunRecord.load(self.run_dir)
        if known is not None:
            return known
        mission = self.bench.mission
        model = model_for(self.bench, "orchestrator").model
        return RunRecord(
            self.run_id,
            "orchestrator",
            self.block.failedItemId,
            self.block.milestoneId,
            None,
            mission.tipCommit or "",
            mission.branch,
            utc_now(),
            model,
        )

    async def run(self, control: ChildControl) -> Ending:
        """Hold the session's next conversation and apply what it chose."""
        bench = self.bench
        plan = bench.plan()
        packet = read_blob(bench.directory, self.recovery.packet).decode()
        skill = base_skill("mission-orchestrator")

        def brief(around: Surroundings) -> Any:
            return recovery_brief(
                bench.mission, plan, packet, self.run_id, around, self.number, self.recovery.answer, skill
            )

        seat = Seat(
            role="orchestrator",
            brief=brief,
            submit_tool="submit_recovery",
            own_tools=self._tools,
            shell=False,
            writable=False,
            research=True,
            read_roots=(bench.directory.runs,),
        )
        record = self._record()
        sitting = await hold(bench, self.run_dir, record, seat, control, None)
        ending = self._conclude(sitting)
        record.endedAt, record.outcome = utc_now(), sitting.outcome.kind
        record.save(self.run_dir)
        return ending

    # Tools

    def _tools(self, ledger: CommandLedger) -> list[Tool]:
        return [
            status_tool(self._status),
            artifact_tool(self._artifact),
            revise_tool(operations_schema(), self._revise),
            ask_user_tool(self._ask),
            make_submit_tool("submit_recovery", RECOVERY_DESCRIPTION, RECOVERY_SCHEMA, self._accept),
        ]

    async def _status(self, args: dict[str, Any]) -> str:
        return status_text(self.bench.mission, datetime.now(UTC), runner_alive=True)

    async def _artifact(self, args: dict[str, Any]) -> str:
        return await asyncio.to_thread(
            read_artifact, self.bench.directory, str(args["path"]), bool(args.get("tail"))
        )

    async def _revise(self, args: dict[str, Any]) -> str:
        log = self.bench.log
        ask = Ask(
            "revise-plan",
            {"reason": args["reason"], "operations": args["operations"]},
            {"face": "runner", "role": "orchestrator"},
            utc_now(),
        )
        judgement = judge(
            log.mission,
            ask,
            child_runs=True,
            plan_of=plan_of(log.directory),
            defects_of=lambda run: defects_of(log.directory, run),
        )
        for content in judgement.blobs:
            log.blob(content)
        log.record_all(judgement.events)
        write_plan_files(log.directory, log.mission)
        warnings = "".join(
            f"\n- {f.path}: {f.message}" for f in judgement.findings if f.severity == "warning"
        )
        return f"Plan version {log.mission.plan.version} is in force.{warnings}"

    async def _ask(self, args: dict[str, Any]) -> str:
        self._question = {"question": args["question"], "options": args.get("options")}
        return "Noted. End with submit_recovery and the outcome ask-user."

    async def _accept(self, raw: dict[str, Any]) -> list[SubmissionFinding]:
        try:
            chosen = RecoverySubmission.model_validate(raw)
        except ValidationError as error:
            return [SubmissionFinding(i.path, i.message) for i in shape_issues(error)]
        refusal = refused_outcome(
            self.bench.mission, self.block, chosen, self._plan_changed(), bool(self._question)
        )
        return [SubmissionFinding("/outcome", refusal)] if refusal else []

    def _plan_changed(self) -> bool:
        run = self.bench.mission.run(self.run_id)
        return run is not None and self.bench.mission.plan.version > run.planVersion

    # The end

    def _conclude(self, sitting: Sitting) -> Ending:
        log, outcome = self.bench.log, sitting.outcome
        facts: dict[str, Any] = {
            "runId": self.run_id,
            "durationMs": sitting.duration_ms,
            "providerWaitMs": outcome.provider_wait_ms,
        }
        if outcome.kind != "submitted" or outcome.submission is None:
            ending = common_ending(self.bench, self.run_id, sitting)
            if ending is not None:
                return replace(ending, interrupted=False)
            log.record(
                ev.RecoveryFailed(**facts, exitCode=1, outcome=outcome.kind, error=outcome.detail[:4000])
            )
            return Ending()
        chosen = RecoverySubmission.model_validate(outcome.submission)
        events: list[Event] = [
            ev.RecoveryOutcomeChosen(
                **facts,
                exitCode=0,
                outcome=chosen.outcome,
                chosen=chosen.outcome,
                reason=chosen.reason[:8000],
            )
        ]
        if chosen.outcome == "ask-user":
            events.append(ev.DecisionRequested(decision=self._decision(chosen)))
        log.record_all(events)
        return Ending()

    def _decision(self, chosen: RecoverySubmission) -> Decision:
        asked = self._question or {}
        question = chosen.question or str(asked.get("question") or chosen.reason)
        offered = [o.model_dump() for o in chosen.options or []] or list(asked.get("options") or [])
        return Decision(
            id=f"ask-{self.run_id}",
            kind="ask-user",
            question=question,
            context=chosen.reason,
            options=tuple(
                DecisionOption(id=o["id"], label=o["label"], consequence=o["consequence"]) for o in offered
            ),
            freeText=True,
            requestedAt=utc_now(),
            runId=self.run_id,
        )


def refused_outcome(
    mission: Mission, block: Block, chosen: RecoverySubmission, plan_changed: bool, asked: bool
) -> str | None:
    """Why code does not accept this outcome for this block, or ``None``.

    A failed validation is answered by new work or by the human, never by asking again; an outcome that goes on must leave
    something that can run.
    """
    if chosen.outcome == "ask-user" and not (chosen.question or asked):
        return "ask-user needs a question"
    if chosen.outcome in ("ask-user", "leave-blocked"):
        return None
    failed_validation = block.reasonCategory == "validator_report_failed"
    if failed_validation and not plan_changed:
        return f"{chosen.outcome} would only repeat the validation to get a better verdict; add a repair feature with mission_revise_plan first, ask the user, or leave it blocked"
    if chosen.outcome == "rerun-validation" and block.kind != "validator":
        return "there is no validation to rerun; this block is not about one"
    try:
        following = next_unit(if_resumed(mission))
    except MissionError as error:
        return str(error)
    if not isinstance(following, Unit):
        if following.reason == "no_runnable":
            return "nothing could run after that; repair the order or the dependencies first"
    elif failed_validation and following.itemId == block.failedItemId and following.kind != "worker":
        return "the failed validation would be repeated without new work; add a feature that repairs the defect, ask the user, or leave it blocked"
    return None
