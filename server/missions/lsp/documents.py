"""The read-only `missions:` documents: asked for by the client, opened for it, and refreshed while it shows them.

Registered before ``initialize``; what the pages say comes from ``control/pages.py``. A client that can read such
documents gets their URIs; any other gets a private temporary file with the same text. Nothing of a mission is changed.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import shutil
import tempfile
import time
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from lsprotocol import types

from missions.loading import load
from missions.lsp.protocol import CONTENT, SCHEME, ContentParams, ContentResult
from missions.model.errors import MissionError

if TYPE_CHECKING:
    from missions.lsp.server import MissionsServer
    from missions.lsp.session import Session

_log = logging.getLogger(__name__)

LOOK_EVERY = 0.5
"""Seconds between two looks at what is shown: a page is written at most so often."""
_SHOWN = 32
"""Documents that are followed; the one that was asked for longest ago makes room."""
_PATIENCE = 60.0
"""Seconds after a refresh in which a client that still shows the document asks for it again."""


def name_of(uri: str) -> str:
    """The name of a document, however many slashes its URI has; ``bad_argument`` for another scheme."""
    parts = urlsplit(uri)
    if parts.scheme != SCHEME:
        raise MissionError(
            "bad_argument", "That is not a `missions:` document.", "Ask for missions:/control.md."
        )
    return unquote(f"{parts.netloc}/{parts.path}").strip("/")


def register(server: MissionsServer) -> None:
    """Answer both ways of asking for a document, and follow the store."""

    @server.feature(types.WORKSPACE_TEXT_DOCUMENT_CONTENT)
    async def standard(params: types.TextDocumentContentParams) -> types.TextDocumentContentResult:
        return types.TextDocumentContentResult(text=await (await documents(server)).text(params.uri))

    @server.feature(CONTENT)
    async def own(params: ContentParams) -> ContentResult:
        return ContentResult(uri=params.uri, text=await (await documents(server)).text(params.uri))

    async def begin() -> None:
        (await documents(server)).start()

    server.on_started.append(begin)


async def documents(server: MissionsServer) -> Documents:
    """The documents of a server."""
    return documents_of(await server.session())


def documents_of(session: Session) -> Documents:
    """The documents of a session, made at the first question."""
    found = _made.get(session)
    if found is None:
        found = _made[session] = Documents(session)
    return found


class Documents:
    """What the client shows of missions."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._server = session.server
        self._shown: OrderedDict[str, _Shown] = OrderedDict()
        self._folder: Path | None = None

    def start(self) -> None:
        """Refresh what is shown when missions change."""
        self._session.view.subscribe(self._missions_changed)
        self._server.tasks.repeat("documents", LOOK_EVERY, self._look)

    # ------------------------------------------------------------------ reading

    async def text(self, uri: str) -> str:
        """The text of a document; the client is told from now on when it changes."""
        name = name_of(uri)
        text = await self.page(name)
        known = self._shown.pop(uri, None)
        self._shown[uri] = _Shown(
            name, _digest(text), known.file if known else None, _stamp(self._behind(name))
        )
        while len(self._shown) > _SHOWN:
            self._shown.popitem(last=False)
        return text

    async def page(self, name: str) -> str:
        """The text of a document by its name."""
        pages = await asyncio.to_thread(load, "missions.control.pages")
        return await asyncio.to_thread(pages.page, self._session.caller, name)

    # ------------------------------------------------------------------ opening

    @property
    def readable(self) -> bool:
        """Whether the client can read `missions:` documents."""
        abilities = self._server.abilities
        return abilities.text_document_content or abilities.extension > 0

    async def show(self, uri: str, *, focus: bool = True) -> tuple[str, bool]:
        """Open a document or a file: the URI that the client can read, and whether it said that it shows it."""
        readable = await self.readable_uri(uri)
        if not self._server.abilities.show_document:
            return readable, False
        params = types.ShowDocumentParams(uri=readable, take_focus=focus)
        answer = await self._server.ask_client(types.WINDOW_SHOW_DOCUMENT, params)
        return readable, bool(getattr(answer, "success", False))

    async def readable_uri(self, uri: str) -> str:
        """The URI under which this client can read a document; an error for one that there is not."""
        if urlsplit(uri).scheme != SCHEME:
            return uri
        if self.readable:
            await self.page(name_of(uri))  # an error is answered now, not by an empty window
            return uri
        return (await self._as_file(name_of(uri))).as_uri()

    async def _as_file(self, name: str) -> Path:
        text = await self.page(name)
        path = self._private_folder() / name
        await asyncio.to_thread(_write, path, text)
        self._shown[path.as_uri()] = _Shown(name, _digest(text), path, _stamp(self._behind(name)))
        return path

    def _private_folder(self) -> Path:
        if self._folder is None:
            folder = self._folder = Path(tempfile.mkdtemp(prefix="missions-"))
            self._server.lifetime.farewells.append(lambda: shutil.rmtree(folder, ignore_errors=True))
        return self._folder

    # ------------------------------------------------------------------ refreshing

    def _missions_changed(self, ids: set[str]) -> None:
        view = self._session.view
        for shown in self._shown.values():
            # One that went before the store was first listed is never named.
            if shown.mission is None or shown.mission in ids or view.row(shown.mission) is None:
                shown.stale = True

    async def _look(self) -> None:
        """Refresh what changed; transcripts grow without a word in the journal."""
        now = time.monotonic()
        for uri, shown in list(self._shown.items()):
            if shown.told is not None and now - shown.told > _PATIENCE:
                del self._shown[uri]
                continue
            stamp = _stamp(self._behind(shown.name))
            if shown.stale or stamp != shown.stamp:
                shown.stale, shown.stamp = False, stamp
                await self._refresh(uri)

    async def _refresh(self, uri: str) -> None:
        shown = self._shown.get(uri)
        if shown is None or shown.told is not None:
            return
        try:
            text = await self.page(shown.name)
        except MissionError as error:
            text = str(error)
        digest = _digest(text)
        if digest == shown.digest or self._shown.get(uri) is not shown:
            return
        shown.digest = digest
        if shown.file is not None:
            await asyncio.to_thread(_write, shown.file, text)
        elif self._server.abilities.text_document_content:
            shown.told = time.monotonic()
            params = types.TextDocumentContentRefreshParams(uri=uri)
            await self._server.ask_client(types.WORKSPACE_TEXT_DOCUMENT_CONTENT_REFRESH, params)

    def _behind(self, name: str) -> Path | None:
        """The file that grows while a run works, for documents that show it."""
        match name.split("/"):
            case [mission_id, "runs", run_id, _]:
                try:
                    return self._session.store.mission(mission_id).run(run_id).transcript
                except MissionError:
                    return None
            case _:
                return None


class _Shown:
    """One document that the client has asked for."""

    def __init__(self, name: str, digest: str, file: Path | None, stamp: Any) -> None:
        self.name = name
        first = name.split("/")[0]
        self.mission = first if first.startswith("mission-") else None
        self.digest = digest
        self.file = file
        self.stamp = stamp
        self.stale = False
        """Its mission changed since it was last looked at."""
        self.told: float | None = None
        """When a refresh was sent that the client has not followed yet."""


_made: dict[Session, Documents] = {}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _stamp(path: Path | None) -> Any:
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return (found.st_ino, found.st_size) if found is not None else None


def _write(path: Path, text: str) -> None:
    from missions.store.files import atomic_write

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    atomic_write(path, text.encode("utf-8", "replace"), "file", durable=False)
