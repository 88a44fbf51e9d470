"""Owning a mission: what is recorded is durable and folded, what fails did not happen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from missions import failpoints
from missions.model import events as ev
from missions.model.errors import MissionError
from missions.store.blobs import read_blob
from missions.store.catalog import view_mission
from missions.store.journal import JournalReader
from missions.store.layout import Store
from missions.store.lock import holder, read_lock_info
from missions.store.mission_log import SNAPSHOT_EVERY, MissionLog
from support.missions_on_disk import MISSION, WHO, new_mission, new_store, step


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    def at(rule: str) -> None:
        monkeypatch.setenv("MISSIONS_FAILPOINT", rule)
        failpoints.reload()

    yield at
    monkeypatch.delenv("MISSIONS_FAILPOINT", raising=False)
    failpoints.reload()


def types_in(store: Store) -> list[str]:
    return [record.type for record in JournalReader(store.mission(MISSION)).read_new()]


def test_a_new_mission_has_its_first_event_and_a_snapshot_and_is_owned(tmp_path: Path):
    store = new_store(tmp_path)
    log = MissionLog.create(store, MISSION, WHO, ev.MissionCreated(title="One", cwd="/x"))
    assert (log.epoch, log.mission.title, log.mission.id, log.recovered) == (1, "One", MISSION, None)
    assert store.mission_ids() == [MISSION] and log.directory.snapshot.exists()
    with pytest.raises(MissionError) as refused:
        MissionLog.acquire(store, MISSION, WHO)
    assert refused.value.code == "locked" and refused.value.data["owner"]["face"] == "test"
    log.release("done")
    with pytest.raises(MissionError) as refused:
        MissionLog.create(store, MISSION, WHO, ev.MissionCreated(title="Two", cwd="/x"))
    assert refused.value.code == "conflict"
    assert [path.name for path in store.root.iterdir()] == [MISSION]


def test_each_ownership_has_the_next_epoch_and_says_who_it_is(tmp_path: Path):
    store = new_store(tmp_path)
    new_mission(store)
    for epoch in (2, 3, 4):
        with MissionLog.acquire(store, MISSION, WHO, purpose="apply") as log:
            assert log.epoch == epoch and log.recovered is None
            info = holder(log.directory)
            assert info is not None and (info.epoch, info.face, info.alive()) == (epoch, "test", True)
        assert read_lock_info(store.mission(MISSION)) is None
    acquired = [r for r in JournalReader(store.mission(MISSION)).read_new() if r.type == "runner_acquired"]
    assert [record.epoch for record in acquired] == [2, 3, 4]
    assert acquired[0].data["purpose"] == "apply" and acquired[0].data["bootId"]


def test_there_is_no_owner_of_a_mission_that_is_not_there(tmp_path: Path):
    with pytest.raises(MissionError) as refused:
        MissionLog.acquire(new_store(tmp_path), MISSION, WHO)
    assert refused.value.code == "not_found"


@pytest.mark.parametrize(
    "rule", ["store.journal.write:enospc", "store.journal.write:eio", "store.journal.fsync:eio"]
)
def test_an_event_that_could_not_be_written_did_not_happen(tmp_path: Path, fail, rule: str):
    store = new_store(tmp_path)
    new_mission(store, 2)
    log = MissionLog.acquire(store, MISSION, WHO)
    seq, title = log.mission.lastSeq, log.mission.status
    fail(rule)
    with pytest.raises(MissionError):
        log.record(ev.MissionAbandoned(reason="x"), request_id="01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert (log.mission.lastSeq, log.mission.status) == (seq, title)
    assert not log.applied("01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert "mission_abandoned" not in types_in(store)
    log.release("failed")
    with MissionLog.acquire(store, MISSION, WHO) as again:
        assert again.record(ev.MissionAbandoned(reason="x")).seq == again.mission.lastSeq
        assert again.mission.status == "failed"


def test_a_full_disk_pauses_recording_and_space_lets_it_go_on_with_the_same_owner(tmp_path: Path, fail):
    store = new_store(tmp_path)
    new_mission(store)
    with MissionLog.acquire(store, MISSION, WHO) as log:
        fail("store.journal.write:enospc@2")
        log.record(step(1))
        with pytest.raises(MissionError) as full:
            log.record(step(2))
        assert full.value.code == "disk_full"
        log.record(step(3))
    assert JournalReader(store.mission(MISSION)).problems == []
    assert types_in(store).count("intent_recorded") == 2


def test_an_event_that_the_fold_refuses_never_reaches_the_journal(tmp_path: Path):
    store = new_store(tmp_path)
    new_mission(store)
    with MissionLog.acquire(store, MISSION, WHO) as log:
        plan = ev.InteractivePlanWritten(title="P", features=1, planVersion=1, blob="0" * 64)
        before = log.mission.lastSeq
        with pytest.raises(MissionError):
            log.record(plan)
        assert log.mission.lastSeq == before
        log.record(step(1))
    assert "interactive_plan_written" not in types_in(store)
    assert view_mission(store, MISSION).id == MISSION


def test_several_events_of_one_request_come_together_and_answer_it(tmp_path: Path, fail):
    store = new_store(tmp_path)
    new_mission(store)
    request = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    with MissionLog.acquire(store, MISSION, WHO) as log:
        fail("store.journal.fsync:enospc")
        with pytest.raises(MissionError):
            log.record_all([step(1), step(2)], request_id=request)
    with MissionLog.acquire(store, MISSION, WHO) as log:
        assert not log.applied(request)
        records = log.record_all([step(1), step(2), step(3)], request_id=request)
        assert [record.data["requestId"] for record in records] == [request] * 3
        assert log.applied(request)
    with MissionLog.acquire(store, MISSION, WHO) as log:
        assert log.applied(request) and not log.applied("01ARZ3NDEKTSV4RRFFQ69G5FAW")
    assert types_in(store).count("intent_recorded") == 3


def test_the_snapshot_follows_transitions_at_once_and_other_events_every_two_hundred(tmp_path: Path):
    store = new_store(tmp_path)
    new_mission(store)
    with MissionLog.acquire(store, MISSION, WHO) as log:
        snapshot = log.directory.snapshot
        for number in range(SNAPSHOT_EVERY + 5):
            log.record(step(number))
        last = json.loads(snapshot.read_bytes())["lastSeq"]
        assert log.mission.lastSeq - SNAPSHOT_EVERY < last < log.mission.lastSeq
        log.record(ev.MissionAbandoned())
        assert json.loads(snapshot.read_bytes())["status"] == "failed"


def test_a_snapshot_that_cannot_be_written_does_not_undo_the_event(tmp_path: Path, fail):
    store = new_store(tmp_path)
    new_mission(store)
    with MissionLog.acquire(store, MISSION, WHO) as log:
        fail("store.snapshot.write:enospc")
        log.record(ev.MissionAbandoned())
        assert log.mission.status == "failed"
    mission = view_mission(store, MISSION)
    assert mission.status == "failed"


DAMAGED_SNAPSHOTS = {
    "missing": None,
    "empty": b"",
    "half": b'{"schemaVersion": 1, "id": "mis',
    "NULs": b"\0" * 4000,
    "an array": b"[]",
    "edited": b"edit",
    "another mission's": b"other",
    "huge": b"x" * (33 * 1024 * 1024),
}


@pytest.mark.parametrize("kind", DAMAGED_SNAPSHOTS)
def test_a_bad_snapshot_is_rebuilt_from_the_journal_and_reported(tmp_path: Path, kind: str):
    store = new_store(tmp_path)
    new_mission(store, 20)
    snapshot = store.mission(MISSION).snapshot
    good = snapshot.read_bytes()
    expected = view_mission(store, MISSION)
    content = DAMAGED_SNAPSHOTS[kind]
    if content is None:
        snapshot.unlink()
    elif content == b"edit":
        snapshot.write_bytes(good.replace(b'"planning"', b'"complete"'))
    elif content == b"other":
        new_mission(store, 1, "mission-other")
        snapshot.write_bytes(store.mission("mission-other").snapshot.read_bytes())
    else:
        snapshot.write_bytes(content)
    assert view_mission(store, MISSION) == expected
    with MissionLog.acquire(store, MISSION, WHO) as log:
        assert (log.recovered is None) == (content is None)
        if log.recovered is not None:
            assert log.recovered.snapshot_problem
        assert log.mission.status == "planning" and log.mission.title == "A mission"
    assert json.loads(snapshot.read_bytes())["lastSeq"] == expected.lastSeq + 2


def test_a_journal_that_lost_records_the_snapshot_knows_is_damage_and_not_a_shorter_history(tmp_path: Path):
    store = new_store(tmp_path)
    journal = new_mission(store, 5)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-2]))
    with pytest.raises(MissionError) as refused:
        MissionLog.acquire(store, MISSION, WHO)
    assert refused.value.code == "store_corrupt" and refused.value.data["line"] == len(lines) - 1
    assert view_mission(store, MISSION).problem


def test_a_damaged_journal_is_not_taken_and_not_changed(tmp_path: Path):
    store = new_store(tmp_path)
    journal = new_mission(store, 5)
    lines = journal.read_bytes().splitlines(keepends=True)
    content = b"".join([*lines[:2], b"\0" * 300, *lines[2:], b"torn"])
    journal.write_bytes(content)
    with pytest.raises(MissionError) as refused:
        MissionLog.acquire(store, MISSION, WHO)
    assert (refused.value.code, refused.value.data["line"]) == ("store_corrupt", 3)
    assert refused.value.data["offset"] == len(lines[0]) + len(lines[1])
    assert journal.read_bytes() == content and not list(journal.parent.glob("*.torn-*"))


def test_a_mission_of_a_newer_version_can_be_named_but_not_taken(tmp_path: Path):
    store = new_store(tmp_path)
    journal = new_mission(store)
    snapshot = store.mission(MISSION).snapshot
    snapshot.write_bytes(snapshot.read_bytes().replace(b'"schemaVersion": 1', b'"schemaVersion": 99'))
    before = journal.read_bytes()
    with pytest.raises(MissionError) as refused:
        MissionLog.acquire(store, MISSION, WHO)
    assert refused.value.code == "schema_newer" and journal.read_bytes() == before
    assert view_mission(store, MISSION).code == "schema_newer"


def test_an_owner_that_did_not_release_is_recorded_by_the_next(tmp_path: Path):
    store = new_store(tmp_path)
    journal = new_mission(store, 3)
    lines = journal.read_bytes().splitlines(keepends=True)
    store.mission(MISSION).snapshot.unlink()
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:30])
    (journal.parent / ".mission.json.0123456789ab.tmp").write_bytes(b"half")
    with MissionLog.acquire(store, MISSION, WHO) as log:
        assert log.recovered is not None and log.recovered.died and log.recovered.swept == 1
        assert log.recovered.torn is not None and log.recovered.torn.read_bytes() == lines[-1][:30]
    assert types_in(store)[-3:] == ["runner_acquired", "mission_runner_lock_recovered", "runner_released"]


def test_a_removed_lock_file_is_noticed_before_the_next_write(tmp_path: Path):
    store = new_store(tmp_path)
    new_mission(store)
    log = MissionLog.acquire(store, MISSION, WHO)
    log.directory.lock.unlink()
    other = MissionLog.acquire(store, MISSION, WHO)
    other.record(step(1))
    before = log.directory.journal.read_bytes()
    for write in (lambda: log.record(step(2)), log.snapshot, lambda: log.blob(b"x")):
        with pytest.raises(MissionError) as noticed:
            write()
        assert noticed.value.code == "store_tampered"
    log.release("lost")
    assert log.directory.journal.read_bytes() == before
    assert read_lock_info(log.directory) is not None
    assert other.record(step(3)).seq == other.mission.lastSeq
    other.release("done")


def test_blobs_are_named_by_their_content_and_checked_when_read(tmp_path: Path):
    store = new_store(tmp_path)
    new_mission(store)
    with MissionLog.acquire(store, MISSION, WHO) as log:
        name = log.blob(b"content")
        assert log.blob(b"content") == name and read_blob(log.directory, name) == b"content"
        path = log.directory.blobs / name
        path.write_bytes(b"changed")
        for bad in (name, "0" * 64, "../../journal"):
            with pytest.raises(MissionError) as refused:
                read_blob(log.directory, bad)
            assert refused.value.code == "store_corrupt"
        assert log.blob(b"content") == name and read_blob(log.directory, name) == b"content"


def test_a_destroyed_mission_is_gone_and_a_failing_block_releases_with_its_reason(tmp_path: Path):
    store = new_store(tmp_path)
    new_mission(store)
    with pytest.raises(KeyError), MissionLog.acquire(store, MISSION, WHO):
        raise KeyError
    assert JournalReader(store.mission(MISSION)).read_new()[-1].data == {"reason": "failed: KeyError"}
    MissionLog.acquire(store, MISSION, WHO).destroy()
    assert store.mission_ids() == [] and list(store.root.iterdir()) == [store.wake]
