"""The handlers of the plan language, registered before ``initialize``; what they need is loaded with the session.

Two or three lines each: ask the language, in a thread where files are read. Nothing is decided here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from lsprotocol import types

from missions.loading import load

if TYPE_CHECKING:
    from missions.lsp.plan_language.language import Language
    from missions.lsp.server import MissionsServer

T = TypeVar("T")

AFTER = 0.3
"""Seconds that the first tree has the interpreter for itself before diagnostics are loaded."""


def register(server: MissionsServer) -> None:
    """Register everything; diagnostics begin with the session."""
    parts = _Parts(server)

    async def begin() -> None:
        # Last of all, because it is the most to load: the tree is what a user looks at first.
        await (await server.session()).view.ready.wait()
        await asyncio.sleep(AFTER)
        (await parts.language()).start()

    server.on_started.append(begin)
    _follow_documents(server, parts)
    _answer_questions(server, parts)


class _Parts:
    """The language, once it is there."""

    def __init__(self, server: MissionsServer) -> None:
        self._server = server
        self._language: Language | None = None

    @property
    def known(self) -> Language | None:
        """Without waiting: before it is there, nobody can have been told anything."""
        return self._language

    async def language(self) -> Language:
        """The language; waits for the session."""
        session = await self._server.session()
        if self._language is None:
            part = await asyncio.to_thread(load, "missions.lsp.plan_language.language")
            # Somebody else may have waited for the same module.
            self._language = self._language or part.Language(session)
            assert self._language is not None
        return self._language

    async def call(self, module: str, work: Callable[[Any, Language], T]) -> T:
        """Do ``work`` in a thread with a module of this package and the language."""
        language = await self.language()

        def run() -> T:
            return work(load(f"missions.lsp.plan_language.{module}"), language)

        return await asyncio.to_thread(run)


def _follow_documents(server: MissionsServer, parts: _Parts) -> None:
    def changed(uri: str) -> None:
        if parts.known is not None:
            parts.known.publisher.text_changed(uri)

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def did_open(params: types.DidOpenTextDocumentParams) -> None:
        changed(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def did_change(params: types.DidChangeTextDocumentParams) -> None:
        changed(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def did_save(params: types.DidSaveTextDocumentParams) -> None:
        changed(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def did_close(params: types.DidCloseTextDocumentParams) -> None:
        if parts.known is not None:
            parts.known.sheets.forget(params.text_document.uri)
        changed(params.text_document.uri)

    @server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    def folders_changed(params: types.DidChangeWorkspaceFoldersParams) -> None:
        if parts.known is not None:
            parts.known.publisher.folders_changed()


def _answer_questions(server: MissionsServer, parts: _Parts) -> None:
    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions([types.CodeActionKind.QuickFix]))
    async def code_action(params: types.CodeActionParams) -> Any:
        return await parts.call("actions", lambda part, language: part.code_actions(language, params))

    @server.feature(types.TEXT_DOCUMENT_CODE_LENS)
    async def code_lens(params: types.CodeLensParams) -> Any:
        return await parts.call("actions", lambda part, language: part.lenses(language, params))

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def hover(params: types.HoverParams) -> Any:
        return await parts.call("reading", lambda part, language: part.hover(language, params))

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    async def document_symbol(params: types.DocumentSymbolParams) -> Any:
        return await parts.call("reading", lambda part, language: part.symbols(language, params))

    @server.feature(types.TEXT_DOCUMENT_FOLDING_RANGE)
    async def folding_range(params: types.FoldingRangeParams) -> Any:
        return await parts.call("reading", lambda part, language: part.folding(language, params))

    @server.feature(types.TEXT_DOCUMENT_INLAY_HINT)
    async def inlay_hint(params: types.InlayHintParams) -> Any:
        return await parts.call("reading", lambda part, language: part.hints(language, params))

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    async def definition(params: types.DefinitionParams) -> Any:
        return await parts.call("navigation", lambda part, language: part.definition(language, params))

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    async def references(params: types.ReferenceParams) -> Any:
        return await parts.call("navigation", lambda part, language: part.references(language, params))

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_LINK)
    async def document_link(params: types.DocumentLinkParams) -> Any:
        return await parts.call("navigation", lambda part, language: part.links(language, params))

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=['"']))
    async def completion(params: types.CompletionParams) -> Any:
        return await parts.call("completions", lambda part, language: part.complete(language, params))
