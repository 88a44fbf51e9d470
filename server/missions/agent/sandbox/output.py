"""The output of one command while it runs: bounded in memory, the beginning and the end always kept.

Reads a pipe when the event loop says so, and slows a flood down instead of keeping up with it. It never interprets or
cleans what it reads (``tools/excerpt.py`` does) and never touches a disk.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

_CHUNK = 1 << 18
_TAIL = 1 << 18
_FLOOD_PAUSE = 0.02
"""Once more was printed than is kept, one chunk is read in this many seconds: the writer waits, the engine does not burn."""


class Output:
    """What came out of a pipe so far. Owns the descriptor."""

    def __init__(self, descriptor: int, limit: int, listener: Callable[[bytes], None] | None = None) -> None:
        self._descriptor = descriptor
        self._head_limit = max(limit - _TAIL, _TAIL)
        self._head = bytearray()
        self._tail = bytearray()
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self.total = 0
        """Bytes printed."""
        self.last_activity = time.monotonic()
        self.news = asyncio.Event()
        """Set with each piece and at the end; whoever waits for it clears it first."""
        self.ended = asyncio.Event()
        """Set at end of file or when closed."""
        os.set_blocking(descriptor, False)
        self._loop.add_reader(descriptor, self._read)

    def _read(self) -> None:
        try:
            piece = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self.close()
            return
        self._keep(piece)
        if self.dropped:
            self._loop.remove_reader(self._descriptor)
            self._pause = self._loop.call_later(_FLOOD_PAUSE, self._resume)

    def _resume(self) -> None:
        if not self.ended.is_set():
            self._loop.add_reader(self._descriptor, self._read)

    def _keep(self, piece: bytes) -> None:
        self.total += len(piece)
        self.last_activity = time.monotonic()
        self.news.set()
        if self._listener is not None:
            self._listener(piece)
        room = self._head_limit - len(self._head)
        if room > 0:
            self._head += piece[:room]
            piece = piece[room:]
        if piece:
            self._tail += piece
            if len(self._tail) > 2 * _TAIL:
                del self._tail[:-_TAIL]

    @property
    def dropped(self) -> int:
        """Bytes that were read and not kept."""
        return self.total - len(self._head) - min(len(self._tail), self.total - len(self._head))

    def content(self) -> bytes:
        """What is kept; a line in the middle says how much is missing."""
        if not self.dropped:
            return bytes(self._head + self._tail)
        return (
            bytes(self._head) + f"\n[… {self.dropped} bytes were not kept …]\n".encode() + bytes(self._tail)
        )

    def close(self) -> None:
        """Stop reading. What is kept stays readable."""
        if self.ended.is_set():
            return
        self._loop.remove_reader(self._descriptor)
        if self._pause is not None:
            self._pause.cancel()
        os.close(self._descriptor)
        self.ended.set()
        self.news.set()
