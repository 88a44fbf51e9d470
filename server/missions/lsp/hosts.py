"""The two hosts of a mission as this server sees them: a process of its own, or a thread in here.

A daemon that died is started again, at most :data:`RESTARTS` times in ten minutes by all servers together, which the
journal counts. What ran in a server that ended is only offered to be resumed. It never runs a mission that another
process owns: the kernel's lock says which.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from missions.control.requests import Reply
from missions.control.starting import go_on
from missions.lsp.confirmations import ask
from missions.lsp.log import incident
from missions.lsp.mission_thread import run_apart
from missions.model.errors import MissionError
from missions.model.figures import elapsed_ms
from missions.model.mission import Mission
from missions.model.plain_text import one_line
from missions.model.schedule import Unit, next_unit
from missions.store.journal import JournalReader
from missions.store.layout import MissionDir
from missions.store.lock import holder

if TYPE_CHECKING:
    from missions.lsp.session import Session

RESTARTS = 3
"""Times a daemon that died is started again …"""
WINDOW_MS = 10 * 60_000
"""… within this time."""
LOOK_EVERY = 2.0
"""Seconds between two looks at the owners of running missions."""
BEGINNING_MS = 30_000
"""A mission that was just started has this long to get its process."""
JITTER = 1.5
"""Seconds within which one of several servers is the first."""

_log = logging.getLogger(__name__)


class Hosts:
    """Supervises the missions of this window."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._looked_after: set[str] = set()
        self._offered: set[tuple[str, int]] = set()

    # ------------------------------------------------------------------ host "server"

    def run_here(self, mission: str, accept: Collection[str] = ()) -> None:
        """Run the mission in this server; harmless if it already does."""
        if not self.runs_here(mission):
            self._session.server.tasks.start(_task(mission), self._run(mission, accept))

    def runs_here(self, mission: str) -> bool:
        """Whether this server runs the mission, or is about to."""
        return _task(mission) in self._session.server.tasks.names()

    async def go_on_here(self, mission: str) -> None:
        """Run it here if something would run and nobody does it."""
        found = await asyncio.to_thread(self._session.control.mission, mission)
        owned = await asyncio.to_thread(holder, self._session.store.mission(mission))
        if owned is None and _wants_a_process(found):
            self.run_here(mission)

    async def _run(self, mission: str, accept: Collection[str]) -> None:
        from missions.lsp.starting import key_for

        session = self._session
        try:
            key = await asyncio.to_thread(key_for, session, mission)
            runner = await asyncio.to_thread(
                lambda: session.control.runner(mission, accept=accept, credentials=key)
            )
            result = await run_apart(runner, _task(mission))
            _log.info("%s ended: %s", mission, result.reason)
        except MissionError as error:
            if error.code != "locked":
                session.server.toast(f"The mission stopped: {error}", "error")

    # ------------------------------------------------------------------ supervision

    async def supervise(self) -> None:
        """Look after the missions of this window that run without an owner, until cancelled."""
        await self._session.view.ready.wait()
        while True:
            for row in self._session.here("running", "blocked"):
                if row.id not in self._looked_after:
                    await self._look_at(row.id)
            await asyncio.sleep(LOOK_EVERY)

    async def _look_at(self, mission_id: str) -> None:
        mission = self._session.view.mission(mission_id)
        if not isinstance(mission, Mission) or not _wants_a_process(mission):
            return
        if holder(self._session.store.mission(mission_id)) is None and not self.runs_here(mission_id):
            self._looked_after.add(mission_id)
            self._session.server.tasks.start("orphan", self._take_care(mission_id))

    async def _take_care(self, mission_id: str) -> None:
        try:
            await asyncio.sleep(random.uniform(0.2, JITTER))
            orphan = await asyncio.to_thread(self._orphan, mission_id)
            if orphan is None:
                return
            if orphan.in_server:
                await self._offer(mission_id, orphan)
            elif orphan.recent > RESTARTS:
                self._give_up(mission_id, orphan)
            else:
                await self._restart(mission_id)
        except MissionError as error:
            _log.warning("looking after %s: %s", mission_id, error)
        except Exception as error:
            incident(_log, f"looking after {mission_id}", error)
        finally:
            self._looked_after.discard(mission_id)

    def _orphan(self, mission_id: str) -> Orphan | None:
        """How the mission lost its process, read from the records as they are now; none if all is well."""
        directory = self._session.store.mission(mission_id)
        mission = self._session.control.mission(mission_id)
        if holder(directory) is not None or not _wants_a_process(mission):
            return None
        found = history(directory, datetime.now(UTC))
        if found.last_at is None and elapsed_ms(mission.executionStartedAt, datetime.now(UTC)) < BEGINNING_MS:
            return None
        return found

    async def _restart(self, mission_id: str) -> None:
        from missions.lsp.starting import key_for

        session = self._session
        _log.info("the process of %s died; starting it again", mission_id)

        def act() -> Reply:
            key = key_for(session, mission_id)
            return go_on(session.caller, mission_id, Reply("applied", mission_id), key)

        reply = await asyncio.to_thread(act)
        problem = (reply.value or {}).get("problem")
        if problem is not None:
            session.server.toast(f"The mission has no process: {problem['message']}", "error")

    def _give_up(self, mission_id: str, orphan: Orphan) -> None:
        if (mission_id, orphan.epoch) in self._offered:
            return
        self._offered.add((mission_id, orphan.epoch))
        self._session.server.toast(
            f"The process of {self._title(mission_id)} died {orphan.recent} times in ten minutes and is not started "
            "again. `missions doctor` looks for the cause; resume the mission to try again.",
            "error",
        )

    async def _offer(self, mission_id: str, orphan: Orphan) -> None:
        """What ran in a server that ended goes on only if the user says so."""
        if (mission_id, orphan.epoch) in self._offered:
            return
        self._offered.add((mission_id, orphan.epoch))
        question = (
            f"{self._title(mission_id)} was interrupted when the editor's server ended. Go on with it here?"
        )
        answer = await ask(self._session, question, "Resume")
        if answer == "cannot":
            self._session.server.tell(f"{question} Run the command missions.resume.", "warning")
        elif answer == "yes":
            await self.go_on_here(mission_id)

    def _title(self, mission_id: str) -> str:
        row = self._session.view.row(mission_id)
        return f"“{one_line(getattr(row, 'title', mission_id), 80)}”"


@dataclass(frozen=True)
class Orphan:
    """A mission that lost its process."""

    in_server: bool
    """It ran in a server."""
    recent: int
    """Processes that took it within the window."""
    epoch: int
    last_at: str | None


def history(directory: MissionDir, now: datetime) -> Orphan:
    """Who ran the mission, from its journal."""
    from missions.lsp.session import FACE

    runs = [
        record
        for record in JournalReader(directory).read_new()
        if record.type == "runner_acquired" and record.data.get("purpose", "run") == "run"
    ]
    if not runs:
        return Orphan(in_server=False, recent=0, epoch=0, last_at=None)
    last = runs[-1]
    recent = sum(elapsed_ms(record.ts, now) < WINDOW_MS for record in runs)
    return Orphan(last.data.get("face") == FACE, recent, last.epoch, last.ts)


def _task(mission: str) -> str:
    return f"mission {mission}"


def _wants_a_process(mission: Mission) -> bool:
    """Whether something would run if there were a process for it."""
    return mission.executionStartedAt is not None and isinstance(next_unit(mission), Unit)
