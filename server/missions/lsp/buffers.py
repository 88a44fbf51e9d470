"""Unsaved documents of the client, told to missions at work; and files that a run changed, told to the client.

While the client has unsaved files in a mission's repository, a lease in the mission's inbox says so, renewed as long as
this server lives. It never saves, reloads or changes a document.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from pygls.uris import to_fs_path

from missions.lsp import protocol
from missions.lsp.open_plans import OpenPlans
from missions.lsp.protocol import Buffers, FilesChanged

if TYPE_CHECKING:
    from missions.lsp.server import MissionsServer
    from missions.lsp.session import Session
    from missions.model.mission import Mission

RENEW_EVERY = 10.0
"""Seconds between two renewals; a lease lasts three times as long."""
_LEASED = ("planned", "running", "paused", "blocked")
"""Statuses of missions that may begin a unit soon."""

_log = logging.getLogger(__name__)


class UnsavedFiles:
    """The client's unsaved files and the leases that tell of them."""

    def __init__(self, server: MissionsServer) -> None:
        self._server = server
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._paths: list[Path] = []
        self._leased: set[str] = set()
        self._tips: dict[str, str | None] = {}
        self._turn = asyncio.Lock()
        self._plans = OpenPlans(server, lambda: self._paths)

    async def begin(self) -> None:
        """Follow the missions from the start of the session."""
        session = await self._server.session()
        session.view.subscribe(lambda ids: self._changed(session, ids), whole=True)
        self._server.tasks.repeat("leases", RENEW_EVERY, self._renew)

    def took(self, uris: list[str]) -> None:
        """The client's list changed."""
        paths = [to_fs_path(uri) for uri in uris if uri.startswith("file:")]
        self._paths = [Path(path).resolve() for path in paths if path]
        self._server.tasks.start("leases", self._write())

    async def _renew(self) -> None:
        if self._paths:
            await self._write()

    async def _write(self) -> None:
        """Bring the leases up to the list."""
        session = await self._server.session()
        async with self._turn:
            wanted = {
                row.id: mine
                for row in session.here()
                if row.status in _LEASED and (mine := self._inside(row.cwd))
            }
            await asyncio.to_thread(self._write_files, session, wanted, self._leased - wanted.keys())
            self._leased = set(wanted)

    def _inside(self, cwd: str) -> list[Path]:
        place = Path(cwd)
        return [path for path in self._paths if path.is_relative_to(place)]

    def _write_files(self, session: Session, wanted: dict[str, list[Path]], gone: set[str]) -> None:
        from missions.model.errors import MissionError
        from missions.runner.leases import write_lease

        for mission_id, paths in [*wanted.items(), *((mission_id, []) for mission_id in gone)]:
            directory = session.store.mission(mission_id)
            if not directory.exists():
                continue
            try:
                write_lease(directory, self._name, paths)
            except MissionError as error:
                _log.warning("the lease on %s cannot be written: %s", mission_id, error)

    def _changed(self, session: Session, ids: set[str]) -> None:
        here = {row.id: row for row in session.here()} if len(ids) > 1 else {}
        fresh = False
        for mission_id in ids:
            row = here.get(mission_id) or session.view.row(mission_id)
            status = getattr(row, "status", "")
            fresh = fresh or (status in _LEASED and mission_id not in self._leased)
            if status in ("running", "paused", "blocked", "complete"):
                self._look_at_work(session, mission_id, getattr(row, "cwd", ""))
        if fresh and self._paths:
            self._server.tasks.start("leases", self._write())
        if self._server.abilities.extension:
            self._plans.changed(session, ids)

    def _look_at_work(self, session: Session, mission_id: str, cwd: str) -> None:
        """Whether the mission's accepted work grew since it was last looked at."""
        from missions.model.mission import Mission

        if not self._server.abilities.extension or not session.is_here(cwd):
            return
        first = mission_id not in self._tips
        mission = session.view.mission(mission_id) if not first or self._is_new(session, mission_id) else None
        if not isinstance(mission, Mission):
            return
        before = self._tips.get(mission_id)
        self._tips[mission_id] = mission.tipCommit
        if not first and before and mission.tipCommit and before != mission.tipCommit:
            self._server.tasks.start("files", self._tell(mission, before, mission.tipCommit))

    def _is_new(self, session: Session, mission_id: str) -> bool:
        return getattr(session.view.row(mission_id), "status", "") != "complete"

    async def _tell(self, mission: Mission, before: str, after: str) -> None:
        if mission.workspace.kind != "inPlace":
            return
        opened = {
            path: uri
            for uri in list(self._server.workspace.text_documents)
            if (path := to_fs_path(uri) if uri.startswith("file:") else None)
        }
        if not opened:
            return
        changed = await asyncio.to_thread(_changed_files, Path(mission.cwd), before, after)
        uris = sorted(uri for path, uri in opened.items() if str(Path(path).resolve()) in changed)
        if uris:
            self._server.send(protocol.FILES_CHANGED, FilesChanged(mission=mission.id, uris=uris))


def _changed_files(cwd: Path, before: str, after: str) -> set[str]:
    """Absolute paths of what differs between two commits; nothing if the repository cannot be asked."""
    from missions.model.errors import MissionError
    from missions.repo.commits import touched_paths
    from missions.repo.repository import Repository

    try:
        repo = Repository.find(cwd)
        return {str((repo.root / path).resolve()) for path in touched_paths(repo, before, after)}
    except MissionError as error:
        _log.info("what changed in %s is not known: %s", cwd, error)
        return set()


def register(server: MissionsServer) -> None:
    """Take the client's list of unsaved documents."""
    unsaved = UnsavedFiles(server)

    @server.feature(protocol.BUFFERS)
    def buffers(params: Buffers) -> None:  # pyright: ignore[reportUnusedFunction]
        unsaved.took(params.dirty)

    server.on_started.append(unsaved.begin)
