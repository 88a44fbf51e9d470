"""One view of the store for all features of a server: every mission as a line, those that are looked at in full.

It follows the store by its changes, reads only what was appended, and tells subscribers which missions changed, at
most every :data:`EVERY` seconds. Everything here can be thrown away and read again: it never writes, takes no lock,
and a damaged mission never hides the others.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import aclosing

from missions.lsp.log import incident
from missions.model.errors import MissionError
from missions.model.mission import Mission
from missions.store.catalog import DamagedMission, MissionFollower, MissionSummary, list_missions
from missions.store.layout import Store
from missions.store.watch import changes

EVERY = 0.1
"""Seconds between two rounds of news."""
FOLLOWED = 128
"""Missions that are held in full; the one that was looked at longest ago makes room."""
MANY = 64
"""Changed missions above which the whole list is read anew instead of each of them."""
RETRY = 2.0
"""Seconds until a watch that failed begins anew."""

Row = MissionSummary | DamagedMission
Listener = Callable[[set[str]], None]

_log = logging.getLogger(__name__)


class StoreView:
    """What is in the store, as of the last change that was noticed."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.ready = asyncio.Event()
        """Set when the first list was read."""
        self.problem: MissionError | None = None
        """Why the store cannot be used, if so."""
        self.wanted: Callable[[MissionSummary], bool] = lambda row: False
        """Missions that listeners will ask for in full: read before they are told, so that the loop need not."""
        self._rows: dict[str, Row] = {}
        self._followers: OrderedDict[str, MissionFollower] = OrderedDict()
        self._mutex = threading.RLock()
        self._listeners: list[tuple[Listener, bool]] = []

    # ------------------------------------------------------------------ looking

    def missions(self) -> list[Row]:
        """All missions, one line each, in the order of their ids."""
        return list(self._rows.values())

    def row(self, mission_id: str) -> Row | None:
        """The line of one mission; none if there is no such mission."""
        return self._rows.get(mission_id)

    def mission(self, mission_id: str) -> Mission | DamagedMission | None:
        """The whole mission; none if it is gone. Read at the first call, then kept up to date."""
        with self._mutex:
            follower = self._followers.get(mission_id)
            if follower is None or follower.mission is None:
                row = self._read(mission_id)
                if row is None:
                    return None
                follower = self._followers.get(mission_id)
            else:
                self._followers.move_to_end(mission_id)
            return follower.mission if follower is not None else None

    def subscribe(self, listener: Listener, *, whole: bool = False) -> Callable[[], None]:
        """Call ``listener`` with the ids of missions that appeared, changed or went; returns how to stop that.

        The first round names all missions. Listeners run on the event loop and must return at once; one that looks at
        ``whole`` missions is told when those that are wanted have been read.
        """
        entry = (listener, whole)
        self._listeners.append(entry)
        return lambda: self._listeners.remove(entry)

    # ------------------------------------------------------------------ following

    async def follow(self) -> None:
        """Keep the view up to date until cancelled."""
        while True:
            try:
                async with aclosing(changes(self.store)) as stream:
                    async for ids in stream:
                        await self.take(ids)
                        await asyncio.sleep(EVERY)
            except Exception as error:
                incident(_log, "following the store", error)
            await asyncio.sleep(RETRY)

    async def take(self, ids: set[str]) -> None:
        """Read what changed and tell the listeners."""
        if not self.ready.is_set() or len(ids) > MANY:
            ids = ids | await asyncio.to_thread(self._read_all)
            # In one step, so that nobody who waited for the first list is told of it as a change.
            self.ready.set()
            self._tell(ids, whole=False)
            await asyncio.to_thread(self._read_wanted)
        else:
            await asyncio.to_thread(self._read_some, ids)
            self._tell(ids, whole=False)
        self._tell(ids, whole=True)

    def _tell(self, ids: set[str], *, whole: bool) -> None:
        for listener, of_whole in list(self._listeners):
            if of_whole != whole:
                continue
            try:
                listener(set(ids))
            except Exception as error:
                incident(_log, "a listener of the store", error)

    def _read_all(self) -> set[str]:
        """The whole list by its index; the missions held in full are read on."""
        rows = {row.id: row for row in list_missions(self.store)}
        with self._mutex:
            gone = self._rows.keys() - rows.keys()
            self._rows = rows
            for mission_id in gone:
                self._followers.pop(mission_id, None)
            for mission_id in list(self._followers):
                self._read(mission_id)
        return gone | rows.keys()

    def _read_wanted(self) -> None:
        rows = [row for row in self.missions() if isinstance(row, MissionSummary) and self.wanted(row)]
        rows.sort(key=lambda row: row.updatedAt, reverse=True)
        self._read_some({row.id for row in rows[: FOLLOWED // 2]} - self._followers.keys())

    def _read_some(self, ids: Iterable[str]) -> None:
        for mission_id in ids:
            with self._mutex:
                self._read(mission_id)

    def _read(self, mission_id: str) -> Row | None:
        """Read one mission on, or for the first time; none if it is gone."""
        follower = self._followers.get(mission_id) or MissionFollower(self.store, mission_id)
        try:
            follower.refresh()
            found = follower.mission
        except MissionError as error:
            if error.code == "not_found":
                self._followers.pop(mission_id, None)
                self._rows.pop(mission_id, None)
                return None
            found = DamagedMission(mission_id, error.message, error.code, error.next_step)
            follower.mission = found
        assert found is not None
        row = found if isinstance(found, DamagedMission) else MissionSummary.of(found)
        if mission_id not in self._rows:
            self._rows = dict(sorted({**self._rows, mission_id: row}.items()))
        else:
            self._rows[mission_id] = row
        self._followers[mission_id] = follower
        self._followers.move_to_end(mission_id)
        while len(self._followers) > FOLLOWED:
            self._followers.popitem(last=False)
        return row
