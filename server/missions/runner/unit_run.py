"""One run of a unit: its directory, its sandbox, its tools, its conversation, and how it ended.

What worker, validator and orchestrator runs have in common. It records neither the start nor the end of a run, and it
never judges a submission: the role's own module does.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from missions.agent.budget import Budget, Limits
from missions.agent.conversation import Conversation
from missions.agent.instructions import Instructions
from missions.agent.ledger import CommandLedger
from missions.agent.loop import run_conversation
from missions.agent.sandbox.environment import command_environment
from missions.agent.sandbox.identity import ProcessIdentity, end_survivors
from missions.agent.sandbox.policy import Limits as CommandLimits
from missions.agent.sandbox.policy import Policy
from missions.agent.sandbox.session import Sandbox
from missions.agent.skills import catalogue
from missions.agent.spec import Outcome, Spec
from missions.agent.tool import Tool
from missions.agent.tool_servers import open_servers
from missions.agent.tools.bash import bash_tools
from missions.agent.tools.files import file_tools
from missions.agent.tools.search import search_tools
from missions.agent.tools.workspace import Workspace
from missions.model.contract import Role
from missions.model.errors import MissionError
from missions.model.ids import new_run_id
from missions.model.usage import ModelChoice
from missions.roles.brief import Brief, Surroundings
from missions.roles.mission_tools import research_tool
from missions.runner.bench import Bench
from missions.runner.child import ChildControl, RunObserver
from missions.runner.research import Research
from missions.runner.tampered import check_untouched
from missions.runner.workplace import RunStart
from missions.settings import DEFAULT_MODELS
from missions.store.files import atomic_write, disk_floor, make_dir
from missions.store.journal import utc_now
from missions.store.layout import RunDir
from missions.store.tampering import Stamps


@dataclass
class RunRecord:
    """``run.json``: what a resume needs to know about a run, and what people may want to."""

    runId: str
    role: Role
    itemId: str
    milestoneId: str | None
    mode: str | None
    base: str
    branch: str | None
    startedAt: str
    model: str
    sandbox: str | None = None
    supervisor: dict[str, Any] | None = None
    endedAt: str | None = None
    outcome: str | None = None
    absent: list[list[str]] = field(default_factory=list[list[str]])
    """Times between the sittings of this run: from the orderly end of one to the beginning of the next."""
    guard: dict[str, str] | None = None
    """What decides about git's behaviour, as it was when the run began (``repo.guard``)."""

    def save(self, run: RunDir, *, durable: bool = False) -> None:
        """Write it, replacing what was there. Only its first form must outlive a power cut: a resume needs it, and what is added
        later names processes of this boot or repeats the journal."""
        content = {"schemaVersion": 1, **{k: v for k, v in self.__dict__.items() if v is not None}}
        atomic_write(run.run_json, (json.dumps(content, indent=2) + "\n").encode(), "run", durable=durable)

    @classmethod
    def load(cls, run: RunDir) -> RunRecord | None:
        """What was written, or ``None`` if the run died before it was, or the file is no such record any more."""
        try:
            raw: dict[str, Any] = json.loads(run.run_json.read_bytes())
            # What is not set is not written.
            unset: dict[str, Any] = {"milestoneId": None, "mode": None, "branch": None}
            found = unset | {k: v for k, v in raw.items() if k in cls.__dataclass_fields__}
            return _record_form().validate_python(found)
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return None


@functools.cache
def _record_form() -> TypeAdapter[RunRecord]:
    return TypeAdapter(RunRecord)


@dataclass
class Sitting:
    """One attempt of this process to bring a run to its end."""

    outcome: Outcome
    duration_ms: int
    ledger: CommandLedger
    leftovers: tuple[str, ...] = ()


@dataclass
class Seat:
    """What a role brings to a run."""

    role: Role
    brief: Callable[[Surroundings], Brief]
    submit_tool: str
    own_tools: Callable[[CommandLedger], Sequence[Tool]]
    """The submit tool and the role's further tools."""
    shell: bool = True
    """Bash and, for workers, writing file tools; without it only reading tools."""
    writable: bool = True
    research: bool = False
    """It may have read-only children look things up."""
    read_roots: tuple[Path, ...] = field(default=())


def fresh_run_id(bench: Bench, kind: str, item_id: str) -> str:
    """A run id that no run of this mission has."""
    moment = int(time.time() * 1000)
    while (bench.directory.runs / new_run_id(moment, kind, item_id)).exists() or bench.mission.run(
        new_run_id(moment, kind, item_id)
    ):
        moment += 1
    return new_run_id(moment, kind, item_id)


def model_for(bench: Bench, role: Role) -> ModelChoice:
    """The frozen model of a role."""
    return bench.mission.models.get(role) or bench.settings.models.get(role) or DEFAULT_MODELS[role]


def make_run_dir(run: RunDir) -> None:
    """The run's directories, writable by its engine only."""
    for path in (run.path, run.evidence, run.output):
        make_dir(path, "run")


def begin_again(run: RunDir) -> RunRecord | None:
    """End what an earlier sitting of this run left running, and note how long nobody was at work."""
    record = RunRecord.load(run)
    if record is None:
        return None
    if record.supervisor is not None:
        end_survivors(ProcessIdentity(**record.supervisor))
    if record.endedAt is not None:
        record.absent.append([record.endedAt, utc_now()])
        record.endedAt = None
        record.save(run)
    return record


def policy_for(bench: Bench, run: RunDir, writable: bool = True) -> Policy:
    """The sandbox of a run: what the mission was started with, never more."""
    place, settings = bench.place, bench.settings
    repo = place.repository
    author, committer = place.author(), place.committer()
    wanted = bench.plan().environment.network
    allowed: bool | tuple[str, ...] = True if "*" in wanted else tuple(wanted)
    box = settings.sandbox
    extra = {
        "GIT_AUTHOR_NAME": author[0],
        "GIT_AUTHOR_EMAIL": author[1],
        "MISSIONS_EVIDENCE": str(run.evidence),
    }
    return Policy(
        workspace=repo.root,
        evidence=run.evidence,
        output=run.output,
        git_dir=repo.git_dir,
        common_dir=repo.common_dir,
        workspace_mode="rw" if writable else "ro",
        extra_ro=tuple(Path(p).expanduser() for p in box.read),
        extra_rw=tuple(Path(p).expanduser() for p in box.write),
        network=allowed or False,
        env=command_environment(os.environ, identity=committer, declared=box.environment, extra=extra),
        limits=CommandLimits(
            processes=box.processes,
            memory=box.memoryMb << 20,
            file=box.fileMb << 20,
            disk_floor=disk_floor(),
        ),
        hidden=(bench.store.root,),
        aside=run.path / "set-aside",
    )


def budget_for(bench: Bench, run_id: str | None) -> Budget:
    """What this run may use: its own limits inside what is left of the mission's."""
    mission, state = bench.mission, bench.mission.budget
    busy = mission.time.working + mission.time.validating
    wait = int(bench.settings.provider.waitMinutes * 60_000)
    whole = Budget(
        Limits(state.usdMicro, state.tokens, state.wallMs, wait),
        bench.prices,
        spent=mission.usage,
        elapsed_ms=busy,
    )
    run = mission.run(run_id)
    return Budget(
        Limits(state.unitUsdMicro, None, state.unitWallMs, wait),
        bench.prices,
        parent=whole,
        spent=run.usage if run else None,
        elapsed_ms=run.durationMs - run.providerWaitMs if run else 0,
    )


async def hold(
    bench: Bench, run: RunDir, record: RunRecord, seat: Seat, control: ChildControl, start: RunStart | None
) -> Sitting:
    """Bring the run's conversation to an end, from wherever it is."""
    began = time.monotonic()
    conversation = Conversation.open(run.transcript, bench.redactor)
    ledger = CommandLedger.restored(conversation.metas())
    leftovers: list[str] = []
    stamps: Stamps | None = None
    try:
        async with AsyncExitStack() as stack:
            stack.callback(conversation.close)
            workspace = Workspace(
                bench.place.root,
                read_roots=(run.output, run.evidence, *seat.read_roots),
                run_dir=run.path,
                writable=seat.writable,
                redact=bench.redactor.text,
                ledger=ledger,
            )
            workspace.restore(conversation.metas())
            if seat.writable:
                workspace.sweep(_written(conversation))
            tools: list[Tool] = []
            if seat.shell:
                sandbox = await (_taken(bench) or _sandbox(bench, run))
                stack.push_async_callback(_close, sandbox, leftovers)
                record.sandbox = sandbox.kind
                record.supervisor = sandbox.identity.as_json() if sandbox.identity else None
                record.save(run)
                if sandbox.kind == "none":
                    bench.log.watch()
                    stamps = Stamps.take(bench.directory, run)
                tools += bash_tools(workspace, sandbox)
            tools += [
                t for t in [*file_tools(workspace), *search_tools(workspace)] if seat.writable or t.read_only
            ]
            tools += seat.own_tools(ledger)
            choice, budget = model_for(bench, seat.role), budget_for(bench, record.runId)
            observer = RunObserver(
                bench.log, bench.activity, record.runId, seat.role, choice.model, bench.watcher
            )
            if seat.research:
                tools.append(research_tool(Research(bench, run, choice, budget, control, observer)))
            served, lacking = await open_servers(
                stack,
                {name: one for name, one in bench.settings.mcp.items() if seat.role in one.roles},
                functools.partial(policy_for, bench, run),
                bench.settings.sandbox.mode,
                os.environ,
                workspace,
            )
            tools += served
            instructions = await asyncio.to_thread(Instructions.freeze, bench.place.root)
            brief = seat.brief(await asyncio.to_thread(surroundings, bench, run, record, instructions, start))
            bench.activity.show(
                now=True, runId=record.runId, role=seat.role, itemId=record.itemId, sandbox=record.sandbox
            )
            for sentence in lacking:
                conversation.note("mcp", sentence)
                bench.watcher.event("note", {"text": sentence})
            if conversation.messages and not conversation.told(record.runId):
                conversation.say(brief.first_message, "task")
            spec = Spec(
                role=seat.role,
                model=choice,
                system=list(brief.system),
                tools=tools,
                first_message=brief.first_message,
                submit_tool=seat.submit_tool,
                budget=budget,
                max_turns=conversation.progress.task_began
                + (bench.mission.budget.unitTurns or bench.settings.budget.unitTurns),
                fallback=ModelChoice(model=choice.fallback) if choice.fallback else None,
                run_dir=run.path,
                touched=instructions.touched,
            )
            outcome = await run_conversation(spec, conversation, bench.model, control, observer)
    finally:
        bench.activity.clear()
    if stamps is not None:
        check_untouched(bench.log, stamps)
    return Sitting(outcome, int((time.monotonic() - began) * 1000), ledger, tuple(leftovers))


def _written(conversation: Conversation) -> list[str]:
    """The files that this conversation's calls have written, or had begun to write when their process died."""
    said = [block for message in conversation.messages for block in message["content"]]
    calls = [
        block for block in said if block.get("type") == "tool_use" and block.get("name") in ("write", "edit")
    ]
    return [str(block["input"].get("path", "")) for block in calls]


def open_ahead(bench: Bench, run: RunDir) -> None:
    """Start the run's sandbox while something else is prepared; :func:`hold` takes it."""
    make_run_dir(run)
    bench.opening = asyncio.create_task(_sandbox(bench, run), name="sandbox")


async def discard_ahead(bench: Bench) -> None:
    """Close a sandbox that was started ahead and never taken."""
    opening = _taken(bench)
    if opening is not None:
        with contextlib.suppress(MissionError):
            await (await opening).close()


def _taken(bench: Bench) -> asyncio.Task[Sandbox] | None:
    opening, bench.opening = bench.opening, None
    return opening


async def _sandbox(bench: Bench, run: RunDir) -> Sandbox:
    return await Sandbox.start(policy_for(bench, run), bench.settings.sandbox.mode)


async def _close(sandbox: Sandbox, leftovers: list[str]) -> None:
    leftovers += await sandbox.close()


def surroundings(
    bench: Bench, run: RunDir, record: RunRecord, instructions: Instructions, start: RunStart | None
) -> Surroundings:
    """The facts about the place that a brief names."""
    return Surroundings(
        repository=str(bench.place.root),
        branch=record.branch,
        base_commit=record.base,
        instructions=instructions.text,
        skills_catalogue=catalogue(bench.place.root),
        sandbox=record.sandbox or "",
        network=bench.plan().environment.network,
        protected=tuple(bench.mission.workspace.kept_paths()),
        run_dir=str(run.path),
        evidence_dir=str(run.evidence) if record.sandbox else "",
        day=record.startedAt[:10],
    )
