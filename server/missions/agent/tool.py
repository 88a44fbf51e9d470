"""What a tool is: its protocol, what it is given and what it returns.

The loop knows tools only through these types; the tools themselves live in ``agent/tools`` and above. Nothing here
runs anything or touches a file.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class Observer(Protocol):
    """Whoever watches a run: progress, transcripts of another kind, cost displays.

    Kinds and their data: ``turn {turn}``, ``text {text}`` and ``thinking {text}`` (pieces as they stream),
    ``discarded {}`` (the pieces since the last turn are void), ``tool_start {id, name, summary}``,
    ``tool_end {id, name, isError, ms}``, ``usage {usage, discarded}``, ``retry_wait {reason, remainingSeconds}``,
    ``note {text}``. An observer must return at once and must not raise.
    """

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """Take one event; ``data`` is JSON-ready and belongs to the observer."""
        ...


class NobodyWatches:
    """An observer that ignores everything."""

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """Ignore the event."""


@dataclass
class ToolResult:
    """The answer of one tool call."""

    content: str | list[dict[str, Any]]
    """Text, or Messages API blocks (``text``, ``image``); already truncated by the tool."""
    is_error: bool = False
    """The tool itself failed or refused. A command with a non-zero exit code is not an error."""
    submission: dict[str, Any] | None = None
    """Set by a ``submit_*`` tool when the submission was accepted; it ends the run."""
    meta: dict[str, Any] = field(default_factory=dict[str, Any])
    """JSON-ready facts for the transcript only, never sent to the model (``{"command": …}``, ``{"edit": path}``, ``spill``)."""
    polling: bool = False
    """The call is a legitimate repeat (reading a background job), exempt from stuck detection."""


@dataclass
class ToolContext:
    """What the loop hands to one call of a tool."""

    tool_use_id: str
    cancelled: asyncio.Event
    """Set when the run is cancelled or paused at once. The loop also cancels the call's task; a tool that holds
    processes ends them in either case before it returns."""
    run_dir: Path | None = None
    """The directory of the run outside the repository, for spilled output; None in conversations without one."""
    observer: Observer = field(default_factory=NobodyWatches)


class Tool(Protocol):
    """One tool as the model sees it and as the loop runs it."""

    @property
    def name(self) -> str:
        """The name the model calls."""
        ...

    @property
    def description(self) -> str:
        """At most ten lines; identical for all runs of a role."""
        ...

    @property
    def input_schema(self) -> dict[str, Any]:
        """JSON Schema of the input (an object); key order is part of the cached prefix."""
        ...

    @property
    def read_only(self) -> bool:
        """True when calls change nothing; such calls of one message run concurrently."""
        ...

    @property
    def strict(self) -> bool:
        """Ask the provider to guarantee the schema; only for ``submit_*``."""
        ...

    async def call(self, args: dict[str, Any], ctx: ToolContext) -> ToolResult:
        """Run with validated ``args``. An exception becomes a short error result; it never ends the run."""
        ...
