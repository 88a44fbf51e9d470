"""``missions/chat/*``: the main chat of a mission for the client, written by a process of its own.

The server stays small: the model client lives in ``control/chat_service``, a child that ends with the server and is started with the
first message. A chat's id is its mission's. What is said is durable before it is answered; nothing is kept here.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from missions.lsp import protocol
from missions.lsp.protocol import (
    ChatCancelParams,
    ChatDelta,
    ChatEnd,
    ChatEntry,
    ChatHistoryParams,
    ChatHistoryResult,
    ChatOpenParams,
    ChatOpenResult,
    ChatSendParams,
    ChatSendResult,
    ErrorData,
)
from missions.model.errors import MissionError

if TYPE_CHECKING:
    from missions.lsp.server import MissionsServer
    from missions.lsp.session import Session

_NAME = "chat"


class ChatChild:
    """The process that writes answers; started when it is needed, and again if it died."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._server = session.server
        self._process: asyncio.subprocess.Process | None = None
        self._open: dict[str, tuple[str, str]] = {}
        """Answer id → (mission, folder)."""
        self._starting = asyncio.Lock()
        self._server.lifetime.farewells.append(self._kill)

    def busy(self, mission: str) -> bool:
        """Whether an answer is being written."""
        return any(known == mission for known, _ in self._open.values())

    async def say(self, mission: str, cwd: Path, text: str | None) -> str:
        """Start an answer; its pieces and its end follow as notifications."""
        if self.busy(mission):
            raise MissionError(
                "locked", "An answer is being written in this chat.", "Wait for it, or cancel it."
            )
        message = secrets.token_hex(8)
        process = await self._running()
        key = await asyncio.to_thread(self._session.key.handed_over, self._session.caller, cwd)
        if key is not None:
            self._order(process, {"op": "credentials", "kind": key.kind, "value": key.value})
        self._open[message] = (mission, str(cwd))
        editor = self._session.caller.editor
        order = {
            "op": "send",
            "id": message,
            "mission": mission,
            "text": text,
            "store": str(self._session.store.root),
            "face": "lsp",
            "settings": dict(editor or {}),
        }
        self._order(process, order)
        return message

    async def cancel(self, mission: str) -> None:
        """Stop the answer that is being written, if any."""
        if self._process is not None and self.busy(mission):
            self._order(self._process, {"op": "cancel", "mission": mission})

    async def _running(self) -> asyncio.subprocess.Process:
        async with self._starting:
            if self._process is not None and self._process.returncode is None:
                return self._process
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "missions.control.chat_service",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=16 * 1024 * 1024,
            )
            self._server.tasks.start(_NAME, self._read(self._process))
            return self._process

    def _order(self, process: asyncio.subprocess.Process, order: dict[str, Any]) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps(order).encode() + b"\n")

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            self._take(json.loads(line))
        await process.wait()
        for message in list(self._open):
            message_text, next_step = (
                "The process that writes answers ended.",
                "Say it again; what was said is kept.",
            )
            error = ErrorData(code="internal", message=message_text, next_step=next_step)
            self._end(message, "failed", error)

    def _take(self, line: dict[str, Any]) -> None:
        message = str(line.get("id"))
        if message not in self._open:
            return
        mission = self._open[message][0]
        if line.get("event") == "delta":
            self._server.send(
                protocol.CHAT_DELTA,
                ChatDelta(chat=mission, message=message, kind=line["kind"], text=str(line.get("text", ""))),
            )
            return
        given: dict[str, Any] | None = line.get("error")
        error = (
            ErrorData(
                code=given["code"], message=given["message"], next_step=given["nextStep"], data=given["data"]
            )
            if given
            else None
        )
        self._end(message, str(line.get("outcome", "failed")), error)

    def _end(self, message: str, outcome: Any, error: ErrorData | None) -> None:
        mission, _ = self._open.pop(message)
        self._server.send(
            protocol.CHAT_END,
            ChatEnd(chat=mission, message=message, outcome=outcome, error=error, mission=mission),
        )

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()


_children: WeakKeyDictionary[Session, ChatChild] = WeakKeyDictionary()


def child_of(session: Session) -> ChatChild:
    """The chat process of a session, made at the first question; it starts with the first message."""
    found = _children.get(session)
    if found is None:
        found = _children[session] = ChatChild(session)
    return found


def register(server: MissionsServer) -> None:
    """Take what the client says."""

    async def child() -> ChatChild:
        return child_of(await server.session())

    @server.feature(protocol.CHAT_OPEN)
    async def chat_open(params: ChatOpenParams) -> ChatOpenResult:  # pyright: ignore[reportUnusedFunction]
        session = await server.session()
        mission_id = await asyncio.to_thread(_chosen, session, params)
        mission = await asyncio.to_thread(session.control.mission, mission_id)
        choice = (
            mission.models.get("planner") or session.settings(Path(mission.cwd)).settings.models["planner"]
        )
        busy = (await child()).busy(mission_id)
        cut_off = not busy and await asyncio.to_thread(_unanswered, session, mission_id)
        return ChatOpenResult(
            chat=mission_id,
            title=mission.title,
            busy=busy,
            mission=mission_id,
            model=choice.model,
            unanswered=cut_off,
        )

    @server.feature(protocol.CHAT_SEND)
    async def chat_send(params: ChatSendParams) -> ChatSendResult:  # pyright: ignore[reportUnusedFunction]
        session = await server.session()
        mission = await asyncio.to_thread(session.control.mission, params.chat)
        text = await asyncio.to_thread(_sayable, session, params)
        message = await (await child()).say(mission.id, Path(mission.cwd), text)
        return ChatSendResult(message=message)

    @server.feature(protocol.CHAT_CANCEL)
    async def chat_cancel(params: ChatCancelParams) -> None:  # pyright: ignore[reportUnusedFunction]
        await (await child()).cancel(params.chat)

    @server.feature(protocol.CHAT_HISTORY)
    async def chat_history(params: ChatHistoryParams) -> ChatHistoryResult:  # pyright: ignore[reportUnusedFunction]
        session = await server.session()
        entries = await asyncio.to_thread(_history, session, params.chat)
        if params.before is not None:
            known = [e.id for e in entries]
            entries = entries[: known.index(params.before)] if params.before in known else entries
        limit = max(1, min(params.limit, 500))
        return ChatHistoryResult(entries=entries[-limit:], more=len(entries) > limit)


def _chosen(session: Session, params: ChatOpenParams) -> str:
    """The mission whose chat is opened; a planning conversation makes its mission."""
    from pygls.uris import to_fs_path

    from missions.control.plan_talk import begin

    named = params.chat or params.mission
    if named is not None:
        return session.control.resolve(named, None)
    folder = Path(to_fs_path(params.folder) or "") if params.folder else session.first_folder()
    if folder is None:
        raise MissionError("bad_argument", "No folder is open.", "Open a repository first.")
    if not params.fresh:
        try:
            return session.control.resolve(None, folder)
        except MissionError as error:
            if error.code not in ("not_found", "ambiguous"):
                raise
    return begin(session.caller, "", folder).mission


def _unanswered(session: Session, chat: str) -> bool:
    from missions.control.chat import Chat

    return Chat(session.caller, chat).unanswered()


def _sayable(session: Session, params: ChatSendParams) -> str | None:
    """What is said; None goes on where an answer was cut off."""
    from missions.control.chat import sayable

    if not params.text and _unanswered(session, params.chat):
        return None
    return sayable(params.text)


def _history(session: Session, chat: str) -> list[ChatEntry]:
    from missions.control.chat import read_history
    from missions.model.plain_text import many_lines

    directory = session.store.mission(chat)
    entries = read_history(directory.chat_transcript)
    return [
        ChatEntry(id=f"e{number}", role=e.role, text=many_lines(e.text, 200_000), at=e.at)
        for number, e in enumerate(entries, 1)
    ]
