"""Which missions changed, as a stream of ids.

File events only wake this up; what changed is told by comparing sizes, inodes and times, so a lost event delays a change
and never hides it. Only the root and the active missions are watched; everything is compared every five seconds (in a
large store less often), and at once when somebody takes a mission (``Store.wake``). Where the system cannot watch,
the active missions are looked at every second. It reads no file.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncGenerator
from pathlib import Path

from missions.loading import load
from missions.model.ids import MISSION_ID
from missions.store.layout import JOURNAL, LOCK_INFO, Store, segment_name

_log = logging.getLogger(__name__)

RECONCILE = 5.0
"""Seconds between two comparisons of all missions."""
POLL = 1.0
"""Seconds between two looks at the active missions where watching is not possible."""
_DEBOUNCE_MS = 150
"""Events within this time come as one set."""
_SETTLE = 0.4
"""Seconds after which a new watch surely works."""
_GRAIN_NS = 100_000_000
"""Time stamps of files are at least this exact."""
_REST = 300
"""A comparison of everything is followed by this many times its length without one: with ten thousand missions, where
it takes a twentieth of a second, it costs a third of a hundredth of a core."""
_MAX_WATCHED = 100
"""Active missions that are watched (with their inboxes); more are compared only."""
_RECENT = 60.0
"""Seconds after its last change for which a mission counts as active without an owner."""

_Marks = tuple[tuple[int, int, int], ...]


async def changes(
    store: Store, poll: float | None = None, reconcile: float = RECONCILE
) -> AsyncGenerator[set[str]]:
    """Ids of missions that appeared, changed or disappeared, in sets.

    The first set holds all missions that are there: whoever refreshes what is named misses nothing. ``poll`` (seconds)
    switches file events off. A change is a new journal record, another owner, or, in an active mission, a new request.
    """
    watcher = _Watcher(store.root) if poll is None else None
    woken = _mark(store.wake)
    seen = await asyncio.to_thread(_look, store, {}, set(), True)
    yield set(seen)
    next_full = time.monotonic() + reconcile
    settled = False
    listed = _ABSENT
    try:
        while True:
            active = _active(store, seen)
            if watcher is not None and watcher.watch([store.root, *_places(store, active)]):
                settled = False
            watching = watcher is not None and watcher.working
            interval = next_full - time.monotonic() if watching else poll or POLL
            # A new watch begins a moment after it was asked for; what happened until then is found by one more look.
            interval = min(interval, _SETTLE) if watching and not settled else interval
            settled = True
            interval = max(0.0, min(interval, next_full - time.monotonic()))
            if watcher is not None and watching:
                await watcher.wait(interval)
            else:
                await asyncio.sleep(interval)
            called, root = _mark(store.wake), _mark(store.root)
            full = time.monotonic() >= next_full or called != woken
            woken = called
            begun = time.monotonic()
            if full or root != listed:
                now = await asyncio.to_thread(_look, store, seen, active, full)
                changed = {name for name in now.keys() | seen.keys() if now.get(name) != seen.get(name)}
                seen = now
                # A name that came within the clock's grain of the listing would not change the mark again.
                listed = root if root[2] < time.time_ns() - _GRAIN_NS else _ABSENT
            else:
                near = await asyncio.to_thread(_look_near, store, active)
                changed = {name for name in active if near.get(name) != seen.get(name)}
                seen = {name: mark for name, mark in seen.items() if name not in active} | near
            if full:
                # A large store is compared less often; whoever takes a mission knocks anyway.
                took = time.monotonic() - begun
                next_full = time.monotonic() + max(reconcile, _REST * took)
            if changed:
                yield changed
    finally:
        if watcher is not None:
            await watcher.close()


def _look(store: Store, seen: dict[str, _Marks], active: set[str], full: bool) -> dict[str, _Marks]:
    """The marks of all missions that are there. Known ones that are not active are looked at only if ``full``."""
    try:
        with os.scandir(store.root) as entries:
            names = [entry.name for entry in entries if MISSION_ID.match(entry.name)]
    except OSError:
        return {}
    marks: dict[str, _Marks] = {}
    for name in names:
        known = seen.get(name)
        resting = known is not None and name not in active
        # Whoever wakes a resting mission writes into its journal first, so that one mark tells.
        if (
            known is not None
            and resting
            and (not full or _mark(f"{store.root}/{name}/{JOURNAL}") == known[0])
        ):
            marks[name] = known
        elif (found := _marks_of(store, name)) is not None:
            marks[name] = found
    return marks


def _look_near(store: Store, names: set[str]) -> dict[str, _Marks]:
    """The marks of these missions, as far as they are there."""
    found = {name: _marks_of(store, name) for name in names}
    return {name: marks for name, marks in found.items() if marks is not None}


def _marks_of(store: Store, name: str) -> _Marks | None:
    # Plain strings: with ten thousand missions, path objects cost more than the calls.
    place = f"{store.root}/{name}"
    found = (_mark(f"{place}/{JOURNAL}"), _mark(f"{place}/{LOCK_INFO}"), _mark(f"{place}/inbox/new"))
    if found[0] == _ABSENT and _mark(f"{place}/{segment_name(1)}") == _ABSENT:
        return None
    return found


_ABSENT = (0, 0, 0)


def _mark(path: str | Path) -> tuple[int, int, int]:
    try:
        found = os.lstat(path)
    except OSError:
        return _ABSENT
    return found.st_ino, found.st_size, found.st_mtime_ns


def _active(store: Store, marks: dict[str, _Marks]) -> set[str]:
    """Missions with a described owner, and those changed a moment ago; the latest first, if there are too many."""
    recent = time.time_ns() - int(_RECENT * 1e9)
    active = [name for name, mark in marks.items() if mark[1] != _ABSENT or mark[0][2] > recent]
    active.sort(key=lambda name: marks[name][0][2], reverse=True)
    return set(active[:_MAX_WATCHED])


def _places(store: Store, active: set[str]) -> list[Path]:
    return [
        place
        for name in sorted(active)
        for place in (store.root / name, store.root / name / "inbox" / "new")
        if place.is_dir()
    ]


class _Watcher:
    """File events for a changing set of directories; when the system refuses, it stops working and says so once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._places: list[Path] = []
        self._woken = asyncio.Event()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.working = True

    def watch(self, places: list[Path]) -> bool:
        """Watch exactly these directories from now on; whether that is a change."""
        if not self.working or places == self._places or not self._root.is_dir():
            return False
        self._places = places
        self._stop.set()
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(self._run(places, self._stop, self._task))
        # What happened between two watches is found by comparing.
        self._woken.set()
        return True

    async def wait(self, seconds: float) -> None:
        """Return after the next event, or after ``seconds``."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)
        self._woken.clear()

    async def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, places: list[Path], stop: asyncio.Event, before: asyncio.Task[None] | None) -> None:
        # Loaded at the first use: a server must answer `initialize` before it loads this. In a thread: it takes a while.
        for module in ("watchfiles", "anyio._backends._asyncio"):
            await asyncio.to_thread(load, module)
        from watchfiles import awatch  # pyright: ignore[reportUnknownVariableType] (anyio is not a dependency)

        if before is not None:
            await asyncio.gather(before, return_exceptions=True)
        try:
            async for _ in awatch(
                *places,
                watch_filter=None,
                debounce=_DEBOUNCE_MS,
                step=50,
                stop_event=stop,
                recursive=False,
                ignore_permission_denied=True,
            ):
                self._woken.set()
        except Exception as error:
            # watchfiles does not fall back by itself at the system's limits (OSError or its own internal error).
            if self.working:
                _log.warning("File events are not available (%s); looking every %s s instead.", error, POLL)
            self.working = False
            self._woken.set()
