"""The progress that a client shows for each running mission of its folders.

Percentage by units, the current task as its message; cancelling it pauses the mission after the current unit and says
so. A new server shows it again. It ends with the mission's run and never stops anything by itself.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from missions.lsp.progress import Progress
from missions.model.errors import MissionError
from missions.model.mission import Mission
from missions.model.next_action import orchestrator_at_work, waits_for
from missions.model.plain_text import one_line
from missions.model.schedule import finished_units, remaining_units
from missions.model.view import current_task

if TYPE_CHECKING:
    from missions.lsp.session import Session

_ENDS = {
    "complete": "complete",
    "paused": "paused",
    "blocked": "blocked",
    "failed": "given up",
}

_log = logging.getLogger(__name__)


class RunningMissions:
    """One progress for each running mission of the window."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._shown: dict[str, asyncio.Task[Progress]] = {}

    def begin(self) -> None:
        """Follow the view from now on."""
        self._session.view.subscribe(self._changed, whole=True)

    def _changed(self, ids: set[str]) -> None:
        for mission_id in ids:
            row = self._session.view.row(mission_id)
            here = row is not None and self._session.is_here(getattr(row, "cwd", "/nowhere"))
            mission = self._session.view.mission(mission_id) if here and _may_run(row) else None
            if isinstance(mission, Mission) and (
                mission.status == "running" or orchestrator_at_work(mission)
            ):
                self._show(mission)
            elif mission_id in self._shown:
                self._end(mission_id, getattr(row, "status", "gone"))

    def _show(self, mission: Mission) -> None:
        known = self._shown.get(mission.id)
        if known is None:
            begin = self._begin(mission)
            self._shown[mission.id] = self._session.server.tasks.start(f"progress {mission.id}", begin)
        elif known.done() and not known.cancelled() and known.exception() is None:
            known.result().report(message_of(mission), percentage_of(mission))

    async def _begin(self, mission: Mission) -> Progress:
        progress = await Progress.start(
            self._session.server,
            one_line(mission.title, 80) or mission.id,
            message=message_of(mission),
            percentage=percentage_of(mission),
            on_cancel=lambda: self._cancelled(mission.id),
        )
        # What happened while the client thought about the token.
        now = self._session.view.mission(mission.id)
        if isinstance(now, Mission):
            progress.report(message_of(now), percentage_of(now))
        return progress

    def _end(self, mission_id: str, status: str) -> None:
        task = self._shown.pop(mission_id)

        def end(done: asyncio.Task[Progress]) -> None:
            if not done.cancelled() and done.exception() is None:
                done.result().end(_ENDS.get(status, status))

        task.add_done_callback(end)

    def _cancelled(self, mission_id: str) -> None:
        self._session.server.tasks.start("pause", self._pause(mission_id))

    async def _pause(self, mission_id: str) -> None:
        try:
            reply = await asyncio.to_thread(self._session.control.request, "pause", mission_id)
            reply.checked()
        except MissionError as error:
            _log.info("pausing %s: %s", mission_id, error)
            self._session.server.toast(f"It cannot be paused: {error}", "warning")
            return
        row = self._session.view.row(mission_id)
        title = one_line(getattr(row, "title", mission_id), 80)
        self._session.server.toast(f"“{title}” pauses after the current unit.")


def message_of(mission: Mission) -> str:
    """What is going on, or what it waits for."""
    waiting = waits_for(mission)
    return f"{current_task(mission)} (waits for {waiting})" if waiting else current_task(mission)


def percentage_of(mission: Mission) -> int:
    """Units that are done, of all that are known."""
    done = finished_units(mission)
    total = done + remaining_units(mission)
    return done * 100 // total if total else 0


def _may_run(row: object) -> bool:
    return getattr(row, "status", "") in ("running", "blocked")
