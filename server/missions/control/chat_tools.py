"""What the tools of the main chat do: mission tools over the operations, in the name of the conversation.

A model can never start, resume, waive or clear anything here: such a wish becomes a question that the human answers outside
the conversation. Everything else is the same request that any other face would send.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from missions.control import drafts, planning, queries, revisions, starting
from missions.control.caller import Caller
from missions.control.preflight_text import preflight_lines
from missions.control.requests import Reply, send
from missions.model.errors import MissionError
from missions.model.plain_text import one_line
from missions.model.plan_text import findings_text
from missions.runner.applying import defects_of
from missions.runner.artifacts import read_artifact

Research = Callable[[str], Awaitable[str]]

_PLAIN: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "pause-after-current": ("pause", {}, {}),
    "pause-now": ("pause", {}, {"now": True}),
    "retry-feature": ("retry", {"featureId": "feature", "text": "note"}, {}),
    "skip-feature": ("skip", {"featureId": "feature", "reason": "reason"}, {}),
    "rerun-validation": ("rerun-validation", {"milestoneId": "milestone", "reason": "reason"}, {}),
    "steer": ("steer", {"text": "text"}, {}),
    "block": ("block", {"reason": "reason"}, {}),
    "unblock": ("unblock", {"reason": "reason"}, {}),
}
"""Commands that act at once: operation, argument names (tool → operation), fixed arguments."""


class ChatTools:
    """The handlers of the tools of one mission's chat."""

    def __init__(self, caller: Caller, mission_id: str, research: Research) -> None:
        self._caller = replace(caller, face=f"{caller.face}-chat")
        self._mission_id = mission_id
        self._research = research
        self.asked: list[str] = []
        """Ids of decisions that the conversation has put before the human since the last message."""

    def handlers(self) -> dict[str, Callable[[dict[str, Any]], Awaitable[str]]]:
        """One coroutine per tool name."""
        return {
            "mission_write_plan": self._write_plan,
            "mission_revise_plan": self._revise_plan,
            "mission_start_execution": self._start,
            "mission_runner_command": self._command,
            "mission_status": self._status,
            "mission_list": self._list,
            "mission_clear_completed": self._clear,
            "mission_answer_comment": self._answer_comment,
            "read_artifact": self._artifact,
            "research": self._researched,
        }

    async def _send(self, op: str, args: dict[str, Any]) -> Reply:
        reply = await asyncio.to_thread(send, self._caller, op, self._mission_id, args)
        return reply.checked()

    async def _write_plan(self, args: dict[str, Any]) -> str:
        plan: object = args.get("plan")
        if args.get("draft"):
            if plan is None:
                raise MissionError("bad_argument", "There is no plan to draft.", "Give the plan.")
            shown = await asyncio.to_thread(drafts.draft, self._caller, self._mission_id, plan)
            return f"Nothing is saved yet. Show the user this draft; a call without a plan saves it as it is.\n\n{shown}"
        if plan is None:
            kept = await asyncio.to_thread(drafts.kept, self._caller, self._mission_id)
            plan = kept.model_dump(mode="json", by_alias=True, exclude_none=True)
        await self._send("write-plan", {"plan": plan})
        drafts.discard(self._caller, self._mission_id)
        return await self._in_force("is saved; nothing was started")

    async def _revise_plan(self, args: dict[str, Any]) -> str:
        await self._send("revise-plan", {"reason": args["reason"], "operations": args["operations"]})
        return await self._in_force("is in force")

    async def _in_force(self, what: str) -> str:
        """The plan as it is now, what changed, and what there is to remark on it."""
        mission = queries.load(self._caller, self._mission_id)
        _, findings = await asyncio.to_thread(planning.judged_mission, self._caller, self._mission_id)
        lines = [f"Plan version {mission.plan.version} of {mission.id} {what}."]
        lines += [
            f"- {m.id} {m.title}: " + ", ".join(f"{f.id} {f.title}" for f in m.features)
            for m in mission.milestones
        ]
        if mission.plan.version > 1:
            changes = await asyncio.to_thread(revisions.changes, self._caller, self._mission_id)
            lines += ["Changed:", *(changes or ["nothing"])]
        if findings:
            lines += ["Remarks:", *findings_text(findings)]
        return "\n".join(lines)

    async def _start(self, args: dict[str, Any]) -> str:
        return await self._ask_to_run("run")

    async def _ask_to_run(self, op: str) -> str:
        found = await asyncio.to_thread(starting.look, self._caller, self._mission_id)
        if found.problems:
            raise found.problems[0]
        details = [
            *preflight_lines(found),
            *(f"Missing     {one_line(what, 300)}" for what in found.inheritance.missing),
            *(
                f"A yes also answers: {gate.question} {one_line(', '.join(gate.details), 300)}".strip()
                for gate in found.gates
                if gate.id != "plan"
            ),
        ]
        accept = sorted({"plan", *(gate.id for gate in found.gates)})
        question = (
            f"Start version {found.plan_version} of the plan?" if op == "run" else "Resume the mission?"
        )
        return await self._confirm(
            op, {"accept": accept, "planVersion": found.plan_version}, question, details
        )

    async def _confirm(self, op: str, args: dict[str, Any], question: str, details: list[str]) -> str:
        """Put ``op`` before the human; the conversation learns only that it was asked."""
        await self._send(
            "request-confirmation", {"op": op, "args": args, "question": question, "details": details[:50]}
        )
        mission = queries.load(self._caller, self._mission_id)
        decision = next(
            (d for d in reversed(mission.decisions) if d.kind == "gate" and d.options[0].op == op), None
        )
        if decision is not None and decision.id not in self.asked:
            self.asked.append(decision.id)
        return "The question was put to the user. Nothing happens until the user answers it outside this conversation."

    async def _command(self, args: dict[str, Any]) -> str:
        command = str(args["command"])
        if command == "status":
            return await self._status(args)
        if command in ("start", "resume"):
            return await self._ask_to_run("run" if command == "start" else "resume")
        if command == "cancel-current-child":
            return await self._confirm(
                "cancel",
                {"reason": args.get("reason")},
                "Cancel the current run? What it has not committed is kept as a snapshot.",
                [],
            )
        if command == "waive-defect":
            return await self._ask_to_waive(str(args.get("defectId", "")), str(args.get("reason") or ""))
        op, names, fixed = _PLAIN[command]
        given = {target: args[source] for source, target in names.items() if args.get(source)} | fixed
        reply = await self._send(op, given)
        return (
            f"{op}: {reply.state}."
            if reply.state == "applied"
            else f"{op}: noted; it is applied at the next safe point."
        )

    async def _ask_to_waive(self, defect: str, reason: str) -> str:
        """Ask about the defect of the latest report that holds it; a later one of the same id is another question."""
        mission = queries.load(self._caller, self._mission_id)
        directory = self._caller.store.mission(self._mission_id)
        given: dict[str, Any] = {"defect": defect, "reason": reason, "confirmed": True}
        details: list[str] = []
        for run in reversed(mission.runs):
            found = defects_of(directory, run.runId) if run.kind == "validator" else []
            facts = next((one for one in found if one.get("id") == defect), None)
            if facts is not None:
                given["run"] = run.runId
                details.append(f"{facts.get('severity', '')}: {one_line(str(facts.get('title', '')), 300)}")
                details.append(f"Found by {run.runId} in milestone {run.milestoneId}")
                break
        details.append(f"Reason: {one_line(reason, 1000)}")
        return await self._confirm("waive", given, f"Accept the defect {defect}?", details)

    async def _status(self, args: dict[str, Any]) -> str:
        return await asyncio.to_thread(queries.status, self._caller, self._mission_id)

    async def _list(self, args: dict[str, Any]) -> str:
        cwd = Path(queries.load(self._caller, self._mission_id).cwd)
        rows = await asyncio.to_thread(queries.rows_json, self._caller, cwd=cwd)
        return (
            "\n".join(f"{m['id']}  {m['status']}  {m['title']}" for m in rows["missions"])
            or "There are no missions here."
        )

    async def _clear(self, args: dict[str, Any]) -> str:
        raise MissionError(
            "confirmation_needed",
            "Hiding completed missions needs the user's own yes.",
            "Tell the user to run the clear command.",
        )

    async def _artifact(self, args: dict[str, Any]) -> str:
        directory = self._caller.store.mission(self._mission_id)
        return await asyncio.to_thread(read_artifact, directory, str(args["path"]), bool(args.get("tail")))

    async def _answer_comment(self, args: dict[str, Any]) -> str:
        await self._send("answer-comment", {"comment": args["comment"], "answer": args["answer"]})
        return "Noted."

    async def _researched(self, args: dict[str, Any]) -> str:
        return await self._research(str(args["question"]))
