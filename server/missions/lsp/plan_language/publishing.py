"""Which diagnostics the client has been told, and telling it what changed.

Two kinds of authors say something about files: missions (blocks, defects, edited plan files) and open documents (lint).
A file is published when what all of them say together differs from what was sent; nothing is ever sent twice. Heavy
work is done in a thread, one round at a time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs
from lsprotocol import types

from missions.lsp import document_uris as uris
from missions.lsp.documents import documents_of
from missions.lsp.log import incident
from missions.lsp.plan_language import findings, stops
from missions.lsp.plan_language.sheets import Sheet, Sheets
from missions.lsp.plan_language.sources import PLAN_FORMS
from missions.lsp.plan_language.stops import Stops
from missions.lsp.protocol import SCHEME
from missions.model.errors import MissionError
from missions.model.mission import Mission
from missions.runner.plan_files import edited_files
from missions.store.catalog import DamagedMission, MissionSummary

if TYPE_CHECKING:
    from missions.lsp.session import Session

_log = logging.getLogger(__name__)

COALESCE = 0.15
"""Seconds in which changes come together before they are looked at."""
LOOK_EVERY = 3.0
"""Seconds between two looks at the plan files of this window's missions, which anything may edit."""
_MOST_MISSIONS = 200
"""Missions of one window that are looked at; the newest ones."""
_QUIET = ("planning", "complete")
"""Statuses of missions that have nothing to say."""

Author = tuple[str, str]
"""``("mission", id)`` or ``("text", place)``."""
Said = dict[str, list[types.Diagnostic]]
"""Diagnostics by place: a path, or the URI of what is no file."""


class Publisher:
    """The diagnostics of one server."""

    def __init__(self, session: Session, sheets: Sheets) -> None:
        self._session = session
        self._sheets = sheets
        self._stops = Stops(sheets, session.server.abilities.related_information)
        abilities = session.server.abilities
        self._links = abilities.code_description and documents_of(session).readable
        self._said: dict[Author, Said] = {}
        self._sent: dict[str, tuple[str, list[types.Diagnostic]]] = {}
        self._missions: set[str] = set()
        self._texts: set[str] = set()
        self._woken = asyncio.Event()
        self._mine: set[str] = set()
        """Missions of this window's folders."""
        self._fresh = True
        self._stamps: dict[str, object] = {}

    # ------------------------------------------------------------------ what happened

    def missions_changed(self, ids: Iterable[str]) -> None:
        """These missions have to be looked at again."""
        self._missions.update(ids)
        self._woken.set()

    def text_changed(self, uri: str) -> None:
        """A document was opened, edited, saved or closed."""
        self._texts.add(uri)
        self._woken.set()

    def folders_changed(self) -> None:
        """Other missions belong to this window now."""
        self.missions_changed(row.id for row in self._session.view.missions())

    def standing(self, uri: str) -> list[types.Diagnostic]:
        """What the client was told last about a document."""
        found = self._sent.get(self._place(uri))
        return found[1] if found is not None else []

    # ------------------------------------------------------------------ rounds

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._woken.wait()
            await asyncio.sleep(COALESCE)
            self._woken.clear()
            missions, self._missions = self._missions, set()
            texts, self._texts = self._texts, set()
            await self._round(missions, texts)

    async def look(self) -> None:
        """Notice plan files that something else than the editor has changed."""
        changed = await asyncio.to_thread(self._edited)
        if changed:
            self.missions_changed(changed)

    async def _round(self, missions: set[str], texts: set[str]) -> None:
        await asyncio.to_thread(self._sort, missions)
        first = self._fresh and self._session.view.ready.is_set()
        here = self._looked_at()
        for mission_id in sorted(missions):
            said: Said = {}
            if mission_id in here:
                said = await self._heard(("mission", mission_id), partial(self._of_mission, mission_id))
                texts |= {document.uri for document in self._open_of(mission_id)}
            self._said[("mission", mission_id)] = said
        for uri in sorted(texts):
            author = ("text", self._place(uri))
            self._said[author] = await self._heard(author, partial(self._of_text, uri))
        forced: set[str] = set()
        if first:
            self._fresh = False
            forced = await asyncio.to_thread(self._old_places, here)
        self._publish(forced)
        self._said = {author: said for author, said in self._said.items() if said}

    async def _heard(self, author: Author, work: Callable[[], Said]) -> Said:
        """What an author says now; one that fails says what it said before, and never silences the others."""
        try:
            return await asyncio.to_thread(work)
        except Exception as error:
            incident(_log, f"diagnostics of {author[1]}", error)
            return self._said.get(author, {})

    def _sort(self, missions: set[str]) -> None:
        """Which of the missions belong to this window; many paths are looked at, so only when something changed."""
        for mission_id in missions:
            row = self._session.view.row(mission_id)
            is_mine = isinstance(row, MissionSummary) and self._session.is_here(row.cwd)
            (self._mine.add if is_mine else self._mine.discard)(mission_id)

    def _looked_at(self) -> set[str]:
        if len(self._mine) <= _MOST_MISSIONS:
            return set(self._mine)
        rows = [self._session.view.row(mission_id) for mission_id in self._mine]
        known = [row for row in rows if isinstance(row, MissionSummary)]
        known.sort(key=lambda row: row.updatedAt, reverse=True)
        return {row.id for row in known[:_MOST_MISSIONS]}

    def _of_mission(self, mission_id: str) -> Said:
        row = self._session.view.row(mission_id)
        if row is None or isinstance(row, DamagedMission) or row.status in _QUIET:
            return {}
        mission = self._session.view.mission(mission_id)
        if not isinstance(mission, Mission):
            return {}
        directory = self._session.store.mission(mission_id)
        self._stamps[mission_id] = self._stamp(mission_id)
        said: Said = {str(path): found for path, found in self._stops.of(directory, mission).items()}
        for name in edited_files(directory):
            path = directory.path / name
            if self._sheets.open_at(path) is None:
                sheet = self._sheets.sheet_of(path)
                said.setdefault(str(path), []).extend(
                    findings.of_mission_file(sheet, directory, mission, text_counts=False)
                )
        return said

    def _of_text(self, uri: str) -> Said:
        if not self._is_open(uri):
            return {}
        sheet = self._sheets.sheet(uri)
        found = self._findings(sheet)
        return {self._place(uri): found} if found else {}

    def _findings(self, sheet: Sheet) -> list[types.Diagnostic]:
        source = sheet.source
        if source.mission is None:
            return findings.of_plan(sheet) if sheet.form == "plan" else []
        if sheet.form not in (*PLAN_FORMS, "objective", "skill"):
            return []
        mission = self._session.view.mission(source.mission)
        if not isinstance(mission, Mission) or not mission.plan.version:
            return findings.of_plan(sheet) if sheet.form == "plan" else []
        directory = self._session.store.mission(source.mission)
        return findings.of_mission_file(sheet, directory, mission, text_counts=True)

    def _old_places(self, here: set[str]) -> set[str]:
        """Where a server that was here before may have left something: a client may still show it."""
        found: set[str] = set()
        for mission_id in here:
            row = self._session.view.row(mission_id)
            if row is None or isinstance(row, DamagedMission) or not row.runs:
                continue
            mission = self._session.view.mission(mission_id)
            if isinstance(mission, Mission):
                directory = self._session.store.mission(mission_id)
                try:
                    found |= {str(path) for path in stops.places_of(directory, mission)}
                except MissionError:
                    continue
        return found

    # ------------------------------------------------------------------ telling

    def _publish(self, forced: set[str]) -> None:
        now: dict[str, list[types.Diagnostic]] = {}
        for said in self._said.values():
            for place, found in said.items():
                now.setdefault(place, []).extend(self._described(one) for one in found)
        for place in sorted(now.keys() | self._sent.keys() | forced):
            uri, found = self._uri(place), now.get(place, [])
            before = self._sent.get(place)
            if before is not None and before[0] != uri and before[1]:
                self._send(before[0], [])
            if before != (uri, found) and (found or before is not None or place in forced):
                self._send(uri, found)
            if found:
                self._sent[place] = (uri, found)
            else:
                self._sent.pop(place, None)

    def _described(self, diagnostic: types.Diagnostic) -> types.Diagnostic:
        """With a link to what its code means, for clients that show one and can read it."""
        if not self._links:
            return diagnostic
        data = cast("dict[str, Any]", diagnostic.data)
        page = {
            "finding": f"{SCHEME}:/help/rules.md#{diagnostic.code}",
            "block": f"{SCHEME}:/help/blocks.md#{diagnostic.code}",
            "defect": uris.review_uri(data["mission"], data["run"]) if "run" in data else None,
        }.get(data["kind"])
        return (
            diagnostic
            if page is None
            else attrs.evolve(diagnostic, code_description=types.CodeDescription(page))
        )

    def _send(self, uri: str, found: list[types.Diagnostic]) -> None:
        self._session.server.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri=uri, diagnostics=found)
        )

    def _place(self, uri: str) -> str:
        source = self._sheets.source(uri)
        return str(source.path) if source.path is not None else uri

    def _uri(self, place: str) -> str:
        return self._sheets.uri_of(Path(place)) if Path(place).is_absolute() else place

    def _is_open(self, uri: str) -> bool:
        place = self._place(uri)
        return any(self._place(document.uri) == place for document in self._sheets.open_documents())

    def _open_of(self, mission_id: str) -> list[types.TextDocumentIdentifier]:
        return [
            types.TextDocumentIdentifier(document.uri)
            for document in self._sheets.open_documents()
            if self._sheets.source(document.uri).mission == mission_id
        ]

    def _edited(self) -> set[str]:
        """Missions whose plan files are not as they were when they were last looked at."""
        found: set[str] = set()
        for mission_id in self._looked_at():
            row = self._session.view.row(mission_id)
            if row is None or isinstance(row, DamagedMission) or row.status in _QUIET:
                continue
            if self._stamps.get(mission_id) != self._stamp(mission_id):
                found.add(mission_id)
        return found

    def _stamp(self, mission_id: str) -> object:
        directory = self._session.store.mission(mission_id)
        marks: list[tuple[str, int, int]] = []
        for folder in (directory.plan, *sorted(directory.skills.glob("*"))):
            try:
                for entry in folder.iterdir():
                    status = entry.stat()
                    marks.append((entry.name, status.st_mtime_ns, status.st_size))
            except OSError:
                continue
        return tuple(sorted(marks))
