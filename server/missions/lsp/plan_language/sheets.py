"""Documents as the features read them: text, lines, positions and items, from the editor or else from the disk.

Made at most once for each version of a document and forgotten again. A text that is too large or is no text is empty
here and says so; nothing raises.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from urllib.parse import unquote

from pygls.workspace import TextDocument, Workspace

from missions.lsp.plan_language.json_positions import MAX_TEXT, Node, Tree, parse_positions
from missions.lsp.plan_language.outline import Outline, outline_of
from missions.lsp.plan_language.sources import PLAN_FORMS, Form, Source, looks_like_a_plan, source_of
from missions.lsp.plan_language.text_lines import TextLines

_KEPT = 24


@dataclass
class Sheet:
    """One version of a document."""

    uri: str
    source: Source
    text: str
    encoding: str
    size: int
    """Characters of the document, also when ``text`` is empty because that is too many."""

    @property
    def too_large(self) -> bool:
        return self.size > MAX_TEXT

    @cached_property
    def lines(self) -> TextLines:
        return TextLines(self.text, self.encoding)

    @cached_property
    def tree(self) -> Tree:
        is_json = self.source.form in PLAN_FORMS or self.uri.endswith(".json")
        return parse_positions(self.text) if is_json else Tree()

    @cached_property
    def form(self) -> Form:
        """As the place says, or a plan by its content."""
        if self.source.form == "other" and looks_like_a_plan(self.tree):
            return "plan"
        return self.source.form

    @cached_property
    def outline(self) -> Outline:
        return outline_of(self.tree, self.form)

    def mark_of(self, node: Node) -> tuple[int, int]:
        """The few characters that stand for a value: its id, its field name, or its first character."""
        if node.kind not in ("object", "array"):
            return node.start, node.end
        named = node.get("id") if node.kind == "object" else None
        if named is not None and named.kind == "string":
            return named.start, named.end
        return node.name_span or (node.start, min(node.start + 1, node.end))


class Sheets:
    """The documents of one server."""

    def __init__(self, workspace: Workspace, store: Path) -> None:
        self._workspace = workspace
        self._store = store
        self._made: OrderedDict[str, tuple[object, Sheet]] = OrderedDict()
        self._mutex = Lock()

    @property
    def encoding(self) -> str:
        """How the client counts characters."""
        found = self._workspace.position_encoding
        return str(getattr(found, "value", found) or "utf-16")

    def open_documents(self) -> list[TextDocument]:
        """What the editor has open."""
        return list(self._workspace.text_documents.values())

    def open_at(self, path: Path) -> TextDocument | None:
        """The open document of a file, whatever its URI looks like."""
        wanted = str(path)
        return next((d for d in self.open_documents() if d.path and str(Path(d.path)) == wanted), None)

    def uri_of(self, path: Path) -> str:
        """The URI of a file as the client knows it."""
        found = self.open_at(path)
        return found.uri if found is not None else path.as_uri()

    def sheet(self, uri: str) -> Sheet:
        """The document as it is now: in the editor, else on the disk, else empty."""
        found = self._workspace.text_documents.get(unquote(uri))
        if found is not None:
            return self._keep(uri, ("open", found.version, id(found)), lambda: found.source)
        source = source_of(uri, self._store)
        return self._keep(uri, _stamp(source.path), lambda: _disk_text(source.path))

    def sheet_of(self, path: Path) -> Sheet:
        """The document of a file."""
        return self.sheet(self.uri_of(path))

    def source(self, uri: str) -> Source:
        """What a URI names."""
        return source_of(uri, self._store)

    def forget(self, uri: str) -> None:
        """A document was closed."""
        with self._mutex:
            self._made.pop(uri, None)

    def _keep(self, uri: str, stamp: object, read: Callable[[], str]) -> Sheet:
        with self._mutex:
            known = self._made.get(uri)
            if known is not None and known[0] == stamp:
                self._made.move_to_end(uri)
                return known[1]
        text = read()
        kept = text if len(text) <= MAX_TEXT else ""
        made = Sheet(uri, source_of(uri, self._store), kept, self.encoding, len(text))
        with self._mutex:
            self._made[uri] = (stamp, made)
            self._made.move_to_end(uri)
            while len(self._made) > _KEPT:
                self._made.popitem(last=False)
        return made


def _stamp(path: Path | None) -> object:
    try:
        found = path.stat() if path is not None else None
    except (OSError, ValueError):
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if found is not None else None


def _disk_text(path: Path | None) -> str:
    try:
        if path is None or not path.is_file():
            return ""
        with path.open("rb") as source:
            return source.read(MAX_TEXT * 2 + 1).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""
