"""The main chat of a mission: one durable conversation with the planner, from the first wish to the last question.

It has its own lock and transcript and is no part of the journal; what it *does* goes through operations like everybody's. A
process that dies in mid-answer loses nothing that was written: the next one continues the conversation. It never answers a
question that is the human's.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Generator, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from missions.agent.budget import Budget, Limits
from missions.agent.conversation import Conversation
from missions.agent.credentials import Credentials, Provider
from missions.agent.instructions import Instructions
from missions.agent.loop import run_conversation
from missions.agent.model import ModelClient
from missions.agent.prices import PriceTable
from missions.agent.sandbox.environment import command_environment
from missions.agent.sandbox.policy import Policy
from missions.agent.skills import base_skill, catalogue
from missions.agent.spec import Control as Switches
from missions.agent.spec import Outcome, Spec
from missions.agent.tool import NobodyWatches, Observer, Tool
from missions.agent.tool_servers import open_servers
from missions.agent.tools.workspace import Workspace
from missions.control import queries, starting
from missions.control.caller import Caller, work_tree
from missions.control.chat_tools import ChatTools
from missions.control.templates import template_of
from missions.model.errors import MissionError
from missions.model.mission import Mission
from missions.model.plain_text import many_lines
from missions.model.revise import operations_schema
from missions.model.usage import ModelChoice, Usage
from missions.roles.planner import context_of, opening, planner_system, planner_tools
from missions.roles.research import AT_ONCE, look_up, reading_tools
from missions.settings import DEFAULT_MODELS
from missions.store.files import make_dir, open_private
from missions.store.lock import FileLock
from missions.store.redact import Redactor
from missions.store.transcript import TranscriptReader

LONGEST_MESSAGE = 200_000
"""Characters of one message; longer ones would fill the model's context."""
_TURNS = 60
_PROVIDER_WAIT = 2 * 60 * 1000
"""Milliseconds; somebody sits in front of a chat."""


@dataclass(frozen=True)
class Entry:
    """One message of the chat as people see it."""

    role: Literal["user", "assistant"]
    text: str
    at: str
    tools: tuple[str, ...] = ()
    """Names of the tools that an answer used."""


@dataclass(frozen=True)
class Answer:
    """How a message was answered. ``asked`` are decisions that now wait for the human."""

    text: str
    outcome: str
    detail: str
    usage: Usage
    asked: tuple[str, ...] = ()


class Chat:
    """The chat of one mission for one face."""

    def __init__(
        self,
        caller: Caller,
        mission_id: str,
        *,
        credentials: Credentials | None = None,
        headless: bool = False,
    ) -> None:
        self._caller = caller
        self._directory = caller.store.mission(mission_id)
        self._mission_id = mission_id
        self._handed_over = credentials
        self._headless = headless
        self._limit = asyncio.Semaphore(AT_ONCE)
        self._researched = Usage()
        """What the research of this answer has used."""

    def history(self, limit: int = 200) -> list[Entry]:
        """The last messages, oldest first; also while another process answers."""
        return read_history(self._directory.chat_transcript)[-limit:]

    def unanswered(self) -> bool:
        """Whether an answer was cut off: nobody answered the user's last words, or the results of tools."""
        last: dict[str, Any] = {}
        for record in _messages(self._directory.chat_transcript):
            if record.get("kept", True):
                last = record
        if last.get("type") == "user":
            return True
        content: list[dict[str, Any]] = last.get("content") or []
        return any(block.get("type") == "tool_use" for block in content)

    async def send(
        self, text: str | None, observer: Observer | None = None, switches: Switches | None = None
    ) -> Answer:
        """Say ``text`` and return the answer; with ``None`` the conversation goes on where it was cut off.

        Pieces of the answer reach ``observer`` as they stream; ``switches.cancel`` stops within a second. Raises ``locked``
        while another face waits for an answer, ``no_credentials`` before anything is written.
        """
        if text is not None:
            text = sayable(text)
        mission = queries.load(self._caller, self._mission_id)
        async with AsyncExitStack() as stack:
            model, redactor = await self._model(mission, stack)
            stack.enter_context(self._lock())
            conversation = Conversation.open(self._directory.chat_transcript, redactor)
            stack.callback(conversation.close)
            tools = ChatTools(
                self._caller,
                self._mission_id,
                lambda question: self._research(mission, model, redactor, question),
            )
            opening = await asyncio.to_thread(self._opening, mission)
            if text is not None:
                said = self._said(mission, text)
                if not conversation.messages:
                    said.insert(0, {"type": "text", "text": opening})
                conversation.say(said, "user")
            spec = self._spec(mission, tools, conversation, self._again(opening))
            served, lacking = await self._served(mission, stack, redactor)
            spec.tools += served
            for sentence in lacking:
                conversation.note("mcp", sentence)
                (observer or NobodyWatches()).event("note", {"text": sentence})
            before, self._researched = conversation.progress.usage, Usage()
            outcome = await run_conversation(
                spec, conversation, model, switches or Switches(), observer or NobodyWatches()
            )
            return self._answer(outcome, before, tools)

    def _said(self, mission: Mission, text: str) -> list[dict[str, Any]]:
        """A message of the user with the state of the mission before it."""
        state = queries.status(self._caller, self._mission_id)
        comments = [f"{c.id} at {c.path}: {c.text}" for c in mission.comments]
        context = context_of(state, comments, self._headless)
        return [{"type": "text", "text": context}, {"type": "text", "text": text}]

    def _again(self, opening: str) -> list[dict[str, Any]]:
        """What a context that begins anew is told: the surroundings, and the user's last message."""
        last: list[dict[str, Any]] = []
        for record in _messages(self._directory.chat_transcript):
            if record.get("type") == "user" and record.get("kind") == "user":
                last = record.get("content") or []
        first = last[0].get("text") if last else None
        return last if first == opening else [{"type": "text", "text": opening}, *last]

    def _answer(self, outcome: Outcome, before: Usage, tools: ChatTools) -> Answer:
        text = outcome.detail if outcome.kind == "ended" else ""
        spent = _difference(outcome.usage, before) + self._researched
        return Answer(text, outcome.kind, outcome.detail, spent, tuple(tools.asked))

    async def _model(self, mission: Mission, stack: AsyncExitStack) -> tuple[ModelClient, Redactor]:
        settings = self._caller.settings(Path(mission.cwd)).settings
        if mission.demo:
            from missions.simulator.demo import demo_playbook
            from missions.simulator.service import Simulator

            service = Simulator(demo_playbook(), pace=float(os.environ.get("MISSIONS_DEMO_PACE") or 0.3))
            provider = Provider(base_url=service.start())
            stack.callback(service.stop)
            credentials = Credentials("api_key", "no-key-for-the-simulator", "the simulator")
        else:
            credentials = await asyncio.to_thread(
                starting.resolve_credentials, self._caller, mission, self._handed_over
            )
            provider = Provider(name=settings.provider.kind, base_url=settings.provider.baseUrl)
        model = ModelClient(credentials, provider)
        stack.push_async_callback(model.close)
        return model, Redactor(values=credentials.secrets())

    async def _served(
        self, mission: Mission, stack: AsyncExitStack, redactor: Redactor
    ) -> tuple[list[Tool], list[str]]:
        """The tools of the servers that the planner has, for this answer."""
        root = work_tree(Path(mission.cwd))
        settings = self._caller.settings(root).settings
        servers = {name: one for name, one in settings.mcp.items() if "planner" in one.roles}
        variables = self._caller.variables()

        def around() -> Policy:
            env = command_environment(variables, declared=settings.sandbox.environment)
            return Policy(workspace=root, env=env, hidden=(self._caller.store.root,))

        # Nobody is asked here, so only the user's own setting goes without a sandbox.
        mode = "none" if settings.sandbox.mode == "none" else "required"
        workspace = Workspace(root, writable=False, redact=redactor.text)
        return await open_servers(stack, servers, around, mode, variables, workspace)

    def _choice(self, mission: Mission) -> ModelChoice:
        settings = self._caller.settings(Path(mission.cwd)).settings
        return mission.models.get("planner") or settings.models.get("planner") or DEFAULT_MODELS["planner"]

    def _opening(self, mission: Mission) -> str:
        root = work_tree(Path(mission.cwd))
        day = datetime.now(UTC).strftime("%Y-%m-%d")
        text = opening(str(root), Instructions.freeze(root).text, catalogue(root), day)
        return (
            f"{text}\n\n{template.guidance.strip()}"
            if (template := template_of(self._caller.store, mission))
            else text
        )

    def _spec(
        self, mission: Mission, tools: ChatTools, conversation: Conversation, again: list[dict[str, Any]]
    ) -> Spec:
        choice = self._choice(mission)
        return Spec(
            role="planner",
            model=choice,
            system=list(planner_system(base_skill("mission-plan"))),
            tools=[
                *reading_tools(Workspace(work_tree(Path(mission.cwd)), writable=False)),
                *planner_tools(tools.handlers(), operations_schema()),
            ],
            first_message=again,
            submit_tool=None,
            budget=Budget(
                Limits(provider_wait_ms=_PROVIDER_WAIT), PriceTable.load(), spent=conversation.progress.usage
            ),
            max_turns=conversation.progress.turns + _TURNS,
            fallback=ModelChoice(model=choice.fallback) if choice.fallback else None,
        )

    async def _research(self, mission: Mission, model: ModelClient, redactor: Redactor, question: str) -> str:
        """One read-only child conversation; at most three at once."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        path = self._directory.chat / f"research-{stamp}-{secrets.token_hex(4)}.jsonl"
        async with self._limit:
            return await look_up(
                question,
                work_tree(Path(mission.cwd)),
                path,
                model=model,
                choice=self._choice(mission),
                redactor=redactor,
                budget=Budget(Limits(provider_wait_ms=_PROVIDER_WAIT), PriceTable.load()),
                control=Switches(),
                observer=NobodyWatches(),
                spent=self._has_researched,
            )

    def _has_researched(self, usage: Usage) -> None:
        self._researched += usage

    @contextmanager
    def _lock(self) -> Generator[None]:
        """One answer at a time, whatever face asks; freed by the kernel when the process dies."""
        make_dir(self._directory.chat, "chat")
        descriptor = open_private(self._directory.chat / "chat.lock", "chat", os.O_RDWR | os.O_CREAT)
        try:
            with ExitStack() as stack:
                try:
                    stack.enter_context(FileLock(descriptor, self._mission_id))
                except MissionError as error:
                    if error.code != "locked":
                        raise
                    message = "Another window is waiting for an answer in this chat."
                    raise MissionError("locked", message, "Wait for it, or cancel it there.") from None
                yield
        finally:
            os.close(descriptor)


def sayable(text: str) -> str:
    """``text`` as it can be said: without control characters; ``bad_argument`` if it is empty or too long."""
    if len(text) > LONGEST_MESSAGE:
        raise MissionError(
            "bad_argument",
            f"A message of {len(text):,} characters is too long; the most is {LONGEST_MESSAGE:,}.",
            "Put it into a file of the repository and name the file.",
        )
    clean = many_lines(text.encode("utf-8", "replace").decode("utf-8"), LONGEST_MESSAGE)
    if not clean.strip():
        raise MissionError("bad_argument", "There is nothing to say.", "Write something.")
    return clean


def read_history(transcript: Path) -> list[Entry]:
    """The messages of a chat transcript as people saw them; tool traffic and state notes are left out."""
    entries: list[Entry] = []
    used: list[str] = []
    for record in _messages(transcript):
        content: list[dict[str, Any]] = record.get("content") or []
        texts = [str(b.get("text", "")) for b in content if b.get("type") == "text"]
        if record.get("type") == "user" and record.get("kind") == "user" and texts:
            entries.append(Entry("user", texts[-1], str(record.get("at", ""))))
            used = []
        elif record.get("type") == "assistant":
            used += [str(b.get("name")) for b in content if b.get("type") == "tool_use"]
            if texts and "".join(texts).strip():
                entries.append(Entry("assistant", "\n\n".join(texts), str(record.get("at", "")), tuple(used)))
                used = []
    return entries


def _messages(transcript: Path) -> Iterator[dict[str, Any]]:
    """The records of a transcript that hold a message, in order."""
    if not transcript.exists():
        return
    reader = TranscriptReader(transcript)
    while lines := reader.read_new():
        yield from (record for record in lines if record.get("type") in ("user", "assistant"))


def _difference(now: Usage, before: Usage) -> Usage:
    names = (
        "inputTokens",
        "outputTokens",
        "cacheReadTokens",
        "cacheWrite5mTokens",
        "cacheWrite1hTokens",
        "requests",
        "costMicroUsd",
    )
    return Usage(
        **{name: max(0, getattr(now, name) - getattr(before, name)) for name in names},
        estimated=now.estimated,
    )
