"""Running the tool calls of one reply: validation, order, cancellation, and a result for every call.

Independent read-only calls run concurrently, everything else in order. An exception in a tool becomes a short error
result. This module decides nothing about the run; it reports what it saw.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from missions.agent.arguments import checked, example
from missions.agent.conversation import Conversation
from missions.agent.history import Block, delimited, plain_text
from missions.agent.spec import Control, InterruptedByUser, Interruption, Spec
from missions.agent.stuck import Signal, StuckDetector
from missions.agent.tool import Observer, Tool, ToolContext, ToolResult
from missions.agent.turn import Turn
from missions.model.errors import MissionError, raise_if_scarce

_AT_ONCE = 4
_SUMMARY_KEYS = ("command", "path", "file_path", "pattern", "query", "question", "summary", "id")
_WHY = {
    "cancelled": "Not run: the run was cancelled.",
    "paused": "Not run: the run was paused before this call began. Call it again if it is still needed.",
}

log = logging.getLogger(__name__)


@dataclass
class Dispatched:
    """What happened while the calls of one reply ran."""

    interruption: Interruption | None = None
    stop: str | None = None
    """Why the run makes no progress, when it should end."""


class Dispatcher:
    """Runs calls for one conversation."""

    def __init__(self, spec: Spec, conversation: Conversation, control: Control, observer: Observer) -> None:
        self._spec = spec
        self._conversation = conversation
        self._control = control
        self._observer = observer
        self._tools = {tool.name: tool for tool in spec.tools}
        self._stuck = StuckDetector()
        for call in conversation.progress.calls[conversation.progress.calls_before :]:
            if not call.synthetic:
                self._stuck.observe(
                    call.name, call.input, call.text, is_error=call.is_error, polling=call.polling
                )

    async def run(self, turn: Turn, *, only: str | None = None, refusal: str = "") -> Dispatched:
        """Answer every call of ``turn``. With ``only``, other calls are answered with ``refusal``."""
        state = Dispatched()

        def concurrent(call: Block) -> bool:
            tool = self._tools.get(call["name"])
            return tool is not None and tool.read_only and call["name"] != self._spec.submit_tool

        for together, group in groupby(turn.calls, key=concurrent):
            calls = list(group)
            if together:
                gate = asyncio.Semaphore(_AT_ONCE)
                await asyncio.gather(*(self._gated(gate, call, turn, only, refusal, state) for call in calls))
            else:
                for call in calls:
                    await self._one(call, turn, only, refusal, state)
        ended = self._stuck.turn_ended()
        if ended is not None and ended.level == "stop":
            state.stop = state.stop or ended.reason
        return state

    def begins_durably(self, turn: Turn) -> bool:
        """Whether the first thing that :meth:`run` does for ``turn`` is to write a durable record."""
        tool = self._tools.get(turn.calls[0]["name"]) if turn.calls else None
        return tool is not None and not tool.read_only

    def refuse_all(self, turn: Turn, text: str) -> None:
        """Answer every call with an error; nothing runs."""
        for call in turn.calls:
            self._end(call, ToolResult(text, is_error=True), 0, synthetic=True)

    async def _gated(
        self,
        gate: asyncio.Semaphore,
        call: Block,
        turn: Turn,
        only: str | None,
        refusal: str,
        state: Dispatched,
    ) -> None:
        async with gate:
            await self._one(call, turn, only, refusal, state)

    async def _one(self, call: Block, turn: Turn, only: str | None, refusal: str, state: Dispatched) -> None:
        if self._conversation.progress.submission is not None:
            return self._end(
                call, ToolResult("Not run: the submission was accepted.", is_error=True), 0, synthetic=True
            )
        if only is not None and call["name"] != only:
            return self._end(call, ToolResult(refusal, is_error=True), 0, synthetic=True)
        await self._control.safe_point()
        interruption = state.interruption or self._control.interruption()
        if interruption is not None:
            state.interruption = interruption
            return self._end(call, ToolResult(_WHY[interruption], is_error=True), 0, synthetic=True)
        tool = self._tools.get(call["name"])
        problem, args = self._problem(tool, call, turn)
        submits = tool is not None and tool.name == self._spec.submit_tool
        if not submits:
            self._heed(self._stuck.invalid_input(problem is None), state)
        if problem is not None or tool is None:
            result = ToolResult(problem or "", is_error=True)
            self._observe(call, result, state, submit=submits)
            return self._end(call, result, 0, synthetic=not submits)
        await self._run(tool, call, args, state)
        return None

    def _problem(self, tool: Tool | None, call: Block, turn: Turn) -> tuple[str | None, dict[str, Any]]:
        """Why the call cannot run, and its checked arguments."""
        if tool is None:
            return f"There is no tool {call['name']!r}. The tools are: {', '.join(self._tools)}.", {}
        bad = turn.bad_inputs.get(call["id"])
        if bad is not None:
            return (
                f"Nothing ran: the input was not valid JSON ({bad}). A valid input: {example(tool.input_schema)}",
                {},
            )
        found = checked(tool.input_schema, call["input"])
        if found.errors:
            listed = "\n".join(f"- {error}" for error in found.errors)
            return (
                f"Nothing ran: the input does not fit.\n{listed}\nA minimal valid input: {example(tool.input_schema)}",
                {},
            )
        if found.coerced:
            self._conversation.note("coerced", f"{call['name']}: {', '.join(found.coerced)}")
        return None, found.args

    async def _run(self, tool: Tool, call: Block, args: dict[str, Any], state: Dispatched) -> None:
        self._conversation.tool_start(call, sync=not tool.read_only)
        self._observer.event("tool_start", {"id": call["id"], "name": tool.name, "summary": summary(args)})
        context = ToolContext(call["id"], asyncio.Event(), self._spec.run_dir, self._observer)
        began = time.monotonic()
        synthetic = False
        try:
            result = await self._control.unless_interrupted(tool.call(args, context), context.cancelled)
        except InterruptedByUser as interrupted:
            state.interruption = interrupted.kind
            seconds = int(time.monotonic() - began)
            text = f"The run was {interrupted.kind} while this call ran, after {seconds} s; it may have partly taken effect. Inspect before you repeat it."
            result, synthetic = ToolResult(text, is_error=True), True
        except MissionError as error:
            if error.code in ("disk_full", "io_failed", "store_tampered", "internal"):
                raise
            result = ToolResult(str(error), is_error=True)
        except Exception as error:
            raise_if_scarce(error)
            log.warning("the tool %s failed", tool.name, exc_info=True)
            first = (str(error).splitlines() or [""])[0][:300]
            result = ToolResult(f"The tool failed: {type(error).__name__}: {first}", is_error=True)
        milliseconds = int((time.monotonic() - began) * 1000)
        if not synthetic:
            self._observe(call, result, state, submit=tool.name == self._spec.submit_tool)
            deeper = self._spec.touched(args) if self._spec.touched is not None else None
            if deeper:
                _append(result, deeper)
        self._end(call, result, milliseconds, synthetic=synthetic)

    def _observe(self, call: Block, result: ToolResult, state: Dispatched, *, submit: bool = False) -> None:
        if submit:
            return  # refused submissions have their own limit
        text = plain_text(result.content)
        signal = self._stuck.observe(
            call["name"], call["input"], text, is_error=result.is_error, polling=result.polling
        )
        self._heed(signal, state)
        if signal is not None and signal.level == "note":
            _append(
                result,
                delimited(
                    f"This does not seem to lead anywhere: {signal.reason}. Try something else, or hand off as it stands."
                ),
            )

    def _heed(self, signal: Signal | None, state: Dispatched) -> None:
        if signal is None:
            return
        self._conversation.note("stuck", signal.reason)
        if signal.level == "stop":
            state.stop = state.stop or signal.reason

    def _end(self, call: Block, result: ToolResult, milliseconds: int, *, synthetic: bool) -> None:
        submit = call["name"] == self._spec.submit_tool
        self._conversation.tool_end(call, result, milliseconds, synthetic=synthetic, submit=submit)
        self._observer.event(
            "tool_end",
            {"id": call["id"], "name": call["name"], "isError": result.is_error, "ms": milliseconds},
        )


def summary(args: dict[str, Any]) -> str:
    """One short line that says what a call is about, for progress displays."""
    for key in _SUMMARY_KEYS:
        value = args.get(key)
        if isinstance(value, str) and value.strip():
            line = value.strip().splitlines()[0]
            return line if len(line) <= 120 else line[:119] + "…"
    return ""


def _append(result: ToolResult, text: str) -> None:
    if isinstance(result.content, str):
        result.content = f"{result.content}\n\n{text}"
    else:
        result.content = [*result.content, {"type": "text", "text": text}]
