"""The tools `bash` and `jobs`: commands in the run's sandbox, their ordinals, and what the model sees of their output.

The sandbox runs and kills; this module numbers, words results, keeps the ledger and spills long output to the run's
folder. It never decides whether a command was right.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from missions.agent.ledger import CommandEntry, masks_status
from missions.agent.sandbox.session import CommandResult, Job, Sandbox
from missions.agent.tool import Tool, ToolContext, ToolResult
from missions.agent.tools.excerpt import clean, describe_binary, excerpt, is_binary
from missions.agent.tools.workspace import Workspace
from missions.model.errors import MissionError

DEFAULT_TIMEOUT = 120
LONGEST_TIMEOUT = 600
_JOB_PIECE = 12_000

_ENDINGS = {
    "timeout": "stopped after {timeout} s (timeout)",
    "silence": "stopped: it printed nothing for {silence} s",
    "cancelled": "cancelled",
    "memory": "stopped: its processes used more than {memory} MB of memory",
    "processes": "stopped: it started more than {processes} processes",
    "disk": "stopped: the disk has less than {floor} MB left",
    "lost": "lost: the sandbox ended while it ran",
}


def bash_tools(workspace: Workspace, sandbox: Sandbox) -> list[Tool]:
    """`bash` and `jobs`, sharing one sandbox."""
    return [BashTool(workspace, sandbox), JobsTool(workspace, sandbox)]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


@dataclass
class BashTool:
    """Run one command."""

    workspace: Workspace
    sandbox: Sandbox
    name: str = "bash"
    description: str = (
        "Run a command with `bash -o pipefail` in the run's sandbox, at the repository's top first, later where the last command "
        "ended (`cd` stays, variables do not). stdin is empty, there is no terminal. The first line of the result is "
        "`run N · exit code C · seconds`; reports cite N. Do not hide a status (`|| true`, `; echo`): it is no evidence then. Join steps with `&&`. "
        "Processes left behind are killed when the command ends; for a server or watcher set `background` and see `jobs`. "
        "Long output is cut in the middle; the result names the file with all of it."
    )
    read_only: bool = False
    strict: bool = False

    @property
    def input_schema(self) -> dict[str, Any]:
        """Command, time limit, background."""
        return {
            "type": "object",
            "properties": {
                "command": {"type": "string"},
                "timeout": {
                    "type": "integer",
                    "description": f"Seconds, 1 to {LONGEST_TIMEOUT}; default {DEFAULT_TIMEOUT}.",
                },
                "background": {
                    "type": "boolean",
                    "description": "Go on without waiting; it ends with the run.",
                },
            },
            "required": ["command"],
            "additionalProperties": False,
        }

    async def call(self, args: dict[str, Any], ctx: ToolContext) -> ToolResult:
        """Run the command; a non-zero exit code is an ordinary result."""
        command = args.get("command")
        if not isinstance(command, str) or not command.strip():
            return ToolResult("`command` must be a non-empty string.", is_error=True)
        timeout = args.get("timeout", DEFAULT_TIMEOUT)
        if not isinstance(timeout, int | float) or not 1 <= timeout <= LONGEST_TIMEOUT:
            return ToolResult(
                f"`timeout` must be from 1 to {LONGEST_TIMEOUT} seconds. For longer work set `background`.",
                is_error=True,
            )
        number = self.workspace.ledger.reserve()
        edits, started, where = self.workspace.ledger.edits, _now(), self.sandbox.cwd
        background = args.get("background") is True
        try:
            if background:
                job = await self.sandbox.start_job(command)
                text = f"run {number} · background {job.name} · started\nRead it with `jobs`; it has no exit code as evidence."
                result, ended, is_error = None, started, False
            else:
                result = await self.sandbox.run(command, timeout=float(timeout), cancelled=ctx.cancelled)
                text, ended = await self._words(number, command, result, int(timeout)), _now()
                is_error = result.ending not in ("exit", "signal")
        except MissionError as error:
            self._record(number, command, None, started, _now(), edits, where, False, background)
            return ToolResult(f"run {number} · not run\n{error}", is_error=True, meta=self._meta(number))
        except asyncio.CancelledError:
            self._record(number, command, None, started, _now(), edits, where, False, background)
            raise
        timed_out = result is not None and result.ending in ("timeout", "silence")
        self._record(
            number,
            command,
            result.code if result else None,
            started,
            ended,
            edits,
            where,
            timed_out,
            background,
        )
        return ToolResult(text, is_error=is_error, meta=self._meta(number))

    def _record(
        self,
        number: int,
        command: str,
        code: int | None,
        started: str,
        ended: str,
        edits: int,
        where: str,
        timed_out: bool,
        background: bool,
    ) -> None:
        command = self.workspace.redact(command)
        self.workspace.ledger.record(
            CommandEntry(
                number,
                command,
                code,
                masks_status(command),
                started,
                ended,
                edits,
                where,
                timed_out,
                background,
            )
        )

    def _meta(self, number: int) -> dict[str, Any]:
        entry = self.workspace.ledger.get(number)
        return {"command": entry.as_json()} if entry is not None else {}

    async def _words(self, number: int, command: str, result: CommandResult, timeout: int) -> str:
        limits = self.sandbox.policy.limits
        if result.ending == "exit":
            fate = f"exit code {result.code}"
        elif result.ending == "signal":
            fate = f"ended by signal {result.signal}"
        else:
            fate = _ENDINGS[result.ending].format(
                timeout=timeout,
                silence=int(limits.silence),
                memory=limits.memory >> 20,
                processes=limits.processes,
                floor=limits.disk_floor >> 20,
            )
        lines = [f"run {number} · {fate} · {result.seconds:.1f} s"]
        if masks_status(command):
            lines.append("(this command hides its status; its exit code is no evidence)")
        if result.leftovers:
            lines.append(
                f"({result.leftovers} processes it left behind were killed; use `background` for a server)"
            )
        lines += [f"({sentence})" for sentence in result.protected]
        lines.append(await asyncio.to_thread(self._shown, number, result))
        return "\n".join(lines)

    def _shown(self, number: int, result: CommandResult) -> str:
        if not result.output:
            return "(no output)"
        if is_binary(result.output):
            # Byte for byte, so that what is no text stays what it was.
            clear = self.workspace.redact(result.output.decode("latin-1")).encode("latin-1", "replace")
            place = self.workspace.spill(f"{number:03d}", clear)
            return describe_binary(result.output, result.total) + (f"; in {place}" if place else "")
        text = self.workspace.redact(clean(result.output))
        short = excerpt(text)
        if not short.cut:
            return short.text.rstrip("\n") or "(no visible output)"
        place = self.workspace.spill(f"{number:03d}", text.encode("utf-8", errors="replace"))
        return excerpt(text, f"all of it: {place}").text.rstrip("\n") if place else short.text.rstrip("\n")


@dataclass
class JobsTool:
    """See and end background commands."""

    workspace: Workspace
    sandbox: Sandbox
    name: str = "jobs"
    description: str = (
        "Background commands of this run. `list`: all of them. `read`: what `job` printed since the last read (waits up to `wait` "
        "seconds for something new). `kill`: end `job` and all its processes."
    )
    read_only: bool = False
    strict: bool = False

    @property
    def input_schema(self) -> dict[str, Any]:
        """Action, job, time to wait."""
        return {
            "type": "object",
            "properties": {
                "action": {"type": "string", "enum": ["list", "read", "kill"]},
                "job": {"type": "string"},
                "wait": {"type": "integer", "description": "Seconds, 0 to 60; default 0."},
            },
            "required": ["action"],
            "additionalProperties": False,
        }

    async def call(self, args: dict[str, Any], ctx: ToolContext) -> ToolResult:
        """Answer at once, except for a reading that waits."""
        jobs = {job.name: job for job in self.sandbox.jobs}
        action = args.get("action")
        if action == "list":
            return ToolResult(
                "\n".join(_state(job) for job in jobs.values()) or "There are no background commands.",
                polling=True,
            )
        job = jobs.get(str(args.get("job")))
        if job is None:
            return ToolResult(
                f"`job` must be one of: {', '.join(jobs) or '(there are none)'}.", is_error=True
            )
        if action == "kill":
            await self.sandbox.kill_job(job)
            return ToolResult(f"{_state(job)}\n{self._new_output(job)}")
        if action != "read":
            return ToolResult("`action` must be `list`, `read` or `kill`.", is_error=True)
        wait = args.get("wait", 0)
        if not isinstance(wait, int | float) or not 0 <= wait <= 60:
            return ToolResult("`wait` must be from 0 to 60 seconds.", is_error=True)
        if wait and job.read_to >= job.output.total:
            await self._something(job, ctx, float(wait))
        return ToolResult(f"{_state(job)}\n{self._new_output(job)}", polling=True)

    @staticmethod
    async def _something(job: Job, ctx: ToolContext, wait: float) -> None:
        """Wait until the job prints or ends, or the run is cancelled."""
        job.output.news.clear()
        waiting = [asyncio.create_task(event.wait()) for event in (job.output.news, job.ended, ctx.cancelled)]
        await asyncio.wait(waiting, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()

    def _new_output(self, job: Job) -> str:
        whole = job.output.content()
        if job.output.dropped:
            fresh = whole[-_JOB_PIECE:]
        else:
            fresh = whole[job.read_to :]
        job.read_to = job.output.total
        if not fresh:
            return "(nothing new)"
        if is_binary(fresh):
            return describe_binary(fresh)
        return excerpt(self.workspace.redact(clean(fresh)), head=2_000, tail=_JOB_PIECE - 2_000).text.rstrip(
            "\n"
        )


def _state(job: Job) -> str:
    if not job.main_ended:
        fate = "running"
    elif job.reason is not None:
        fate = f"stopped ({job.reason} limit)"
    elif job.signal is not None:
        fate = f"ended by signal {job.signal}"
    else:
        fate = f"exit code {job.code}" if job.code is not None else "ended"
    if job.main_ended and not job.ended.is_set():
        fate += ", processes it started still run"
    command = job.command if len(job.command) <= 120 else job.command[:117] + "…"
    return (
        f"{job.name} · {fate} · {time.monotonic() - job.started:.0f} s · {job.output.total} bytes · {command}"
    )
