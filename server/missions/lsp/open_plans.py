"""Plan files that are open in the client and that a revision wrote anew, whichever face asked for it.

The files come a moment after the event that accepts the plan; until then nothing is told. It compares what the editor
shows with what lies on the disk, and never reads or writes a plan itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pygls.uris import to_fs_path

from missions.lsp import protocol
from missions.lsp.protocol import FilesChanged

if TYPE_CHECKING:
    from missions.lsp.server import MissionsServer
    from missions.lsp.session import Session
    from missions.store.layout import MissionDir

LOOK_EVERY = 0.1
"""Seconds between two looks whether the files are written."""
LOOKS = 100
"""Times that is looked; whoever accepted the plan may have died, and the next owner writes them."""


class OpenPlans:
    """The plan versions that this client was told of."""

    def __init__(self, server: MissionsServer, unsaved: Callable[[], list[Path]]) -> None:
        self._server = server
        self._unsaved = unsaved
        self._told: dict[str, int] = {}

    def changed(self, session: Session, ids: set[str]) -> None:
        """These missions changed: tell of the open plan files of those whose plan is another one now."""
        for mission_id, opened in self._open(session).items():
            if mission_id in ids:
                self._server.tasks.start("plan files", self._tell(session, mission_id, opened))

    def _open(self, session: Session) -> dict[str, dict[str, Path]]:
        """The open documents below a mission's directory: mission to URI and path."""
        found: dict[str, dict[str, Path]] = {}
        for uri in list(self._server.workspace.text_documents):
            path = to_fs_path(uri) if uri.startswith("file:") else None
            if path is not None and Path(path).is_relative_to(session.store.root):
                mission_id = Path(path).relative_to(session.store.root).parts[0]
                found.setdefault(mission_id, {})[uri] = Path(path)
        return found

    async def _tell(self, session: Session, mission_id: str, opened: dict[str, Path]) -> None:
        from missions.model.mission import Mission

        mission = await asyncio.to_thread(session.view.mission, mission_id)
        before = self._told.get(mission_id)
        if not isinstance(mission, Mission) or before == mission.plan.version:
            return
        self._told[mission_id] = mission.plan.version
        await _until_written(session.store.mission(mission_id), mission.plan.version)
        unsaved = self._unsaved() if before is None else []
        shown = {
            uri: self._server.workspace.get_text_document(uri).source
            for uri, path in opened.items()
            # At the first look nobody knows whether it differs by the user's edits or by a revision.
            if uri in self._server.workspace.text_documents and path.resolve() not in unsaved
        }
        differing = await asyncio.to_thread(_differing, {opened[uri]: text for uri, text in shown.items()})
        uris = sorted(uri for uri in shown if opened[uri] in differing)
        if uris:
            self._server.send(protocol.FILES_CHANGED, FilesChanged(mission=mission_id, uris=uris))


async def _until_written(directory: MissionDir, version: int) -> None:
    from missions.runner.plan_files import written_version

    for _ in range(LOOKS):
        if await asyncio.to_thread(written_version, directory) >= version:
            return
        await asyncio.sleep(LOOK_EVERY)


def _differing(shown: dict[Path, str]) -> set[Path]:
    found: set[Path] = set()
    for path, text in shown.items():
        try:
            if path.read_text("utf-8", errors="replace") != text:
                found.add(path)
        except OSError:
            continue
    return found
