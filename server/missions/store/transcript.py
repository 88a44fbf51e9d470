"""Transcripts: JSON lines in files that only grow, in segments, read by offset.

``transcript.jsonl`` is the live segment; at 64 MB it is closed as ``transcript.<n>.jsonl``. Lines become durable with
:meth:`TranscriptWriter.sync` (at the borders of a step), not one by one. What the lines mean is not known here.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from missions.model.errors import MissionError
from missions.store.files import AppendFile, atomic_write, make_dir, rename

SEGMENT_SIZE = 64 * 1024 * 1024
"""Bytes after which a segment is closed."""

MAX_LINE = 16 * 1024 * 1024
"""Bytes of one line; larger content belongs into a blob."""

_BLOCK = 256 * 1024
_OPEN = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
)


@dataclass(frozen=True)
class Position:
    """A place between two lines; ``Position()`` is the beginning."""

    segment: int = 1
    offset: int = 0


class TranscriptWriter:
    """The one writer of a transcript."""

    def __init__(self, path: Path, segment_size: int = SEGMENT_SIZE) -> None:
        """Open or create ``path``; a torn last line is set aside in ``<name>.torn-<time>`` first."""
        make_dir(path.parent, "transcript")
        self.path = path
        self.torn: Path | None = None
        """Where a torn last line went."""
        self._segment_size = segment_size
        self._file = AppendFile(path, "transcript")
        keep = _end_of_last_line(self._file.fd, self._file.length)
        if keep < self._file.length:
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
            self.torn = path.with_name(f"{path.stem}.torn-{stamp}")
            atomic_write(self.torn, os.pread(self._file.fd, self._file.length - keep, keep), "torn")
            self._file.truncate(keep)

    def append(self, line: dict[str, Any], *, sync: bool = False) -> None:
        """Append one line; on an error the file is as before."""
        content = (
            json.dumps(line, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")
            + b"\n"
        )
        if len(content) > MAX_LINE:
            raise MissionError(
                "bad_argument",
                f"A transcript line of {len(content)} bytes is larger than allowed ({MAX_LINE}).",
                "Large content belongs into a blob.",
            )
        if self._file.length and self._file.length + len(content) > self._segment_size:
            self._close_segment()
        self._file.append(content, sync=sync)

    def sync(self) -> None:
        """Make everything appended so far durable."""
        self._file.sync()

    def close(self) -> None:
        """Make everything durable and close; a second call does nothing."""
        if self._file.fd >= 0:
            if not self._file.broken:
                self._file.sync()
            self._file.close()

    def _close_segment(self) -> None:
        self._file.sync()
        self._file.close()
        rename(self.path, _segment(self.path, closed_segments(self.path) + 1), "transcript")
        self._file = AppendFile(self.path, "transcript")


class TranscriptReader:
    """Reads a transcript from where it stopped last time; needs no lock."""

    def __init__(self, path: Path, position: Position | None = None) -> None:
        self.path = path
        self.position = position or Position()
        """Where the next :meth:`read_new` begins."""
        self.damaged = 0
        """Lines that were no JSON objects; they are left out."""

    def read_new(self, limit: int = 10_000) -> list[dict[str, Any]]:
        """At most ``limit`` complete lines from the position on; fewer means that the end was reached."""
        lines: list[dict[str, Any]] = []
        while len(lines) < limit:
            closed = _segment(self.path, self.position.segment)
            is_closed = closed.exists()
            if not self._read(closed if is_closed else self.path, limit, lines):
                break
            if not is_closed:
                if closed.exists():
                    continue  # closed meanwhile: the rest is under its new name
                break
            self.position = Position(self.position.segment + 1, 0)
        return lines

    def _read(self, path: Path, limit: int, lines: list[dict[str, Any]]) -> bool:
        """Read to the end of one segment; False if the limit came first or there is nothing."""
        try:
            fd = os.open(path, _OPEN)
        except OSError:
            return False
        with open(fd, "rb") as source:  # noqa: PTH123 (a descriptor, not a path)
            source.seek(self.position.offset)
            while len(lines) < limit:
                text = source.readline(MAX_LINE + 1)
                if not text.endswith(b"\n"):
                    return True
                self.position = Position(self.position.segment, self.position.offset + len(text))
                self._take(text, lines)
        return False

    def tail(self, count: int) -> list[dict[str, Any]]:
        """The last ``count`` lines, read from the end; the position moves behind them."""
        found: list[bytes] = []
        closed = closed_segments(self.path)
        end: Position | None = None
        for number in range(closed + 1, 0, -1):
            path = self.path if number == closed + 1 else _segment(self.path, number)
            texts, offset = _last_lines(path, count - len(found))
            end = end or Position(number, offset)
            found = texts + found
            if len(found) >= count:
                break
        self.position = end or Position()
        lines: list[dict[str, Any]] = []
        for text in found:
            self._take(text, lines)
        return lines

    def _take(self, text: bytes, lines: list[dict[str, Any]]) -> None:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            lines.append(cast(dict[str, Any], value))
        else:
            self.damaged += 1


def closed_segments(path: Path) -> int:
    """How many closed segments the transcript ``path`` has."""
    number = 0
    while _segment(path, number + 1).exists():
        number += 1
    return number


def _segment(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}.{number}{path.suffix}")


def _end_of_last_line(fd: int, length: int) -> int:
    """Offset behind the last newline within the first ``length`` bytes of an open file."""
    end = length
    while end > 0:
        start = max(0, end - _BLOCK)
        newline = os.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _last_lines(path: Path, count: int) -> tuple[list[bytes], int]:
    """The last ``count`` complete lines of a file and the offset behind them."""
    try:
        fd = os.open(path, _OPEN)
    except OSError:
        return [], 0
    try:
        end = _end_of_last_line(fd, os.fstat(fd).st_size)
        start, blocks, newlines = end, list[bytes](), 0
        # One newline more than lines: the one that ends the line before the first.
        while start > 0 and newlines <= count:
            begin = max(0, start - _BLOCK)
            blocks.append(os.pread(fd, start - begin, begin))
            newlines += blocks[-1].count(b"\n")
            start = begin
    finally:
        os.close(fd)
    lines = b"".join(reversed(blocks)).splitlines(keepends=True)
    if start > 0 and lines:
        lines = lines[1:]
    return (lines[-count:] if count > 0 else []), end
