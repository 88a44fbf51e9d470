"""Messages on their way to the client, written by a thread of their own.

The event loop never waits for a client: it queues and goes on. A client that stops reading finds the newest state
when it comes back, because notifications with a key replace or join the one that still waits. A broken pipe ends
the writing, silently for whoever queues. It never decides what a message says, and never drops an answer or a
request: if those alone exceed the hard limit, the client counts as gone.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

SOFT_LIMIT = 8 * 1024 * 1024
"""Bytes that wait; above it, messages that may be dropped are."""
HARD_LIMIT = 128 * 1024 * 1024
"""Bytes that wait; above it, the client counts as gone."""


@dataclass(frozen=True, slots=True)
class Coalesce:
    """How a notification treats an older one with the same key that still waits."""

    key: Hashable
    merge: Callable[[Any, Any], Any] | None = None
    """(waiting, new) payloads to one; absent: the new one replaces the waiting one."""
    droppable: bool = False
    """May be lost when too much waits."""
    adjacent: bool = False
    """Join only the newest message of the queue, so that the order among different keys stays."""


@dataclass(slots=True)
class _Entry:
    data: bytes
    payload: Any
    key: Hashable


class Outbox:
    """A bounded queue and the thread that empties it."""

    def __init__(
        self,
        write: Callable[[bytes], None],
        *,
        gone: Callable[[str], None],
        soft_limit: int = SOFT_LIMIT,
        hard_limit: int = HARD_LIMIT,
    ) -> None:
        self._write = write
        self._gone = gone
        self._soft, self._hard = soft_limit, hard_limit
        self._waiting: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._serial = itertools.count()
        self._bytes = 0
        self._writing = False
        self._closed = False
        self._changed = threading.Condition()
        self.dropped = 0
        """Messages lost because the client did not read; for the log."""
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Nothing reaches the client any more."""
        return self._closed

    def put(self, payload: Any, encode: Callable[[Any], bytes], coalesce: Coalesce | None = None) -> bool:
        """Queue a message; false when it will not be sent. Never blocks; callable from any thread."""
        data = encode(payload)
        with self._changed:
            if self._closed:
                return False
            if coalesce is not None:
                if self._join(payload, data, encode, coalesce):
                    return True
                if coalesce.droppable and self._bytes > self._soft:
                    self.dropped += 1
                    return False
            self._add(
                (coalesce.key, 0) if coalesce else next(self._serial), _Entry(data, payload, None), coalesce
            )
            too_much = self._bytes > self._hard
        if too_much:
            self._end("more waits for the client than it can ever have")
        return not too_much

    def _add(self, key: Hashable, entry: _Entry, coalesce: Coalesce | None) -> None:
        if coalesce is not None and coalesce.adjacent:
            key = (coalesce.key, next(self._serial))
            entry.key = coalesce.key
        self._waiting[key] = entry
        self._bytes += len(entry.data)
        self._changed.notify_all()

    def _join(self, payload: Any, data: bytes, encode: Callable[[Any], bytes], how: Coalesce) -> bool:
        if how.adjacent:
            last = next(reversed(self._waiting), None)
            waiting = self._waiting[last] if last is not None else None
            if waiting is None or waiting.key != how.key:
                return False
        else:
            waiting = self._waiting.get((how.key, 0))
            if waiting is None:
                return False
        if how.merge is not None:
            payload = how.merge(waiting.payload, payload)
            data = encode(payload)
        self._bytes += len(data) - len(waiting.data)
        waiting.data, waiting.payload = data, payload
        return True

    def drain(self, timeout: float) -> bool:
        """Wait until all is written, at most ``timeout`` seconds; for the last moments of the process."""
        end = time.monotonic() + timeout
        with self._changed:
            while (self._waiting or self._writing) and not self._closed:
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
            return not self._closed

    def _run(self) -> None:
        while True:
            with self._changed:
                self._writing = False
                self._changed.notify_all()
                while not self._waiting:
                    if self._closed:
                        return
                    self._changed.wait()
                _, entry = self._waiting.popitem(last=False)
                self._bytes -= len(entry.data)
                self._writing = True
            try:
                self._write(entry.data)
            except (OSError, ValueError) as error:
                self._end(f"writing failed: {error}")
                return

    def _end(self, reason: str) -> None:
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._waiting.clear()
            self._bytes = 0
            self._changed.notify_all()
        self._gone(reason)
