"""One answer of the chat on this terminal: asked for, interrupted by Ctrl-C, and shown as plain lines.

The first Ctrl-C (or SIGTERM) stops the answer within a second; what was said stays in the conversation. The pictured form is in
``chat_screen.py``.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from missions.model.plain_text import many_lines, one_line

if TYPE_CHECKING:
    from missions.agent.tool import Observer
    from missions.control.caller import Caller
    from missions.control.chat import Answer

T = TypeVar("T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


Around = Callable[[Callable[[], object]], AbstractContextManager[object]]
"""What is open while an answer is written; it is given what stops the answer."""


def ask(
    caller: Caller,
    mission_id: str,
    text: str | None,
    view: Lines | Observer,
    around: Around = nullcontext,
) -> Answer:
    """Say ``text`` (None: go on where it was cut off) and return the answer; its pieces go to ``view``."""
    from missions.agent.spec import Control as Switches
    from missions.control.chat import Chat

    async def answered() -> Answer:
        switches = Switches()
        stop = switches.cancel.set
        with around(stop):
            return await stoppable(Chat(caller, mission_id).send(text, view, switches), stop)

    said = asyncio.run(answered())
    if isinstance(view, Lines):
        view.end()
    return said


async def stoppable(work: Coroutine[Any, Any, T], stop: Callable[[], object]) -> T:
    """The result of ``work``; a signal calls ``stop`` instead of ending the process."""
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        return await work
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


async def run_interruptible(work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``; a signal cancels it and is told as an interruption."""
    task = asyncio.ensure_future(work)

    async def waited() -> T:
        return await task

    try:
        return await stoppable(waited(), task.cancel)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


class Lines:
    """An observer that writes an answer as it comes, as plain text; tools and waits stand on lines of their own."""

    def __init__(self, out: TextIO | None) -> None:
        self._out = out
        self._notes = Notes()
        self._open = False
        """Whether the last line is not ended."""

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """Write what a reader wants to see; see ``agent.tool.Observer``."""
        line = self._notes.line(kind, data)
        if kind == "text":
            self._write(many_lines(str(data.get("text", "")), 100_000))
            return
        if line is not None:
            self.end()
            self._write(line + "\n")

    def end(self) -> None:
        """End the last line."""
        if self._open:
            self._write("\n")

    def _write(self, text: str) -> None:
        if self._out is None or not text:
            return
        encoding = self._out.encoding or "utf-8"
        self._out.write(text.encode(encoding, "replace").decode(encoding))
        self._out.flush()
        self._open = not text.endswith("\n")


class Notes:
    """What happens beside the words of an answer, as one line each; what nobody needs to see is left out."""

    def __init__(self) -> None:
        self._spoken = False
        """Whether the present attempt has shown words."""
        self._left = 0.0
        """Seconds that the last line about a wait named."""

    def line(self, kind: str, data: dict[str, Any]) -> str | None:
        """The line for an event, or None."""
        if kind in ("text", "turn"):
            self._spoken, self._left = kind == "text", 0.0
            return None
        name = one_line(str(data.get("name", "")), 60)
        if kind == "tool_start":
            summary = one_line(str(data.get("summary", "")), 120)
            return f"· {name}" + (f": {summary}" if summary else "")
        if kind == "tool_end" and data.get("isError"):
            return f"· {name} was refused or failed; the planner was told why"
        if kind == "retry_wait":
            left, before = float(data.get("remainingSeconds") or 0), self._left
            self._left = left
            # Of a countdown only the beginning.
            return wait_line(data) if not before or left > before else None
        if kind == "note":
            return f"· {one_line(str(data.get('text', '')), 300)}"
        if kind == "discarded" and self._spoken:
            self._spoken = False
            return "· cut off; the answer begins again"
        return None


def wait_line(data: dict[str, Any]) -> str:
    """That the provider is waited for, why, and how long."""
    return f"· {one_line(str(data.get('reason', '')), 160)}; trying again in {data.get('remainingSeconds')} s"
