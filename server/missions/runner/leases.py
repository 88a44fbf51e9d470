"""Leases of editors on files with unsaved changes, and the question that a runner asks before a unit meets them.

A lease is a short-lived file below the mission's inbox, written by a language server and renewed while its client has
unsaved documents. It never stops a mission for good: after :data:`PATIENCE` seconds the unit begins all the same, with
those files protected from it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.mission import Decision, DecisionOption
from missions.model.plain_text import one_line
from missions.runner.errands import expire_decisions, serve_inbox
from missions.store.bounded_json import Limits, read_json
from missions.store.files import atomic_write, make_dir, unlink
from missions.store.journal import utc_now
from missions.store.layout import MissionDir
from missions.store.lock import ProcessIdentity
from missions.store.mission_log import MissionLog

LASTS = 30.0
"""Seconds that a lease counts unless it is renewed."""
PATIENCE = 60.0
"""Seconds that the user has to answer."""
GO_ON, PAUSE, SAVED = "go-on", "pause", "saved"
_LOOK_EVERY = 0.25
_SHOWN = 12
_LIMITS = Limits(size=256 * 1024)


class Lease(BaseModel):
    """Which files an editor has unsaved changes in; absolute paths."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    server: ProcessIdentity
    expires: float
    """Seconds since 1970."""
    paths: tuple[str, ...] = Field(max_length=1000)


def write_lease(directory: MissionDir, name: str, paths: Sequence[Path]) -> None:
    """Write or renew the lease of this process; without paths, take it back."""
    target = _leases(directory) / f"{name}.json"
    if not paths:
        with contextlib.suppress(MissionError):
            unlink(target, "inbox")
        return
    make_dir(target.parent, "inbox")
    lease = Lease(
        server=ProcessIdentity.own(),
        expires=time.time() + LASTS,
        paths=tuple(str(path) for path in paths[:1000]),
    )
    atomic_write(target, lease.model_dump_json().encode(), "inbox", durable=False)


def unsaved(directory: MissionDir, root: Path) -> list[str]:
    """Files below ``root``, relative to it, that an editor that is still there has unsaved changes in."""
    found: set[str] = set()
    place = root.resolve()
    for path in _files(directory):
        try:
            lease = Lease.model_validate(read_json(path, _LIMITS))
        except (MissionError, ValidationError):
            continue
        if lease.expires < time.time() or lease.server.alive() is False:
            continue
        for text in lease.paths:
            with contextlib.suppress(ValueError, OSError):
                found.add(Path(text).resolve().relative_to(place).as_posix())
    return sorted(found)


async def settle_buffers(log: MissionLog, root: Path, interrupted: Callable[[], bool]) -> bool:
    """Before a unit: ask about unsaved files, and wait for an answer, for them to be saved, or for the deadline.

    What stays unsaved is noted as protected, and not asked about again. Returns whether it waited: requests were served
    meanwhile, so what runs next must be chosen again.
    """
    paths = unsaved(log.directory, root)
    waited = bool(set(paths) - set(log.mission.workspace.unsavedPaths))
    decision = _ask(log, paths) if waited else None
    while decision is not None and log.mission.decision(decision.id) is not None and not interrupted():
        await asyncio.sleep(_LOOK_EVERY)
        serve_inbox(log, None)
        expire_decisions(log)
        paths = unsaved(log.directory, root)
        if not paths and log.mission.decision(decision.id) is not None:
            log.record(ev.DecisionAnswered(decisionId=decision.id, answer=SAVED, by={"face": "runner"}))
    if paths != log.mission.workspace.unsavedPaths:
        log.record(ev.UnsavedBuffersNoted(paths=paths))
    return waited


def _ask(log: MissionLog, paths: list[str]) -> Decision:
    """The open question about unsaved files, asked now if it is not."""
    known = next((d for d in log.mission.decisions if d.kind == "buffers"), None)
    if known is not None:
        return known
    names = ", ".join(one_line(path, 120) for path in paths[:_SHOWN])
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    deadline = datetime.now(UTC) + timedelta(seconds=PATIENCE)
    decision = Decision(
        id=f"buffers-{log.mission.lastSeq}",
        kind="buffers",
        question=f"Files of the repository have unsaved changes in an editor: {names}{more}. Save them, wait, or go on?",
        context=f"Without an answer the next unit begins after {PATIENCE:.0f} s and may not touch them.",
        options=(
            DecisionOption(
                id=GO_ON, label="Go on", consequence="The next unit begins and may not touch these files."
            ),
            DecisionOption(
                id=PAUSE,
                label="Wait",
                consequence="The mission pauses before the next unit, until you resume it.",
                op="pause",
            ),
        ),
        default=GO_ON,
        deadline=deadline.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        onDeadline=GO_ON,
        requestedAt=utc_now(),
        blocking=False,
    )
    log.record(ev.DecisionRequested(decision=decision))
    return decision


def _leases(directory: MissionDir) -> Path:
    return directory.inbox / "leases"


def _files(directory: MissionDir) -> list[Path]:
    try:
        return sorted(_leases(directory).glob("*.json"))
    except OSError:
        return []
