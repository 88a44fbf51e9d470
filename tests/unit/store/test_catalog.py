"""Lists and views: no lock, incremental, and one bad mission is its own problem only."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.mission import Mission
from missions.store.catalog import (
    DamagedMission,
    MissionFollower,
    MissionSummary,
    list_missions,
    view_mission,
)
from missions.store.mission_log import MissionLog
from missions.store.records import encode
from support.missions_on_disk import MISSION, WHO, new_mission, new_store, step


def many(tmp_path: Path, count: int):
    """A store of ``count`` missions, made by copying one journal: quick, and their snapshots are missing."""
    store = new_store(tmp_path)
    content = new_mission(store, 3).read_bytes()
    for number in range(count - 1):
        path = store.root / f"mission-copy-{number:05}"
        path.mkdir(mode=0o700)
        (path / "event-log.jsonl").write_bytes(content)
    return store


def test_a_damaged_mission_is_shown_as_such_among_the_others(tmp_path: Path):
    store = many(tmp_path, 30)
    damaged = [f"mission-copy-{number:05}" for number in range(0, 20, 2)]
    for number, name in enumerate(damaged):
        journal = store.root / name / "event-log.jsonl"
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes([b"", b"\0" * 5000, lines[0] + lines[2], b"{}\n"][number % 4])
    shown = list_missions(store)
    assert [entry.id for entry in shown] == store.mission_ids() and len(shown) == 30
    assert {entry.id for entry in shown if isinstance(entry, DamagedMission)} == set(damaged)
    assert all(entry.problem for entry in shown if isinstance(entry, DamagedMission))


def test_the_list_is_the_same_with_without_and_with_a_ruined_index(tmp_path: Path):
    store = many(tmp_path, 40)
    expected = list_missions(store)
    assert store.index.exists()
    assert list_missions(store) == expected
    for ruin in (b"", b"{}", b"\0" * 100, b'{"form":"1","rows":3}', store.index.read_bytes()[:-50]):
        store.index.write_bytes(ruin)
        assert list_missions(store) == expected
    store.index.unlink()
    assert list_missions(store) == expected


def test_the_list_shows_changed_new_and_removed_missions_at_once(tmp_path: Path):
    store = many(tmp_path, 20)
    list_missions(store)
    with MissionLog.acquire(store, MISSION, WHO) as log:
        log.record(ev.MissionAbandoned())
    new_mission(store, 0, "mission-zzz")
    shutil.rmtree(store.root / "mission-copy-00003")
    shown = {entry.id: entry for entry in list_missions(store)}
    assert len(shown) == 20 and "mission-zzz" in shown and "mission-copy-00003" not in shown
    changed = shown[MISSION]
    assert isinstance(changed, MissionSummary) and changed.status == "failed"


def test_a_list_of_two_thousand_missions_reads_none_of_them_when_nothing_changed(tmp_path: Path):
    store = many(tmp_path, 2000)
    expected = list_missions(store)
    # Same size and time, other content: whoever reads the journal would notice.
    journal = store.root / "mission-copy-00007" / "event-log.jsonl"
    stat = journal.stat()
    journal.write_bytes(b"\0" * stat.st_size)
    os.utime(journal, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert list_missions(store) == expected
    assert isinstance(view_mission(store, "mission-copy-00007"), DamagedMission)


def test_a_store_that_cannot_be_written_or_is_not_there_can_still_be_listed(tmp_path: Path):
    store = many(tmp_path, 20)
    store.index.mkdir()
    assert len(list_missions(store)) == 20
    shutil.rmtree(store.root)
    assert list_missions(store) == []
    with pytest.raises(MissionError) as refused:
        view_mission(store, MISSION)
    assert refused.value.code == "not_found"


def test_a_view_never_raises_for_what_is_in_a_mission(tmp_path: Path):
    store = new_store(tmp_path)
    journal = new_mission(store)
    ts = "2026-11-23T00:00:00.000Z"
    contents = {
        "no creation": encode(1, 1, ts, "runner_acquired", {}),
        "impossible data": encode(1, 1, ts, "mission_created", {"title": 5}),
        "missing plan": encode(1, 1, ts, "mission_created", {"title": "x", "cwd": "/"})
        + encode(
            2,
            1,
            ts,
            "interactive_plan_written",
            {"title": "P", "features": 1, "planVersion": 1, "blob": "0" * 64},
        ),
        "empty": b"",
    }
    for name, content in contents.items():
        store.mission(MISSION).snapshot.unlink(missing_ok=True)
        journal.write_bytes(content)
        shown = view_mission(store, MISSION)
        assert isinstance(shown, DamagedMission) and shown.problem, name
    journal.write_bytes(
        encode(1, 1, ts, "mission_created", {"title": "x", "cwd": "/"})
        + encode(2, 1, ts, "from_the_future", {"a": 1})
    )
    assert isinstance(view_mission(store, MISSION), Mission)


def test_a_follower_reads_only_what_is_new_and_gives_a_new_value_each_time(tmp_path: Path):
    store = new_store(tmp_path)
    new_mission(store, 3)
    follower = MissionFollower(store, MISSION)
    follower.refresh()
    first = follower.mission
    assert isinstance(first, Mission) and follower.refresh() == []
    with MissionLog.acquire(store, MISSION, WHO) as log:
        log.record(step(1))
        assert [record.type for record in follower.refresh()] == ["runner_acquired", "intent_recorded"]
        log.record(ev.MissionAbandoned())
        assert [record.type for record in follower.refresh()] == ["mission_abandoned"]
    assert isinstance(follower.mission, Mission) and follower.mission.status == "failed"
    assert first.status == "planning" and not follower.restarted


def test_a_follower_begins_anew_when_an_append_was_taken_back(tmp_path: Path):
    store = new_store(tmp_path)
    journal = new_mission(store, 3)
    content = journal.read_bytes()
    follower = MissionFollower(store, MISSION)
    follower.refresh()
    seq = view_mission(store, MISSION).lastSeq
    unacknowledged = encode(
        seq + 1, 1, "2026-11-23T00:00:00.000Z", "mission_abandoned", {"reason": "never durable"}
    )
    journal.write_bytes(content + unacknowledged)
    follower.refresh()
    assert follower.mission.status == "failed"
    journal.write_bytes(content)
    follower.refresh()
    assert follower.restarted and follower.mission.status == "planning"
    journal.write_bytes(content + b"\0" * 10 + b"\n")
    follower.refresh()
    assert isinstance(follower.mission, DamagedMission)
    shutil.rmtree(store.root / MISSION)
    with pytest.raises(MissionError):
        follower.refresh()
