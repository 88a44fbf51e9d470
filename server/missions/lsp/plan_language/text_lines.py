"""Offsets in a text and positions as the protocol counts them, in the client's encoding.

Line ends are those of the protocol: LF, CRLF and CR. A position outside the text means its nearest end; nothing here
raises on what a client sends.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from lsprotocol import types

_BREAK = re.compile(r"\r\n|\n|\r")


class TextLines:
    """One text and its lines."""

    def __init__(self, text: str, encoding: str | None = None) -> None:
        self.text = text
        self._encoding = encoding or types.PositionEncodingKind.Utf16.value
        self._ends = [(match.start(), match.end()) for match in _BREAK.finditer(text)]
        self._starts = [0, *(end for _, end in self._ends)]

    def __len__(self) -> int:
        return len(self._starts)

    def line(self, number: int) -> str:
        """The text of a line without its end; empty if there is no such line."""
        start, end = self.span(number)
        return self.text[start:end]

    def span(self, number: int) -> tuple[int, int]:
        """First offset of a line and the offset of its end."""
        if not 0 <= number < len(self._starts):
            return len(self.text), len(self.text)
        end = self._ends[number][0] if number < len(self._ends) else len(self.text)
        return self._starts[number], end

    def position(self, offset: int) -> types.Position:
        """Where an offset is."""
        offset = min(max(offset, 0), len(self.text))
        number = bisect_right(self._starts, offset) - 1
        start, end = self.span(number)
        return types.Position(number, self._units(self.text[start : min(offset, end)]))

    def offset(self, position: types.Position) -> int:
        """The offset of a position."""
        start, end = self.span(position.line)
        line = self.text[start:end]
        if line.isascii():
            return min(start + max(position.character, 0), end)
        left = position.character
        for index, character in enumerate(line):
            left -= self._units(character)
            if left < 0:
                return start + index
        return end

    def range(self, start: int, end: int) -> types.Range:
        """The range of two offsets."""
        return types.Range(self.position(start), self.position(max(start, end)))

    def lines_range(self, first: int, last: int) -> types.Range:
        """Whole lines (counted from 0) without the indentation of the first and the end of the last one."""
        first = min(max(first, 0), len(self._starts) - 1)
        last = min(max(last, first), len(self._starts) - 1)
        line = self.line(first)
        start = self._starts[first] + (len(line) - len(line.lstrip()))
        return self.range(start, self.span(last)[1])

    def _units(self, text: str) -> int:
        if text.isascii() or self._encoding == types.PositionEncodingKind.Utf32.value:
            return len(text)
        if self._encoding == types.PositionEncodingKind.Utf8.value:
            return len(text.encode("utf-8", "surrogatepass"))
        return len(text.encode("utf-16-le", "surrogatepass")) // 2
