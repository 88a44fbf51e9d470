"""Noticing that a run makes no progress: repeats, alternations, failing edits, monologues.

Counts what it is told and gives signals; it never stops anything itself. Declared polling is exempt.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

_VOLATILE = re.compile(
    r"\b\d+(?:[.,]\d+)?\s?(?:ms|s|seconds?|µs|us|ns)\b|/tmp/\S+|\b0x[0-9a-fA-F]+\b|\b\d\d:\d\d:\d\d\S*"
)

REPEAT_NOTE, REPEAT_STOP = 3, 5
PAIRS_NOTE, PAIRS_STOP = 3, 4
INVALID_NOTE, INVALID_STOP = 3, 5
EDIT_NOTE, EDIT_STOP = 3, 6
STALE_NOTE, STALE_STOP = 15, 30
WINDOW = 40
WINDOW_NOTE, WINDOW_STOP = 8, 15


@dataclass(frozen=True)
class Signal:
    """A finding: ``note`` is told to the model, ``stop`` ends the run."""

    level: Literal["note", "stop"]
    reason: str


class StuckDetector:
    """Counters over the calls of one run."""

    def __init__(self) -> None:
        self._recent: deque[str] = deque(maxlen=WINDOW)
        self._last_pair = ""
        self._repeats = 0
        self._failing_call = ""
        self._failures = 0
        self._invalid = 0
        self._edit_failures: dict[str, int] = {}
        self._seen: set[str] = set()
        self._stale = 0
        self._novel = False

    def observe(
        self, name: str, args: dict[str, Any], result: str, *, is_error: bool, polling: bool = False
    ) -> Signal | None:
        """Take one finished call; the strongest signal, if any."""
        if polling:
            self._novel = True
            return None
        call = _digest(name + json.dumps(args, sort_keys=True, default=str))
        pair = call + _digest(_VOLATILE.sub("#", result))
        self._novel = self._novel or pair not in self._seen
        self._seen.add(pair)
        signals = [
            self._repeat(pair),
            self._same_error(call, is_error),
            self._alternation(pair),
            self._edit(name, args, is_error),
        ]
        found = [signal for signal in signals if signal is not None]
        return min(found, key=lambda signal: signal.level != "stop") if found else None

    def invalid_input(self, valid: bool) -> Signal | None:
        """Count consecutive calls whose input did not fit the schema."""
        self._invalid = 0 if valid else self._invalid + 1
        return _at(
            self._invalid,
            INVALID_NOTE,
            INVALID_STOP,
            "the inputs of the last calls did not fit the tools' schemas",
        )

    def turn_ended(self) -> Signal | None:
        """Count turns in which no call showed anything new."""
        self._stale = 0 if self._novel else self._stale + 1
        self._novel = False
        return _at(
            self._stale, STALE_NOTE, STALE_STOP, f"nothing new has been seen or done in {self._stale} turns"
        )

    def _repeat(self, pair: str) -> Signal | None:
        self._repeats = self._repeats + 1 if pair == self._last_pair else 1
        self._last_pair = pair
        reason = f"the same call has given the same result {self._repeats} times in a row"
        signal = _at(self._repeats, REPEAT_NOTE, REPEAT_STOP, reason)
        if signal is not None:
            return signal
        seen = sum(1 for earlier in self._recent if earlier == pair) + 1
        return _at(
            seen, WINDOW_NOTE, WINDOW_STOP, f"the same call has given the same result {seen} times lately"
        )

    def _same_error(self, call: str, is_error: bool) -> Signal | None:
        if not is_error:
            self._failures = 0
            return None
        self._failures = self._failures + 1 if call == self._failing_call else 1
        self._failing_call = call
        return _at(
            self._failures, REPEAT_NOTE, REPEAT_STOP, f"the same call has failed {self._failures} times"
        )

    def _alternation(self, pair: str) -> Signal | None:
        self._recent.append(pair)
        recent = list(self._recent)
        if len(recent) < 2 or recent[-1] == recent[-2]:
            return None
        pairs = 0
        while len(recent) >= 2 * (pairs + 1) and recent[-2 * pairs - 2 :][:2] == recent[-2:]:
            pairs += 1
        return _at(
            pairs, PAIRS_NOTE, PAIRS_STOP, f"two calls have alternated {pairs} times with the same results"
        )

    def _edit(self, name: str, args: dict[str, Any], is_error: bool) -> Signal | None:
        path = args.get("path")
        if name != "edit" or not isinstance(path, str):
            return None
        failures = self._edit_failures.get(path, 0) + 1 if is_error else 0
        self._edit_failures[path] = failures
        return _at(
            failures,
            EDIT_NOTE,
            EDIT_STOP,
            f"edits of {path} have failed {failures} times; read the lines as they are now",
        )


def _at(count: int, note: int, stop: int, reason: str) -> Signal | None:
    if count >= stop:
        return Signal("stop", reason)
    # Said once, when the threshold is reached: a note at every further step would only grow the history.
    return Signal("note", reason) if count == note else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]
