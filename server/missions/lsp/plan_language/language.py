"""What all features of the plan language share in one session: documents, diagnostics, and whose mission a document is.

Made when the session is. The features themselves are in their own modules.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from lsprotocol import types

from missions.lsp.documents import documents_of
from missions.lsp.plan_language.knowledge import Knowledge
from missions.lsp.plan_language.publishing import LOOK_EVERY, Publisher
from missions.lsp.plan_language.sheets import Sheet, Sheets
from missions.model.contract import PlanDocument
from missions.model.errors import MissionError
from missions.model.lint import errors_of, lint_plan_text
from missions.model.mission import Mission

if TYPE_CHECKING:
    from missions.lsp.session import Session


class Language:
    """The plan language of one server."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.sheets = Sheets(session.server.workspace, session.store.root)
        self.publisher = Publisher(session, self.sheets)
        self._asking: dict[str, bool] = {}
        """Questions to ask for lenses or hints again that wait for an answer, and whether to ask once more."""

    def start(self) -> None:
        """Begin to publish diagnostics."""
        view, tasks = self.session.view, self.session.server.tasks
        view.subscribe(self.publisher.missions_changed)
        view.subscribe(self._ask_again)
        if view.ready.is_set():
            self.publisher.folders_changed()
            # What was asked for before this began may have changed since, and nobody was told.
            self._ask_again(self._shown())
        for document in self.sheets.open_documents():
            self.publisher.text_changed(document.uri)
        tasks.start("diagnostics", self.publisher.run())
        tasks.repeat("plan files", LOOK_EVERY, self.publisher.look)

    def sheet(self, uri: str) -> Sheet | None:
        """A document that we have something to say about."""
        sheet = self.sheets.sheet(uri)
        return None if sheet.form == "other" or sheet.too_large else sheet

    def mission(self, mission_id: object) -> Mission | None:
        """A mission that can be read."""
        found = self.session.view.mission(mission_id) if isinstance(mission_id, str) else None
        return found if isinstance(found, Mission) else None

    def knowledge(self, uri: str) -> Knowledge | None:
        """What is known around a document that we have something to say about."""
        sheet = self.sheet(uri)
        if sheet is None:
            return None
        mission_id = sheet.source.mission
        mission = self.mission(mission_id)
        directory = self.session.store.mission(mission_id) if mission_id is not None else None
        return Knowledge(sheet, mission, directory if mission is not None else None)

    @property
    def readable(self) -> bool:
        """Whether the client can read `missions:` documents."""
        return documents_of(self.session).readable

    def has(self, command: str) -> bool:
        """Whether the server has a workspace command."""
        return command in cast("dict[str, object]", self.session.server.protocol.fm.commands)

    def estimate(self, knowledge: Knowledge) -> str:
        """What the plan of a document is expected to take, in one line; empty while it cannot be told."""
        mission, sheet = knowledge.mission, knowledge.sheet
        try:
            if mission is not None and knowledge.plan is not None:
                return self._estimated(knowledge.plan, Path(mission.cwd))
            plan, found = lint_plan_text(sheet.text)
            return self._estimated(plan, None) if plan is not None and not errors_of(found) else ""
        except MissionError:
            return ""

    def _estimated(self, plan: PlanDocument, cwd: Path | None) -> str:
        # The same plan is asked about with every look at the file.
        return _sentence(self.session, plan.as_bytes(), cwd)

    def _shown(self) -> set[str]:
        """The missions of open documents."""
        sources = (self.sheets.source(document.uri) for document in self.sheets.open_documents())
        return {source.mission for source in sources if source.mission is not None}

    def _ask_again(self, ids: set[str]) -> None:
        """Lenses and hints show states: have them asked for again when a mission of an open document changed."""
        if not ids & self._shown():
            return
        server = self.session.server
        for able, method in (
            (server.abilities.code_lens_refresh, types.WORKSPACE_CODE_LENS_REFRESH),
            (server.abilities.inlay_hint_refresh, types.WORKSPACE_INLAY_HINT_REFRESH),
        ):
            if not able:
                continue
            if method in self._asking:
                self._asking[method] = True
            else:
                self._asking[method] = False
                server.tasks.start("refresh", self._refresh(method))

    async def _refresh(self, method: str) -> None:
        """One question at a time, and one more if something changed meanwhile."""
        try:
            again = True
            while again:
                self._asking[method] = False
                await self.session.server.ask_client(method, None)
                again = self._asking[method]
        finally:
            del self._asking[method]


@lru_cache(maxsize=16)
def _sentence(session: Session, plan: bytes, cwd: Path | None) -> str:
    estimate = session.control.estimate(PlanDocument.model_validate_json(plan), cwd)
    return estimate.sentence()
