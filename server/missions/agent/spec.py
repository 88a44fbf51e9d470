"""What a conversation is given and what comes out of it: spec, control, outcome.

Only values and the two switches; the loop is in ``agent/loop.py``.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from missions.agent.budget import Budget
from missions.agent.faults import ProviderFault
from missions.agent.tool import Tool
from missions.model.usage import ModelChoice, Usage

T = TypeVar("T")

Interruption = Literal["cancelled", "paused"]

OutcomeKind = Literal[
    "submitted",
    "ended",  # the model ended its turn and no submission was asked for
    "no_submission",
    "rejected",  # submissions were refused too often
    "cancelled",
    "paused",
    "budget_reached",
    "provider_unavailable",
    "stuck",
    "refused",
    "failed",
]

COOPERATIVE = 0.4
"""Seconds a tool gets to return by itself after ``cancelled`` is set, before its task is cancelled."""
GRACE = 0.4
"""Seconds a cancelled task gets to clean up before the run goes on without it."""


@dataclass(frozen=True)
class RetryPolicy:
    """How long to wait after a failed request, in seconds."""

    first: float = 1.0
    longest: float = 60.0
    longest_told: float = 600.0
    """A provider that asks for more than this is not waited for; the run ends as ``provider_unavailable``."""
    countdown: float = 5.0
    """Seconds between two ``retry_wait`` events."""

    def delay(self, fault: ProviderFault, failures: int) -> float:
        """Seconds to wait after the ``failures``-th failure in a row (from 1)."""
        if fault.retry_after is not None:
            return fault.retry_after + random.uniform(0, min(1.0, fault.retry_after * 0.1))
        if fault.kind == "silence" and failures == 1:
            return 0.0
        ceiling = min(self.longest, self.first * 2 ** min(failures - 1, 16))
        # Full jitter, but never nearly nothing: parallel runs must spread out and still back off.
        return random.uniform(ceiling * 0.25, ceiling)


@dataclass
class Spec:
    """One conversation: everything the loop needs to know. Tools and system are identical for all runs of a role."""

    role: str
    model: ModelChoice
    system: list[str]
    tools: list[Tool]
    first_message: str | list[dict[str, Any]]
    submit_tool: str | None
    """The tool whose accepted call ends the run; None for a chat, which ends with the model's turn."""
    budget: Budget
    max_turns: int = 200
    context_window: int | None = None
    """None: as the price table says for the model."""
    fallback: ModelChoice | None = None
    """Tried once, in a fresh context, when the model refuses; default: ``model.fallback``."""
    max_tokens: int = 32_000
    max_output: int = 64_000
    """Ceiling when ``max_tokens`` is doubled after a reply was cut."""
    max_rejected_submissions: int = 3
    max_reasks: int = 2
    run_dir: Path | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    touched: Callable[[dict[str, Any]], str | None] | None = None
    """Given a call's arguments: instructions of a folder touched for the first time, appended to the result."""
    beta_compaction: bool = True


@dataclass(frozen=True)
class Outcome:
    """How a conversation ended."""

    kind: OutcomeKind
    submission: dict[str, Any] | None = None
    detail: str = ""
    """A sentence for the user; for ``ended`` the model's last text."""
    usage: Usage = field(default_factory=Usage)
    """Of the whole conversation, earlier sittings included."""
    turns: int = 0
    provider_wait_ms: int = 0
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    """JSON-ready detail: ``wakeAfterSeconds``, ``errors``, ``category``."""


class InterruptedByUser(Exception):  # noqa: N818 - not an error
    """The run was cancelled or paused while it waited."""

    def __init__(self, kind: Interruption) -> None:
        super().__init__(kind)
        self.kind: Interruption = kind


class Control:
    """The switches of a running conversation. The runner overrides ``safe_point``."""

    def __init__(self) -> None:
        self.cancel = asyncio.Event()
        self.pause = asyncio.Event()
        """Pause now: stop within a second, so that a resume goes on where it was."""
        self._notes: list[str] = []
        self._left: set[asyncio.Task[Any]] = set()

    def steer(self, text: str) -> None:
        """Leave a note that is delivered with the next request."""
        self._notes.append(text)

    def take_notes(self) -> list[str]:
        """The notes not delivered yet; the caller records them before they are sent."""
        notes, self._notes = self._notes, []
        return notes

    async def safe_point(self) -> None:
        """Called before each request and between tool calls, where nothing is half done."""

    def interruption(self) -> Interruption | None:
        """Which switch is set; cancel wins."""
        if self.cancel.is_set():
            return "cancelled"
        return "paused" if self.pause.is_set() else None

    async def unless_interrupted(
        self, work: Coroutine[Any, Any, T], cancelled: asyncio.Event | None = None
    ) -> T:
        """The result of ``work``, or ``InterruptedByUser`` within a second of a switch being set.

        ``cancelled`` is set first, and work that returns soon after keeps its result.
        """
        task = asyncio.ensure_future(work)
        switches = [asyncio.ensure_future(self.cancel.wait()), asyncio.ensure_future(self.pause.wait())]
        try:
            await asyncio.wait({task, *switches}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done() and cancelled is not None:
                cancelled.set()
                await asyncio.wait({task}, timeout=COOPERATIVE)
            if task.done():
                return task.result()
            raise InterruptedByUser(self.interruption() or "cancelled")
        finally:
            for switch in switches:
                switch.cancel()
            if not task.done():
                task.cancel()
                # Kept until it ends: a task nobody refers to can vanish in the middle of its clean-up.
                self._left.add(task)
                task.add_done_callback(self._settled)
                await asyncio.wait({task}, timeout=GRACE)

    def _settled(self, task: asyncio.Task[Any]) -> None:
        self._left.discard(task)
        if not task.cancelled():
            task.exception()
