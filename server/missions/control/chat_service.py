"""The chat as a process of its own, for faces that must stay small: JSON lines in, JSON lines out.

``{"id", "op": "send", "mission", "text"}`` (``text`` null continues an answer that was cut off) is answered by ``delta`` lines and one
``end``; ``{"op": "cancel", "mission"}`` stops the answer; ``{"op": "credentials", "kind", "value"}`` hands a key over, in memory only. The end
of input ends the process, and with it an answer in progress; the conversation is durable. It decides nothing itself.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import sys
from pathlib import Path
from typing import Any, TextIO

from missions.agent.credentials import Credentials
from missions.agent.spec import Control as Switches
from missions.control.caller import Caller
from missions.control.chat import Chat
from missions.model.errors import MissionError
from missions.store.layout import Store

_LOG = logging.getLogger("missions.chat")
_SAID_AS = {"text": "text", "thinking": "thinking"}


class Service:
    """All chats of one face."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._credentials: Credentials | None = None
        self._running: dict[str, Switches] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, order: dict[str, Any]) -> None:
        """Carry out one line of input."""
        op, mission = order.get("op"), str(order.get("mission", ""))
        if op == "credentials":
            value = str(order.get("value") or "")
            kind = "auth_token" if order.get("kind") == "auth_token" else "api_key"
            self._credentials = Credentials(kind, value, "the editor") if value else None
        elif op == "cancel" and mission in self._running:
            self._running[mission].cancel.set()
        elif op == "send":
            # Registered at once: a cancel may be the next line.
            switches = None
            if mission not in self._running:
                switches = self._running[mission] = Switches()
            task = asyncio.get_running_loop().create_task(self._send(order, mission, switches))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send(self, order: dict[str, Any], mission: str, switches: Switches | None) -> None:
        number = order.get("id")
        end: dict[str, Any] = {"id": number, "event": "end", "mission": mission}
        if switches is None:
            error = MissionError(
                "locked", "An answer is being written in this chat.", "Wait for it, or cancel it."
            )
            self._say({**end, "outcome": "failed", "error": error.as_json()})
            return
        try:
            caller = Caller(
                Store(Path(str(order["store"]))), str(order.get("face", "lsp")), editor=order.get("settings")
            )
            chat = Chat(caller, mission, credentials=self._credentials)
            text = order.get("text")
            answer = await chat.send(None if text is None else str(text), _Pieces(self, number), switches)
            outcome = {"ended": "complete", "cancelled": "cancelled", "paused": "cancelled"}.get(
                answer.outcome, "failed"
            )
            end |= {
                "outcome": outcome,
                "asked": list(answer.asked),
                "costMicroUsd": answer.usage.costMicroUsd,
            }
            if outcome == "failed":
                end["error"] = MissionError(
                    "provider_unavailable",
                    answer.detail or f"The answer ended as {answer.outcome}.",
                    "Say it again.",
                ).as_json()
        except MissionError as error:
            end |= {"outcome": "failed", "error": error.as_json()}
        except Exception:
            error_id = secrets.token_hex(4)
            _LOG.exception("internal error %s", error_id)
            shown = MissionError(
                "internal", f"Missions itself failed (error {error_id}).", "The log has more.", id=error_id
            )
            end |= {"outcome": "failed", "error": shown.as_json()}
        finally:
            self._running.pop(mission, None)
        self._say(end)

    def piece(self, number: Any, kind: str, text: str) -> None:
        """Pass a piece of an answer on."""
        self._say({"id": number, "event": "delta", "kind": kind, "text": text})

    def _say(self, line: dict[str, Any]) -> None:
        self._out.write(json.dumps(line, ensure_ascii=True) + "\n")
        self._out.flush()


class _Pieces:
    """An observer that passes on what people see of an answer."""

    def __init__(self, service: Service, number: Any) -> None:
        self._service = service
        self._number = number

    def event(self, kind: str, data: dict[str, Any]) -> None:
        if kind in _SAID_AS:
            self._service.piece(self._number, _SAID_AS[kind], str(data.get("text", "")))
        elif kind == "tool_start":
            self._service.piece(self._number, "tool", f"{data.get('name')}: {data.get('summary', '')}"[:300])
        elif kind == "tool_end" and data.get("isError"):
            failed = f"{data.get('name')} was refused or failed; the planner was told why"
            self._service.piece(self._number, "notice", failed)
        elif kind == "retry_wait":
            self._service.piece(
                self._number,
                "notice",
                f"{data.get('reason')}; trying again in {data.get('remainingSeconds')} s",
            )
        elif kind == "note":
            self._service.piece(self._number, "notice", str(data.get("text", ""))[:500])


async def serve() -> None:
    """Serve standard input until it ends."""
    out = sys.stdout
    # Whatever a library prints must not reach the protocol.
    sys.stdout = sys.stderr
    service = Service(out)
    reader = asyncio.StreamReader(limit=16 * 1024 * 1024)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        try:
            order: Any = json.loads(line)
        except ValueError:
            continue
        if isinstance(order, dict):
            service.take(order)  # pyright: ignore[reportUnknownArgumentType]


if __name__ == "__main__":
    asyncio.run(serve())
