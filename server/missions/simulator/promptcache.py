"""The prompt cache's bookkeeping: what a request reads, what it writes and what it pays for in full.

Entries are written only at marks and found by looking back from a mark over at most twenty positions. A position is a
block; the first-party count takes a run of tool calls, or of tool results, as one. Nothing is stored but hashes and
times, and time comes from the clock it is given.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from missions.simulator.models import ModelRules
from missions.simulator.prefix import Chain, canonical, tokens
from missions.simulator.shapes import Object, an_object

Counting: TypeAlias = Literal["first-party", "every-block"]

LOOK_BACK = 20
LIFETIME = {"5m": 300.0, "1h": 3600.0}
_RUNS = ("tool_use", "tool_result")


@dataclass(frozen=True)
class PromptUsage:
    """The input side of a request's usage, and the entries it will write."""

    input: int
    read: int
    created_5m: int = 0
    created_1h: int = 0
    keys: tuple[tuple[str, str], ...] = ()
    """(key, ttl) of the entries that become readable once the answer starts."""
    at: float = 0.0

    @property
    def total(self) -> int:
        """The size of the whole prompt."""
        return self.input + self.read + self.created_5m + self.created_1h

    def as_json(self) -> Object:
        """The usage fields of the input side."""
        return {
            "input_tokens": self.input,
            "cache_creation_input_tokens": self.created_5m + self.created_1h,
            "cache_read_input_tokens": self.read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.created_5m,
                "ephemeral_1h_input_tokens": self.created_1h,
            },
        }


@dataclass
class _Entry:
    ttl: str
    until: float


@dataclass
class PromptCache:
    """All entries of one server."""

    clock: Callable[[], float]
    counting: Counting = "first-party"
    _entries: dict[str, _Entry] = field(default_factory=dict[str, _Entry])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def look_up(self, body: Object, chain: Chain, rules: ModelRules) -> PromptUsage:
        """What this request reads and would write. Reading refreshes; writing waits for :meth:`commit`."""
        now = self.clock()
        keys = _keys(body, chain, rules)
        positions = self._positions(chain)
        marks = _marks(body, chain)
        usable = [index for index in marks if tokens(chain.pieces[index].size) >= rules.cache_minimum]
        best = -1
        with self._lock:
            for mark in usable:
                for index in range(mark, -1, -1):
                    if positions[mark] - positions[index] >= LOOK_BACK or index <= best:
                        break
                    entry = self._entries.get(keys[index])
                    if entry is not None and entry.until > now:
                        entry.until = now + LIFETIME[entry.ttl]
                        best = index
                        break
        read = tokens(chain.pieces[best].size) if best >= 0 else 0
        created = {"5m": 0, "1h": 0}
        reached = read
        for mark in sorted(usable):
            size = tokens(chain.pieces[mark].size)
            if mark > best and size > reached:
                created[marks[mark]] += size - reached
                reached = size
        writes = tuple((keys[mark], marks[mark]) for mark in usable)
        return PromptUsage(max(chain.tokens - reached, 0), read, created["5m"], created["1h"], writes, now)

    def commit(self, usage: PromptUsage) -> None:
        """The answer begins: what the request writes is readable now, its life counted from the request's start."""
        with self._lock:
            for key, ttl in usage.keys:
                until = usage.at + LIFETIME[ttl]
                entry = self._entries.get(key)
                if entry is None or entry.until < until:
                    self._entries[key] = _Entry(ttl, until)

    def _positions(self, chain: Chain) -> list[int]:
        found: list[int] = []
        position = -1
        previous = ""
        for piece in chain.pieces:
            joined = self.counting == "first-party" and piece.kind in _RUNS and piece.kind == previous
            position += 0 if joined else 1
            previous = piece.kind
            found.append(position)
        return found


def _marks(body: Object, chain: Chain) -> dict[int, str]:
    """Index and TTL of every mark, the automatic one of the request's top level included."""
    found = {index: piece.mark for index, piece in enumerate(chain.pieces) if piece.mark is not None}
    if body.get("cache_control"):
        ttl = an_object(body["cache_control"]).get("ttl") or "5m"
        for index in range(len(chain.pieces) - 1, -1, -1):
            if chain.pieces[index].kind not in ("thinking", "redacted_thinking"):
                found.setdefault(index, ttl)
                break
    return found


def _keys(body: Object, chain: Chain, rules: ModelRules) -> list[str]:
    """The name of the entry at each block: model, everything before, and for messages what else invalidates them."""
    model = body.get("model")
    output = an_object(body.get("output_config"))
    settings = [body.get("tool_choice"), body.get("thinking"), output.get("format")]
    if not rules.effort_keeps_cache:
        settings.append(output.get("effort"))
    suffix = canonical(settings).decode()
    return [f"{model}|{piece.digest}|{suffix if piece.part == 'messages' else ''}" for piece in chain.pieces]
