"""Cutting a byte stream into JSON-RPC messages, whatever arrives.

Pure: bytes in, bodies and problems out. It never raises on input and never keeps more than one message: after
garbage it goes on at the next ``Content-Length``, and a body over the limit is skipped, not stored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_MESSAGE = 64 * 1024 * 1024
"""Bytes; a longer body is skipped."""

_MAX_HEADERS = 8 * 1024
_START = re.compile(rb"content-length[ \t]*:", re.IGNORECASE)
_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*(\d{1,15})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Problem:
    """Input that is not a message."""

    reason: str
    """For the log and for the answer; holds nothing of the input."""


class Frames:
    """The state between two reads."""

    def __init__(self, limit: int = MAX_MESSAGE) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._body: int | None = None
        """Length of the body that is being read."""
        self._skip = 0
        """Bytes of an oversized body still to come."""
        self._lost = False
        """Garbage was already reported since the last good header."""

    def feed(self, data: bytes) -> list[bytes | Problem]:
        """Take what was read; return the complete bodies and the problems, in order."""
        found: list[bytes | Problem] = []
        self._buffer += data
        while self._step(found):
            pass
        return found

    def _step(self, found: list[bytes | Problem]) -> bool:
        """Take one thing off the buffer; false when more input is needed."""
        if self._skip:
            taken = min(self._skip, len(self._buffer))
            del self._buffer[:taken]
            self._skip -= taken
            return taken > 0
        if self._body is not None:
            if len(self._buffer) < self._body:
                return False
            found.append(bytes(self._buffer[: self._body]))
            del self._buffer[: self._body]
            self._body = None
            return True
        return self._headers(found)

    def _headers(self, found: list[bytes | Problem]) -> bool:
        end = _END.search(self._buffer)
        length = _LENGTH.search(self._buffer, 0, end.start()) if end else None
        if end and length:
            if not self._header_like(length.start()):
                self._complain(found, "bytes between two messages")
            size = int(length[1])
            del self._buffer[: end.end()]
            self._lost = False
            if size > self._limit:
                self._skip = size
                found.append(Problem(f"a message of {size} bytes, more than the limit of {self._limit}"))
            else:
                self._body = size
            return True
        if end or len(self._buffer) > _MAX_HEADERS:
            return self._resynchronise(found, end.end() if end else len(self._buffer))
        return False

    def _header_like(self, start: int) -> bool:
        """What stands before the length is other header lines, not a stray body."""
        before = bytes(self._buffer[:start])
        return not before or re.fullmatch(rb"(?:\r?\n|[A-Za-z-]+[ \t]*:[^\r\n]*\r?\n)*", before) is not None

    def _resynchronise(self, found: list[bytes | Problem], end: int) -> bool:
        """Give up on ``end`` bytes that hold no usable header, but keep a header that begins in them."""
        blank = not bytes(self._buffer[:end]).strip()
        later = _START.search(self._buffer, 1, end)
        keep = later.start() if later else end
        if not later and end == len(self._buffer) and not blank:
            keep = max(1, end - len(b"content-length:"))
        del self._buffer[:keep]
        if not blank:
            self._complain(found, "bytes that are no message header")
        return bool(self._buffer)

    def _complain(self, found: list[bytes | Problem], reason: str) -> None:
        if not self._lost:
            self._lost = True
            found.append(Problem(reason))
