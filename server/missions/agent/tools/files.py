"""The tools `read`, `write` and `edit`: line-paged reading, atomic writing, unique replacing.

Content is never mangled: newline style, byte order mark, final newline and mode bits stay, and what is not UTF-8 text is
reported instead of changed. Where a path leads is ``workspace.py``'s concern.
"""

from __future__ import annotations

import base64
import codecs
import difflib
import hashlib
from dataclasses import dataclass
from typing import Any

from missions.agent.tool import Tool, ToolContext, ToolResult
from missions.agent.tools.excerpt import LONGEST_LINE, is_binary
from missions.agent.tools.workspace import Place, Refusal, Workspace
from missions.model.errors import raise_if_scarce

LINES_AT_ONCE = 2_000
BYTES_AT_ONCE = 50_000
LARGEST_IMAGE = 5 << 20
_LARGEST_COMPARED = 400_000

_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def file_tools(workspace: Workspace) -> list[Tool]:
    """`read`, and for a writable workspace `write` and `edit`."""
    tools: list[Tool] = [ReadTool(workspace)]
    if workspace.writable:
        tools += [WriteTool(workspace), EditTool(workspace)]
    return tools


def _refused(error: Exception, shown: str) -> ToolResult:
    raise_if_scarce(error)
    if isinstance(error, FileNotFoundError):
        text = f"`{shown}` does not exist."
    elif isinstance(error, IsADirectoryError):
        text = f"`{shown}` is a folder; list it with `glob`."
    elif isinstance(error, OSError):
        text = f"`{shown}`: {error.strerror or error}."
    else:
        text = str(error)
    return ToolResult(text, is_error=True)


@dataclass
class ReadTool:
    """Show a file."""

    workspace: Workspace
    name: str = "read"
    description: str = (
        f"Read a text file with line numbers, at most {LINES_AT_ONCE} lines or {BYTES_AT_ONCE // 1000} KB a call; page with `offset` "
        "(first line, from 1) and `limit`. Images are shown. The number and tab before each line are not part of the file."
    )
    read_only: bool = True
    strict: bool = False

    @property
    def input_schema(self) -> dict[str, Any]:
        """Path, first line, number of lines."""
        return {
            "type": "object",
            "properties": {
                "path": {"type": "string"},
                "offset": {"type": "integer"},
                "limit": {"type": "integer"},
            },
            "required": ["path"],
            "additionalProperties": False,
        }

    async def call(self, args: dict[str, Any], ctx: ToolContext) -> ToolResult:
        """Read one page."""
        path = str(args.get("path", ""))
        offset, limit = args.get("offset", 1), args.get("limit", LINES_AT_ONCE)
        if not isinstance(offset, int) or offset < 1 or not isinstance(limit, int) or limit < 1:
            return ToolResult("`offset` and `limit` must be whole numbers from 1.", is_error=True)
        try:
            place = self.workspace.place(path)
            data = self.workspace.read_bytes(place)
            real = self.workspace.real(place)
            self.workspace.remember(real, data)
        except (Refusal, OSError) as error:
            return _refused(error, path)
        shown = self._shown(path, data, offset, limit)
        shown.meta["seen"] = self.workspace.seen(real)
        return shown

    def _shown(self, path: str, data: bytes, offset: int, limit: int) -> ToolResult:
        image = _image_type(data)
        if image is not None:
            return _image(data, image, path)
        if is_binary(data):
            return ToolResult(_no_text(path, data, "it holds NUL bytes"))
        text, warning = _decoded(data)
        return ToolResult(self.workspace.redact(warning + _page(text, offset, min(limit, LINES_AT_ONCE))))


def _image_type(data: bytes) -> str | None:
    for signature, kind in _IMAGES:
        if data.startswith(signature):
            return kind
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def _image(data: bytes, kind: str, path: str) -> ToolResult:
    if len(data) > LARGEST_IMAGE:
        return ToolResult(
            f"`{path}` is an image of {len(data)} bytes; only up to {LARGEST_IMAGE >> 20} MB can be shown.",
            is_error=True,
        )
    source = {"type": "base64", "media_type": kind, "data": base64.b64encode(data).decode("ascii")}
    return ToolResult(
        [{"type": "text", "text": f"{path} ({kind}, {len(data)} bytes)"}, {"type": "image", "source": source}]
    )


def _no_text(path: str, data: bytes, why: str) -> str:
    kind = "PDF document" if data.startswith(b"%PDF") else "binary file"
    return f"`{path}` is a {kind} ({why}): {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}. Look at it with `bash`."


def _decoded(data: bytes) -> tuple[str, str]:
    try:
        return data.decode("utf-8-sig"), ""
    except UnicodeDecodeError as error:
        warning = f"[not UTF-8 (byte {error.start}); unknown bytes are shown as \\xNN; this file cannot be edited with `edit`]\n"
        return data.decode("utf-8", errors="backslashreplace"), warning


def _page(text: str, offset: int, limit: int) -> str:
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        return "(the file is empty)"
    if offset > len(lines):
        return f"[the file has {len(lines)} lines; there is no line {offset}]"
    shown: list[str] = []
    size = 0
    for number in range(offset, min(offset + limit, len(lines) + 1)):
        line = lines[number - 1].removesuffix("\r")
        if len(line) > LONGEST_LINE:
            line = f"{line[:LONGEST_LINE]} [… {len(line) - LONGEST_LINE} characters]"
        entry = f"{number}\t{line}"
        size += len(entry.encode("utf-8", errors="replace")) + 1
        if size > BYTES_AT_ONCE and shown:
            break
        shown.append(entry)
    last = offset + len(shown) - 1
    page = "\n".join(shown)
    if offset > 1 or last < len(lines):
        more = f"; go on with offset {last + 1}" if last < len(lines) else ""
        page += f"\n[lines {offset} to {last} of {len(lines)}{more}]"
    return page


@dataclass
class WriteTool:
    """Write a whole file."""

    workspace: Workspace
    name: str = "write"
    description: str = (
        "Create a file, or replace a whole one that you have read in this run. Folders are made. Prefer `edit` for changes; for a "
        "large new file write a first part and add to it with `edit`."
    )
    read_only: bool = False
    strict: bool = False

    @property
    def input_schema(self) -> dict[str, Any]:
        """Path and content."""
        return {
            "type": "object",
            "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
            "required": ["path", "content"],
            "additionalProperties": False,
        }

    async def call(self, args: dict[str, Any], ctx: ToolContext) -> ToolResult:
        """Write when nothing is there or the present content is known."""
        path, content = str(args.get("path", "")), args.get("content")
        if not isinstance(content, str):
            return ToolResult("`content` must be a string.", is_error=True)
        try:
            place = self.workspace.place(path)
            self.workspace.refuse_writing(place)
            before = self._before(place)
            real = self.workspace.real(place)
            data = _encoded(content)
            if data == before:
                # Also when the call is repeated whose process died right after it had written.
                self.workspace.remember(real, data)
                return ToolResult(
                    f"`{path}` has that content already; nothing was written.",
                    meta={"seen": self.workspace.seen(real)},
                )
            if before is not None:
                known = self.workspace.knows(real, before)
                if known is None:
                    raise Refusal(f"`{path}` exists and was not read in this run. Read it first.")
                if not known:
                    raise Refusal(
                        f"`{path}` changed since it was read (by a command or someone else). Read it again."
                    )
                if not content and before:
                    raise Refusal(
                        f"`content` is empty, but `{path}` is not. To empty or remove a file use `bash`."
                    )
            self.workspace.replace(place, data)
        except (Refusal, OSError) as error:
            return _refused(error, path)
        self.workspace.ledger.record_edit(real.relative)
        added, removed = _line_changes(before or b"", data)
        verb = "created" if before is None else "replaced"
        return ToolResult(
            f"`{path}` {verb}: {len(data)} bytes, +{added} −{removed} lines.",
            meta={"edit": real.relative, "seen": self.workspace.seen(real)},
        )

    def _before(self, place: Place) -> bytes | None:
        try:
            return self.workspace.read_bytes(place)
        except FileNotFoundError:
            return None


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise Refusal(
            "The text holds half of a character (a lone surrogate), which cannot be written."
        ) from None


def _line_changes(before: bytes, after: bytes) -> tuple[int, int]:
    if len(before) + len(after) > _LARGEST_COMPARED:
        return after.count(b"\n"), before.count(b"\n")
    old, new = before.split(b"\n"), after.split(b"\n")
    added = removed = 0
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=True).get_opcodes():
        if tag != "equal":
            removed, added = removed + b - a, added + d - c
    return added, removed


@dataclass
class EditTool:
    """Replace a piece of a file."""

    workspace: Workspace
    name: str = "edit"
    description: str = (
        "Replace `old` by `new` in a file. `old` must match exactly, without line numbers, and once; add lines around it to make it "
        "unique, or set `replace_all`. Newline style and byte order mark of the file stay."
    )
    read_only: bool = False
    strict: bool = False

    @property
    def input_schema(self) -> dict[str, Any]:
        """Path, the two texts, whether all matches are meant."""
        texts = {name: {"type": "string"} for name in ("path", "old", "new")}
        return {
            "type": "object",
            "properties": {**texts, "replace_all": {"type": "boolean"}},
            "required": ["path", "old", "new"],
            "additionalProperties": False,
        }

    async def call(self, args: dict[str, Any], ctx: ToolContext) -> ToolResult:
        """Edit, or say what is in the way and where the nearest text is."""
        path, old, new = str(args.get("path", "")), args.get("old"), args.get("new")
        if not isinstance(old, str) or not isinstance(new, str):
            return ToolResult("`old` and `new` must be strings.", is_error=True)
        if not old:
            return ToolResult(
                "`old` is empty. Give the text to replace; to make a new file use `write`.", is_error=True
            )
        if old == new:
            return ToolResult("`old` and `new` are the same; nothing to do.", is_error=True)
        try:
            place = self.workspace.place(path)
            self.workspace.refuse_writing(place)
            before = self.workspace.read_bytes(place)
            real = self.workspace.real(place)
            after, count, line = _replaced(path, before, old, new, args.get("replace_all") is True)
            known = self.workspace.knows(real, before)
            self.workspace.replace(place, after)
            if not known:
                self.workspace.forget(real)  # only the edited piece is known, not the whole
        except (Refusal, OSError) as error:
            return _refused(error, path)
        self.workspace.ledger.record_edit(real.relative)
        added, removed = _line_changes(before, after)
        where = f"line {line}" if count == 1 else f"{count} places"
        return ToolResult(
            f"`{path}` edited at {where}: +{added} −{removed} lines.",
            meta={"edit": real.relative, "seen": self.workspace.seen(real)},
        )


def _replaced(path: str, before: bytes, old: str, new: str, everywhere: bool) -> tuple[bytes, int, int]:
    """The new content, the number of matches and the line of the first."""
    if is_binary(before):
        raise Refusal(_no_text(path, before, "it holds NUL bytes"))
    mark = before.startswith(codecs.BOM_UTF8)
    try:
        text = before[len(codecs.BOM_UTF8) if mark else 0 :].decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal(
            f"`{path}` is not UTF-8 (byte {error.start}); an edit would damage it. Use `bash`."
        ) from None
    crlf = "\r\n" in text and text.count("\r\n") == text.count("\n")
    if crlf:
        # Reading shows plain line ends; what is given back in them is meant in the file's.
        old, new = (piece.replace("\r\n", "\n").replace("\n", "\r\n") for piece in (old, new))
    count = text.count(old)
    if count == 0:
        raise Refusal(_nearest(path, text, old))
    if count > 1 and not everywhere:
        lines = _match_lines(text, old)
        raise Refusal(
            f"`old` matches {count} times in `{path}` (lines {lines}). Add lines around it, or set `replace_all`."
        )
    after = text.replace(old, new)
    line = text.count("\n", 0, text.index(old)) + 1
    return (codecs.BOM_UTF8 if mark else b"") + _encoded(after), count, line


def _match_lines(text: str, old: str) -> str:
    found: list[str] = []
    start = text.find(old)
    while start >= 0 and len(found) < 8:
        found.append(str(text.count("\n", 0, start) + 1))
        start = text.find(old, start + len(old))
    return ", ".join(found) + (" …" if start >= 0 else "")


def _nearest(path: str, text: str, old: str) -> str:
    """Why nothing matched: only white space differs, or the most similar lines."""
    message = f"`old` does not occur in `{path}`."
    lines, wanted = text.splitlines(), old.strip("\r\n").splitlines()
    if not lines or not wanted:
        return message
    squeezed = [" ".join(line.split()) for line in lines]
    target = [" ".join(line.split()) for line in wanted]
    for start in range(len(lines) - len(target) + 1):
        if squeezed[start : start + len(target)] == target:
            return f"{message} Lines {start + 1} to {start + len(target)} differ only in white space:\n{_numbered(lines, start, len(target))}"
    if len(text) > _LARGEST_COMPARED:
        return f"{message} Read the file again and copy the text exactly."
    anchor = max(target, key=len)
    close = difflib.get_close_matches(anchor, squeezed, n=1, cutoff=0.6)
    if not close:
        return f"{message} Nothing in it is similar; read the file again."
    start = max(0, squeezed.index(close[0]) - target.index(anchor))
    return f"{message} The nearest text:\n{_numbered(lines, start, min(len(target) + 2, 20))}"


def _numbered(lines: list[str], start: int, count: int) -> str:
    chosen = lines[start : start + min(count, 20)]
    return "\n".join(f"{start + place + 1}\t{line[:LONGEST_LINE]}" for place, line in enumerate(chosen))
