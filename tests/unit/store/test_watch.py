"""Changes of missions as a stream of ids, with file events and without."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from missions.store import inbox
from missions.store.layout import Store
from missions.store.mission_log import MissionLog
from missions.store.watch import changes
from support.missions_on_disk import MISSION, WHO, new_mission, new_store, step


async def named(stream: AsyncIterator[set[str]], mission_id: str) -> None:
    """Wait until the stream names the mission."""
    async with asyncio.timeout(20):
        async for ids in stream:
            if mission_id in ids:
                return


@pytest.mark.parametrize("poll", [None, 0.05])
async def test_every_kind_of_change_is_named(tmp_path: Path, poll: float | None):
    store = new_store(tmp_path)
    new_mission(store)
    async with aclosing(changes(store, poll, reconcile=0.5)) as stream:
        assert await anext(stream) == {MISSION}
        new_mission(store, 0, "mission-second")
        await named(stream, "mission-second")
        log = MissionLog.acquire(store, MISSION, WHO)
        await named(stream, MISSION)
        log.record(step(1))
        await named(stream, MISSION)
        inbox.submit(store.mission(MISSION), inbox.Request(op="pause", by=inbox.By(face="test")))
        await named(stream, MISSION)
        log.release("done")
        await named(stream, MISSION)
        shutil.rmtree(store.root / "mission-second")
        await named(stream, "mission-second")


async def test_a_store_that_appears_later_is_found(tmp_path: Path):
    store = Store(tmp_path / "home")
    async with aclosing(changes(store, reconcile=0.2)) as stream:
        assert await anext(stream) == set()
        new_mission(new_store(tmp_path))
        await named(stream, MISSION)


async def test_changes_are_found_when_no_event_comes(tmp_path: Path):
    store = new_store(tmp_path)
    journal = new_mission(store)
    import os

    # An old mission is not watched: only the comparison of all missions can find its change.
    os.utime(journal, (1, 1))
    async with aclosing(changes(store, poll=None, reconcile=0.3)) as stream:
        assert await anext(stream) == {MISSION}
        with journal.open("ab") as out:
            out.write(b"x")
        os.utime(journal, (2, 2))
        await named(stream, MISSION)
