"""The ledger of commands a run has executed, against which its claims are checked.

Every ``bash`` call gets an ordinal that its result shows; a handoff names ordinals. The ledger lives in memory and is
rebuilt from the transcript's tool metadata on resume. It never runs a command and never judges a claim.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from missions.model.shell_text import masks_status as masks_status


@dataclass(frozen=True)
class CommandEntry:
    """One command that was run."""

    run: int
    """The ordinal, from 1, that the command's result shows."""
    command: str
    exitCode: int | None
    """None when it never ended by itself (timeout, cancel, background job)."""
    masked: bool
    """The command hides its status, so its exit code is no evidence."""
    startedAt: str
    endedAt: str
    edits: int
    """How many edits by the file tools had been made before it started."""
    cwd: str = ""
    timedOut: bool = False
    background: bool = False

    def as_json(self) -> dict[str, Any]:
        """The entry as it is kept in ``meta["command"]`` of the tool result."""
        return asdict(self)


class CommandLedger:
    """The commands of one run in order, and the edits between them."""

    def __init__(self) -> None:
        self._entries: dict[int, CommandEntry] = {}
        self._next = 1
        self._edits: list[str] = []

    @classmethod
    def restored(cls, metas: Iterable[Mapping[str, Any]]) -> CommandLedger:
        """The ledger that the ``meta`` of all earlier tool results (in order) describe."""
        ledger = cls()
        for meta in metas:
            edit = meta.get("edit")
            if isinstance(edit, str):
                ledger.record_edit(edit)
            command = meta.get("command")
            if isinstance(command, dict):
                ledger.record(CommandEntry(**cast("dict[str, Any]", command)))
        return ledger

    def reserve(self) -> int:
        """The ordinal for a command about to start. A command that is interrupted leaves a gap, never a reuse."""
        ordinal = self._next
        self._next += 1
        return ordinal

    def record(self, entry: CommandEntry) -> None:
        """Keep what became of a command."""
        self._entries[entry.run] = entry
        self._next = max(self._next, entry.run + 1)

    def record_edit(self, path: str) -> None:
        """Say that a file tool changed ``path``; commands before it no longer show the present state."""
        self._edits.append(path)

    def get(self, run: int) -> CommandEntry | None:
        """The entry with this ordinal."""
        return self._entries.get(run)

    @property
    def entries(self) -> list[CommandEntry]:
        """All entries in the order of their ordinals."""
        return [self._entries[key] for key in sorted(self._entries)]

    @property
    def edits(self) -> int:
        """How many edits the file tools have made so far."""
        return len(self._edits)

    @property
    def edited(self) -> frozenset[str]:
        """The paths that the file tools have changed."""
        return frozenset(self._edits)

    def after_last_edit(self, entry: CommandEntry) -> bool:
        """Whether ``entry`` started after the last edit of the file tools."""
        return entry.edits >= len(self._edits)
