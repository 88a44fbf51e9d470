"""The small world of the agent loop's tests: tools, a spec and a run against the scripted model."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from missions.agent.budget import Budget, Limits
from missions.agent.conversation import Conversation
from missions.agent.credentials import Credentials, Provider
from missions.agent.loop import Control, Outcome, RetryPolicy, Spec, run_conversation
from missions.agent.model import ModelClient
from missions.agent.prices import PriceTable
from missions.agent.tool import ToolContext, ToolResult
from missions.model.usage import ModelChoice
from missions.store.redact import Redactor
from support.scripted_model import ScriptedModel

QUICK = RetryPolicy(first=0.01, longest=0.02, countdown=0.05)


@dataclass
class NoteTool:
    """Writes a line into a file, so that tests can count how often it really ran."""

    path: Path
    name: str = "note"
    description: str = "Note a line."
    read_only: bool = False
    strict: bool = False
    input_schema: dict[str, Any] = field(
        default_factory=lambda: {
            "type": "object",
            "properties": {
                "line": {"type": "string"},
                "times": {"type": "integer"},
                "tags": {"type": "array"},
            },
            "required": ["line"],
            "additionalProperties": False,
        }
    )

    async def call(self, args: dict[str, Any], ctx: ToolContext) -> ToolResult:
        with self.path.open("a") as out:
            out.write(args["line"] + "\n")
        if args["line"] == "explode":
            raise RuntimeError("boom\nwith details")
        return ToolResult(f"noted {json.dumps(args, sort_keys=True)}")

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []


@dataclass
class LookTool:
    """Read-only; remembers how many calls were running at once."""

    name: str = "look"
    description: str = "Look."
    read_only: bool = True
    strict: bool = False
    running: int = 0
    most: int = 0
    answer: str = "seen"
    hang: bool = False
    input_schema: dict[str, Any] = field(
        default_factory=lambda: {"type": "object", "properties": {"at": {"type": "string"}}}
    )

    async def call(self, args: dict[str, Any], ctx: ToolContext) -> ToolResult:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if self.hang:
                await asyncio.Event().wait()
            for _ in range(5):
                await asyncio.sleep(0)
            return ToolResult(f"{self.answer} {args.get('at', '')}")
        finally:
            self.running -= 1


@dataclass
class SubmitTool:
    """Accepts every submission whose status is good."""

    name: str = "submit_handoff"
    description: str = "Hand off."
    read_only: bool = False
    strict: bool = True
    input_schema: dict[str, Any] = field(
        default_factory=lambda: {
            "type": "object",
            "properties": {"status": {"type": "string"}},
            "required": ["status"],
            "additionalProperties": False,
        }
    )

    async def call(self, args: dict[str, Any], ctx: ToolContext) -> ToolResult:
        if args["status"] != "good":
            return ToolResult("refused: status must be good", is_error=True)
        return ToolResult("accepted", submission=args)


class Watcher:
    """Keeps all events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def event(self, kind: str, data: dict[str, Any]) -> None:
        self.events.append((kind, data))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for one, data in self.events if one == kind]


class World:
    """One conversation in a folder."""

    def __init__(self, folder: Path) -> None:
        self.transcript = folder / "run" / "transcript.jsonl"
        self.note = NoteTool(folder / "notes.txt")
        self.look = LookTool()
        self.submit = SubmitTool()
        self.watcher = Watcher()
        self.control = Control()
        self.limits = Limits()
        self.read_timeout = 30.0
        self.options: dict[str, Any] = {}
        self.redactor = Redactor({"MY_API_KEY": "hunter2-very-secret"})

    def spec(self) -> Spec:
        options: dict[str, Any] = {"submit_tool": "submit_handoff", "retry": QUICK, **self.options}
        return Spec(
            role="worker",
            model=options.pop("model", ModelChoice(model="claude-sonnet-5-5")),
            system=["You work. " * 40],
            tools=[self.note, self.look, self.submit],
            first_message="Do the task.",
            budget=options.pop("budget", None) or Budget(self.limits, PriceTable.load()),
            **options,
        )

    async def run(self, server: ScriptedModel, control: Control | None = None) -> Outcome:
        client = ModelClient(
            Credentials("api_key", "k"), Provider(base_url=server.base_url), read_timeout=self.read_timeout
        )
        conversation = Conversation.open(self.transcript, self.redactor)
        try:
            return await run_conversation(
                self.spec(), conversation, client, control or self.control, self.watcher
            )
        finally:
            conversation.close()
            await client.close()

    def records(self, kind: str | None = None) -> list[dict[str, Any]]:
        records = [json.loads(line) for line in self.transcript.read_text().splitlines()]
        return [record for record in records if kind in (None, record["type"])]


def results(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The tool results of the newest message."""
    return [block for block in body["messages"][-1]["content"] if block["type"] == "tool_result"]
