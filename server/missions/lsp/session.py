"""What the features of one server share once the heavy parts are loaded: store, view, caller, folders.

Made after ``initialize`` was answered; whoever needs it earlier waits with :func:`session_of`. It holds no state of a
mission besides the disposable view.
"""

from __future__ import annotations

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pygls.uris import to_fs_path

from missions.control.caller import Caller, work_tree
from missions.control.control import Control
from missions.lsp.credentials import ClientKey
from missions.lsp.hosts import Hosts
from missions.lsp.store_watch import StoreView
from missions.model.errors import MissionError
from missions.settings import EDITOR_VARIABLE, LoadedSettings, Settings
from missions.store.catalog import MissionSummary
from missions.store.layout import Store

if TYPE_CHECKING:
    from missions.lsp.server import MissionsServer

FACE = "lsp"
"""How requests from here are signed."""
THREADS = 32
"""Blocking operations that may run at the same time."""


class Session:
    """One server's session on one store."""

    def __init__(self, server: MissionsServer, store: Store) -> None:
        self.server = server
        self.store = store
        self.view = StoreView(store)
        self.view.wanted = self._looked_after
        self.key = ClientKey()
        """The key that the client handed over, if it did."""
        self.hosts = Hosts(self)
        """Who runs the missions of this window."""
        # Commands wait in threads for owners, locks and new processes; the loop's own few must not run out.
        asyncio.get_running_loop().set_default_executor(
            ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="work")
        )

    @property
    def control(self) -> Control:
        """The operations, with the client's settings as they are now."""
        editor = self._editor_settings()
        # A daemon that is started from here freezes what the confirmation showed, the editor's settings included.
        environment = {**os.environ, EDITOR_VARIABLE: json.dumps(editor)} if editor else None
        return Control(self.store, face=FACE, editor_settings=editor, environment=environment)

    @property
    def caller(self) -> Caller:
        """Who calls operations from here."""
        return self.control.caller

    def settings(self, cwd: Path | None = None) -> LoadedSettings:
        """The effective settings."""
        return self.caller.settings(cwd)

    def _editor_settings(self) -> dict[str, Any]:
        """The client's settings that are the engine's; it may have some of its own in the same section."""
        known = Settings.model_fields
        return {
            key: value for key, value in self.server.settings.items() if key in known and value is not None
        }

    def folders(self) -> list[Path]:
        """The folders of this window, the first one first."""
        workspace = self.server.workspace
        uris = list(workspace.folders) or [workspace.root_uri]
        return list(_paths(tuple(uri for uri in uris if uri)))

    def first_folder(self) -> Path | None:
        """Where the user is, as far as the client tells."""
        folders = self.folders()
        return folders[0] if folders else None

    def place(self, cwd: str | None) -> Path:
        """The folder that a command names, else the window's first; ``bad_argument`` without either."""
        found = self.path_of(cwd) if cwd else self.first_folder()
        if found is None:
            raise MissionError("bad_argument", "No folder is open.", "Open one, or give “cwd”.")
        return found

    def path_of(self, text: str) -> Path:
        """A path or ``file:`` URI of a command, relative ones in the first folder."""
        path = Path(to_fs_path(text) or text) if text.startswith("file:") else Path(text).expanduser()
        return path if path.is_absolute() else (self.first_folder() or Path.cwd()) / path

    async def resolve(self, mission_id: str | None) -> str:
        """The mission that a command means: the one named, else the one of this window's folders.

        ``ambiguous`` lists the candidates when several fit, ``not_found`` says that none does.
        """
        return await asyncio.to_thread(self._resolve, mission_id)

    def _resolve(self, mission_id: str | None) -> str:
        control, folders = self.control, self.folders()
        if mission_id is not None or not folders:
            return control.resolve(mission_id, None)
        found: list[str] = []
        problems: list[MissionError] = []
        for folder in folders:
            try:
                found.append(control.resolve(None, folder))
            except MissionError as error:
                problems.append(error)
        unclear = [error for error in problems if error.code == "ambiguous"]
        if unclear:
            raise unclear[0]
        if len(set(found)) == 1:
            return found[0]
        if found:
            raise MissionError(
                "ambiguous",
                "The folders of this window have several missions.",
                "Name one: " + ", ".join(sorted(set(found))) + ".",
                candidates=[
                    {"id": row.id, "title": row.title, "status": row.status}
                    for row in self.view.missions()
                    if isinstance(row, MissionSummary) and row.id in found
                ],
            )
        raise problems[0]

    def is_here(self, cwd: str) -> bool:
        """Whether a mission that works in ``cwd`` belongs to this window: only such show progress and diagnostics."""
        return any(_belongs(cwd, folder) for folder in self.folders())

    def _looked_after(self, row: MissionSummary) -> bool:
        """Whether its questions, its progress or its host are this window's business."""
        return row.openDecisions > 0 or (row.status in ("running", "blocked") and self.is_here(row.cwd))

    def here(self, *statuses: str) -> list[MissionSummary]:
        """The missions of this window's folders; with ``statuses`` only those that have one of them."""
        # Asked every two seconds of ten thousand missions: what costs least comes first.
        folders = self.folders()
        return [
            row
            for row in self.view.missions()
            if isinstance(row, MissionSummary)
            and (not statuses or row.status in statuses)
            and any(_belongs(row.cwd, folder) for folder in folders)
        ]


@lru_cache(maxsize=16)
def _paths(uris: tuple[str, ...]) -> tuple[Path, ...]:
    return tuple(Path(path) for uri in uris if (path := to_fs_path(uri)))


@lru_cache(maxsize=4096)
def _belongs(cwd: str, folder: Path) -> bool:
    place, inside = folder.resolve(), Path(cwd).resolve()
    return inside.is_relative_to(place) or work_tree(place) == inside
