"""The tools `glob` and `grep`: finding files by name and by content, bounded in time and size.

Both see what git does not ignore, stay in the workspace and change nothing. Matching by content runs in a process of its
own (``matcher.py``), which is killed when a pattern takes too long.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, cast

import pathspec

from missions.agent.tool import Tool, ToolContext, ToolResult
from missions.agent.tools.excerpt import clean, excerpt
from missions.agent.tools.walking import Found, walk
from missions.agent.tools.workspace import Place, Refusal, Workspace

MOST_FILES = 300
MOST_MATCHES = 200
GREP_SECONDS = 20.0
_MATCHER = Path(__file__).with_name("matcher.py")


def search_tools(workspace: Workspace) -> list[Tool]:
    """`glob` and `grep`."""
    return [GlobTool(workspace), GrepTool(workspace)]


def _problem(error: Exception, path: str) -> ToolResult:
    if isinstance(error, OSError):
        return ToolResult(f"`{path}`: {error.strerror or error}.", is_error=True)
    return ToolResult(str(error), is_error=True)


def _matching(workspace: Workspace, place: Place, pattern: str) -> Iterator[Found]:
    """Files below ``place`` whose path from there fits the glob."""
    prefix = "" if place.relative == "." else f"{place.relative}/"
    anchored = pattern if pattern.startswith("/") or "/" not in pattern else f"/{pattern}"
    spec = pathspec.GitIgnoreSpec.from_lines([anchored])
    return (found for found in walk(workspace, place) if spec.match_file(found.relative[len(prefix) :]))


@dataclass
class GlobTool:
    """Find files by name."""

    workspace: Workspace
    name: str = "glob"
    description: str = (
        f"List files whose path fits a glob (`**/*.py`, `src/*.ts`; without `/` it fits names at any depth), at most {MOST_FILES}. "
        "What git ignores is left out."
    )
    read_only: bool = True
    strict: bool = False

    @property
    def input_schema(self) -> dict[str, Any]:
        """Pattern, and the folder to begin in."""
        return {
            "type": "object",
            "properties": {
                "pattern": {"type": "string"},
                "path": {"type": "string", "description": "Folder; default: the top."},
            },
            "required": ["pattern"],
            "additionalProperties": False,
        }

    async def call(self, args: dict[str, Any], ctx: ToolContext) -> ToolResult:
        """List the first files in the order of their paths."""
        pattern, path = str(args.get("pattern", "")).strip(), str(args.get("path") or ".")
        if not pattern or pattern.startswith("!"):
            return ToolResult("`pattern` must be a glob such as `**/*.py`.", is_error=True)
        try:
            place = self.workspace.place(path)
            found = await asyncio.to_thread(
                lambda: list(islice(_matching(self.workspace, place, pattern), MOST_FILES + 1))
            )
        except (Refusal, OSError, ValueError) as error:
            return _problem(error, path)
        if not found:
            return ToolResult(f"No file fits `{pattern}` (what git ignores is left out).")
        lines = [clean(os.fsencode(item.relative)) for item in found[:MOST_FILES]]
        if len(found) > MOST_FILES:
            lines.append(f"[only the first {MOST_FILES}; use a narrower pattern or `path`]")
        return ToolResult("\n".join(lines))


@dataclass
class GrepTool:
    """Find lines by content."""

    workspace: Workspace
    name: str = "grep"
    description: str = (
        f"Find lines that fit a regular expression (Python syntax), at most {MOST_MATCHES}, as `path:line: text`. `path`: file or folder. "
        "`glob`: only such files. What git ignores, binary files and files above 8 MB are left out."
    )
    read_only: bool = True
    strict: bool = False

    @property
    def input_schema(self) -> dict[str, Any]:
        """Pattern, where, which files, letter case, lines around."""
        return {
            "type": "object",
            "properties": {
                "pattern": {"type": "string"},
                "path": {"type": "string"},
                "glob": {"type": "string"},
                "ignore_case": {"type": "boolean"},
                "context": {"type": "integer", "description": "Lines around each match, 0 to 10."},
            },
            "required": ["pattern"],
            "additionalProperties": False,
        }

    async def call(self, args: dict[str, Any], ctx: ToolContext) -> ToolResult:
        """Match in a process that is killed after 20 seconds or when the run is cancelled."""
        pattern, path = str(args.get("pattern", "")), str(args.get("path") or ".")
        context = args.get("context", 0)
        if not isinstance(context, int) or not 0 <= context <= 10:
            return ToolResult("`context` must be from 0 to 10.", is_error=True)
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            return ToolResult(
                f"`pattern` is no regular expression: {error}. Escape special characters with a backslash.",
                is_error=True,
            )
        if not pattern:
            return ToolResult("`pattern` is empty.", is_error=True)
        try:
            place = self.workspace.place(path)
            files = await asyncio.to_thread(self._files, place, args.get("glob"))
        except (Refusal, OSError, ValueError) as error:
            return _problem(error, path)
        task = {
            "pattern": pattern,
            "ignoreCase": args.get("ignore_case") is True,
            "context": context,
            "most": MOST_MATCHES,
        }
        output, in_time = await self._match(place, task, files, ctx)
        return ToolResult(
            self.workspace.redact(_words(pattern, output, in_time, context)),
            is_error=not in_time and not output,
        )

    def _files(self, place: Place, glob: object) -> list[str]:
        with self.workspace.opened(place, os.O_RDONLY | os.O_NONBLOCK) as descriptor:
            is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        if not is_folder:
            return [self.workspace.real(place).relative]
        if isinstance(glob, str) and glob.strip():
            return [found.relative for found in _matching(self.workspace, place, glob.strip())]
        return [found.relative for found in walk(self.workspace, place)]

    async def _match(
        self, place: Place, task: dict[str, Any], files: list[str], ctx: ToolContext
    ) -> tuple[list[dict[str, Any]], bool]:
        root = os.open(place.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                str(_MATCHER),
                str(root),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                pass_fds=(root,),
                env={"PYTHONUTF8": "1"},
            )
        finally:
            os.close(root)
        lines = [json.dumps(task), *(json.dumps(name) for name in files)]
        talking = asyncio.create_task(_talk(process, ("\n".join(lines) + "\n").encode()))
        stopped = asyncio.create_task(ctx.cancelled.wait())
        try:
            await asyncio.wait([talking, stopped], timeout=GREP_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            in_time = talking.done()
            if not in_time:
                process.kill()
            raw = await talking
        finally:
            stopped.cancel()
            if process.returncode is None:
                process.kill()
                await process.wait()
        return [
            cast("dict[str, Any]", json.loads(line)) for line in raw.split(b"\n") if line.endswith(b"}")
        ], in_time


async def _talk(process: asyncio.subprocess.Process, text: bytes) -> bytes:
    output, _ = await process.communicate(text)
    return output


def _words(pattern: str, output: list[dict[str, Any]], in_time: bool, context: int) -> str:
    lines: list[str] = []
    for found in output:
        if "path" not in found:
            continue
        for number, text in found["text"]:
            sign = ":" if number == found["line"] else "-"
            lines.append(f"{found['path']}{sign}{number}{sign} {text}")
        if context:
            lines.append("--")
    skipped = sum(1 for found in output if "skipped" in found)
    if not lines and in_time:
        lines.append(f"No line fits `{pattern}`.")
    if any("more" in found for found in output):
        lines.append(f"[only the first {MOST_MATCHES} matches; use a narrower pattern, `path` or `glob`]")
    if skipped:
        lines.append(f"[{skipped} files were not searched: binary, too large or not readable]")
    if not in_time:
        lines.append(
            f"[stopped after {GREP_SECONDS:.0f} s: the pattern takes too long or there is too much to search]"
        )
    return excerpt(clean("\n".join(lines).encode("utf-8", errors="replace"))).text
