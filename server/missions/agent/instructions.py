"""The repository's own instructions for agents: ``AGENTS.md`` and ``CLAUDE.md`` by directory.

From the repository's root down to the working directory, at most 32 KiB together, frozen when the run starts; a cut is
visible. Files of deeper folders are given once, with the first result that touches their folder. Nothing here follows a
link out of the repository or writes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("AGENTS.override.md", "AGENTS.md", "CLAUDE.md")
"""In order of preference; one file per directory counts."""
LIMIT = 32 * 1024
"""Bytes of all files together."""


@dataclass
class Instructions:
    """What was found for one run."""

    root: Path
    text: str = ""
    """For the first user message; empty when there are no files."""
    files: list[str] = field(default_factory=list[str])
    """Paths relative to the root, in the order they are given."""
    truncated: bool = False
    _left: int = LIMIT
    _seen: set[Path] = field(default_factory=set[Path])

    @classmethod
    def freeze(cls, root: Path, cwd: Path | None = None, limit: int = LIMIT) -> Instructions:
        """Read the files of all directories from ``root`` down to ``cwd``."""
        root = root.resolve()
        found = cls(root, _left=limit)
        parts = [text for folder in _down(root, (cwd or root).resolve()) if (text := found._take(folder))]
        found.text = "\n\n".join(parts)
        return found

    def touched(self, args: dict[str, Any]) -> str | None:
        """Instructions of folders that a call's ``path`` touches for the first time (``Spec.touched``)."""
        path = args.get("path")
        if not isinstance(path, str) or not path or "\0" in path:
            return None
        target = self.root / path
        folder = (target if target.is_dir() else target.parent).resolve()
        parts = [text for one in _down(self.root, folder) if (text := self._take(one))]
        return "\n\n".join(parts) or None

    def _take(self, folder: Path) -> str | None:
        if folder in self._seen:
            return None
        self._seen.add(folder)
        for name in NAMES:
            file = folder / name
            try:
                # A link out of the repository would hand the model a file it may not read.
                if not file.resolve(strict=True).is_relative_to(self.root) or not file.is_file():
                    continue
                with file.open("rb") as source:
                    data = source.read(self._left + 1)
            except OSError:
                continue
            if not data.strip():
                continue
            shown = file.relative_to(self.root).as_posix()
            self.files.append(shown)
            return self._quoted(shown, data)
        return None

    def _quoted(self, shown: str, data: bytes) -> str:
        cut = len(data) > self._left
        text = data[: self._left].decode("utf-8", "ignore" if cut else "replace").strip()
        self._left -= min(len(data), self._left)
        if cut:
            self.truncated = True
            text += f"\n[{shown} is cut here: the instructions of the repository are larger than allowed. Read the file for the rest.]"
        return f'<instructions path="{shown}">\n{text}\n</instructions>'


def _down(root: Path, folder: Path) -> list[Path]:
    if not folder.is_relative_to(root):
        return [root]
    steps = folder.relative_to(root).parts
    return [root.joinpath(*steps[:count]) for count in range(len(steps) + 1)]
