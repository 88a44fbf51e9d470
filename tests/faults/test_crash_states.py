"""Power cuts: every state that the disk may be left in, by the calls that an owner of a mission really makes.

Two mutants show that the states are harsh enough: one protocol without fsync, one that renames before its fsync.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.mission import Mission
from missions.store import inbox, journal
from missions.store.blobs import read_blob
from missions.store.catalog import view_mission
from missions.store.inbox import By, Request, Result
from missions.store.layout import Store
from missions.store.mission_log import MissionLog
from missions.store.snapshot import read_snapshot
from support.crash_states import Recorder, laid_out, scanned
from support.missions_on_disk import MISSION, WHO, step
from support.plans import plan_document


def owner(store: Store, promise: Callable[[Any], None]) -> None:
    """What an owner writes: creation, plan, requests, events, snapshots, closed segments."""
    directory = store.mission(MISSION)
    MissionLog.create(store, MISSION, WHO, ev.MissionCreated(title="x", cwd="/")).release("made")
    promise(("record", 1, "mission_created"))
    with MissionLog.acquire(store, MISSION, WHO) as log:
        name = log.blob(plan_document().as_bytes())
        record = log.record(
            ev.InteractivePlanWritten(title="x", features=3, planVersion=1, blob=name, by="test")
        )
        promise(("record", record.seq, record.type))
        promise(("blob", name))
        request = Request(op="resume", by=By(face="test"))
        inbox.submit(directory, request)
        promise(("request", request.id))
        for asked in inbox.pending(directory, log.applied):
            record = log.record(step(0), request_id=asked.id)
            promise(("record", record.seq, record.type))
            inbox.done(directory, asked.id, Result(state="applied", seq=record.seq))
        for number in range(4):
            record = log.record(step(number))
            promise(("record", record.seq, record.type))
        record = log.record(ev.MissionAbandoned())
        promise(("record", record.seq, record.type))


def successor(store: Store, promise: Callable[[Any], None]) -> None:
    """An owner after one that died within a write, with a spoiled snapshot."""
    with MissionLog.acquire(store, MISSION, WHO) as log:
        promise(("record", log.mission.lastSeq, None))
        record = log.record(ev.MissionAbandoned())
        promise(("record", record.seq, record.type))


def violations(root: Path, promised: list[Any], snapshot_was_good: bool = True) -> list[str]:
    """What is wrong with the mission in this store."""
    store = Store(root)
    directory = store.mission(MISSION)
    if not directory.exists():
        return ["the mission is gone"] if promised else []
    found: list[str] = []
    snapshot = read_snapshot(directory)
    if snapshot_was_good and snapshot is not None and snapshot.problem:
        found.append(f"snapshot: {snapshot.problem}")
    view = view_mission(store, MISSION)
    if not isinstance(view, Mission):
        return [*found, f"view: {view}"]
    try:
        with MissionLog.acquire(store, MISSION, WHO) as log:
            for asked in inbox.pending(directory, log.applied):
                log.record(step(9), request_id=asked.id)
                inbox.done(directory, asked.id, Result(state="applied"))
    except MissionError as error:
        return [*found, f"acquire: {error}"]
    reader = journal.JournalReader(directory)
    records = reader.read_new()
    types = {record.seq: record.type for record in records}
    answered = {record.data.get("requestId") for record in records}
    found += [str(problem) for problem in reader.problems]
    for kind, *what in promised:
        if kind == "record" and (what[0] not in types or what[1] not in (None, types[what[0]])):
            found.append(f"record {what} is lost")
        elif kind == "request" and what[0] not in answered:
            found.append("an accepted request is lost")
        elif kind == "blob":
            try:
                read_blob(directory, what[0])
            except MissionError as error:
                found.append(f"blob: {error}")
    return found


def explore(
    tmp_path: Path, prepare: Callable[[Store], None], work: Callable[..., None], enough: int = 1000
) -> tuple[int, list[str]]:
    """Record ``work`` in a prepared store, and try the states after each of its calls, until there are enough violations."""
    root = tmp_path / "recorded"
    store = Store(root)
    store.ensure()
    prepare(store)
    disk, recorder = scanned(root), Recorder(root)
    with recorder.recording():
        work(store, recorder.promise)
    states: dict[str, tuple[dict[str, bytes | None], list[Any]]] = {}
    for count in range(len(recorder.steps) + 1):
        if count:
            disk.take(recorder.steps[count - 1])
        promised = recorder.promised(count)
        for state in disk.states(recorder.root_inode):
            key = hashlib.sha256(repr((sorted(state.items()), promised)).encode()).hexdigest()
            states[key] = (state, promised)
    found: list[str] = []
    for number, (state, promised) in enumerate(states.values()):
        place = tmp_path / f"state-{number}"
        laid_out(state, place)
        found += [f"state {number}: {problem}" for problem in violations(place, promised, prepare is nothing)]
        shutil.rmtree(place)
        if len(found) > enough:
            break
    return len(states), found


def nothing(store: Store) -> None:
    pass


def died(store: Store) -> None:
    """An owner died within its write, and the snapshot is not what was written."""
    log = MissionLog.create(store, MISSION, WHO, ev.MissionCreated(title="x", cwd="/"))
    log.record(step(1))
    log._close()  # pyright: ignore[reportPrivateUsage]  # gone without a word
    directory = store.mission(MISSION)
    with directory.journal.open("ab") as out:
        out.write(b'{"seq":3,"epoch":1,"ts":"2026-11-2')
    directory.snapshot.write_bytes(directory.snapshot.read_bytes().replace(b'"x"', b'"y"'))


@contextmanager
def no_fsync() -> Generator[None]:
    real = os.fsync
    os.fsync = lambda fd: None
    try:
        yield
    finally:
        os.fsync = real


@contextmanager
def rename_first() -> Generator[None]:
    """The name of a file is replaced while its content is still only in memory."""
    real_fsync, real_replace = os.fsync, os.replace
    late: list[int] = []

    def fsync(fd: int) -> None:
        if Path(f"/proc/self/fd/{fd}").readlink().suffix == ".tmp":
            late.append(os.dup(fd))
        else:
            real_fsync(fd)

    def replace(source: Any, target: Any) -> None:
        real_replace(source, target)
        while late:
            real_fsync(late[-1])
            os.close(late.pop())

    os.fsync, os.replace = fsync, replace  # type: ignore[assignment]
    try:
        yield
    finally:
        os.fsync, os.replace = real_fsync, real_replace


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SEGMENT_SIZE", 1500)


@pytest.mark.parametrize(("prepare", "work"), [(nothing, owner), (died, successor)])
@pytest.mark.timeout(1200)
def test_no_power_cut_loses_what_was_promised_or_leaves_a_mission_that_cannot_go_on(
    tmp_path: Path, prepare: Callable[[Store], None], work: Callable[..., None]
) -> None:
    count, found = explore(tmp_path, prepare, work)
    assert found == []
    assert count > 60
    print(f"{work.__name__}: {count} states")


@pytest.mark.parametrize("mutant", [no_fsync, rename_first])
def test_a_protocol_with_a_known_mistake_is_caught(tmp_path: Path, mutant: Callable[[], Any]) -> None:
    def work(store: Store, promise: Callable[[Any], None]) -> None:
        with mutant():
            owner(store, promise)

    count, found = explore(tmp_path, nothing, work, enough=10)
    assert len(found) > 10
    print(f"{mutant.__name__}: caught, {count} states")
