"""The store between processes: killed at every operation, raced for, stopped, robbed of its lock, out of disk."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.mission import Mission
from missions.store import inbox, journal
from missions.store.blobs import read_blob
from missions.store.catalog import view_mission
from missions.store.files import OPERATIONS
from missions.store.inbox import By, Request, Result
from missions.store.layout import Store
from missions.store.lock import ProcessIdentity, holder
from missions.store.mission_log import MissionLog
from missions.store.transcript import TranscriptReader, TranscriptWriter
from support.forked import Forked, Say
from support.missions_on_disk import MISSION, WHO, new_mission, new_store, step
from support.waiting import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="missions are not run on Windows")


def scripted_run(root: Path, say: Say) -> None:
    """Everything an owner does, in small; it can be started again after any interruption."""
    journal.SEGMENT_SIZE = 1200
    store = Store(root)
    directory = store.mission(MISSION)
    if not directory.exists():
        MissionLog.create(store, MISSION, WHO, ev.MissionCreated(title="x", cwd="/")).release("made")
        say("record 1 mission_created")
    request = Request(op="resume", by=By(face="test"))
    inbox.submit(directory, request)
    say(f"request {request.id}")
    with MissionLog.acquire(store, MISSION, WHO) as log:
        say(f"blob {log.blob(os.urandom(64))}")
        for asked in inbox.pending(directory, log.applied):
            record = log.record(step(0), request_id=asked.id)
            say(f"record {record.seq} {record.type}")
            inbox.done(directory, asked.id, Result(state="applied", seq=record.seq))
            say(f"answer {asked.id}")
        for number in range(6):
            record = log.record(step(number))
            say(f"record {record.seq} {record.type}")
        log.record(ev.MissionAbandoned())
        transcript = TranscriptWriter(directory.run("1700000000000-worker-f1").transcript, segment_size=40)
        for number in range(8):
            transcript.append({"n": number}, sync=True)
            say("line")
        transcript.close()


def check(root: Path, promises: list[str]) -> None:
    """Everything that was promised is there, and the mission can be taken over and used."""
    store = Store(root)
    directory = store.mission(MISSION)
    kept = [line.split() for line in promises]
    records = {(int(p[1]), p[2]) for p in kept if p[0] == "record"}
    if not directory.exists():
        assert not records
        return
    assert isinstance(view_mission(store, MISSION), Mission)
    with MissionLog.acquire(store, MISSION, WHO) as log:
        for asked in inbox.pending(directory, log.applied):
            log.record(step(0), request_id=asked.id)
            inbox.done(directory, asked.id, Result(state="applied"))
    found = journal.JournalReader(directory)
    history = found.read_new()
    assert found.problems == [] and found.fragment == 0
    assert records <= {(record.seq, record.type) for record in history}
    answered = Counter(record.data["requestId"] for record in history if "requestId" in record.data)
    assert set(answered.values()) <= {1}
    for promise in kept:
        if promise[0] == "blob":
            assert read_blob(directory, promise[1])
        elif promise[0] == "request":
            result = inbox.result(directory, promise[1])
            assert answered[promise[1]] == 1 and result is not None and result.state == "applied"
    lines = TranscriptReader(directory.run("1700000000000-worker-f1").transcript).read_new()
    assert len(lines) >= sum(p[0] == "line" for p in kept)


@pytest.fixture(scope="module")
def hits(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names of all operations of an undisturbed run, in their order."""
    root = tmp_path_factory.mktemp("traced")
    trace = root / "trace"
    code, _ = Forked(lambda say: scripted_run(root / "home", say), trace=str(trace)).end()
    assert code == 0
    return trace.read_text().split()


def test_the_scripted_run_meets_every_operation_an_owner_performs(hits: list[str]):
    owned = ("journal", "snapshot", "lock", "lock_info", "blob", "inbox", "mission", "transcript")
    expected = {f"store.{kind}.{op}" for kind in owned for op in OPERATIONS[kind]}
    # Taking back, repairing and removing happen only after something went wrong or was asked for.
    expected -= {"store.journal.truncate", "store.transcript.truncate", "store.mission.unlink"}
    assert expected <= set(hits)


def test_killed_before_any_single_operation_nothing_that_was_promised_is_lost(
    tmp_path: Path, hits: list[str]
):
    root = tmp_path / "home"
    kills = 0
    for at in range(1, len(hits) + 1):
        code, promises = Forked(lambda say: scripted_run(root, say), failpoint=f"*:kill@{at}").end()
        assert code in (0, -signal.SIGKILL)
        kills += code == -signal.SIGKILL
        if at % 3 == 0:
            # Killed again while it recovers, somewhere else each time.
            again = f"*:kill@{1 + at * 7 % 40}"
            promises += Forked(lambda say: scripted_run(root, say), failpoint=again).end()[1]
        check(root, promises)
        shutil.rmtree(root, ignore_errors=True)
    assert kills == len(hits)


def test_requests_from_several_windows_are_applied_once_each_though_the_owner_is_killed_again_and_again(
    tmp_path: Path,
):
    store = new_store(tmp_path)
    new_mission(store)
    directory = store.mission(MISSION)

    def window(say: Say) -> None:
        for _ in range(40):
            request = Request(op="pause", by=By(face="window"))
            inbox.submit(directory, request)
            say(request.id)

    def owner(say: Say) -> None:
        with MissionLog.acquire(store, MISSION, WHO, wait=10) as log:
            while requests := inbox.pending(directory, log.applied):
                for request in requests:
                    record = log.record(step(0), request_id=request.id)
                    inbox.done(directory, request.id, Result(state="applied", seq=record.seq))

    windows = [Forked(window) for _ in range(3)]
    random_ = random.Random(4)
    for _ in range(20):
        Forked(owner, failpoint=f"*:kill@{random_.randint(1, 60)}").end()
    asked = [line for window_ in windows for line in window_.end()[1]]
    assert Forked(owner).end()[0] == 0
    records = journal.JournalReader(directory).read_new()
    answered = Counter(record.data["requestId"] for record in records if "requestId" in record.data)
    assert len(asked) == 120 and answered == Counter(asked)
    assert inbox.waiting(directory) == []
    assert {inbox.result(directory, request).state for request in asked} == {"applied"}


@pytest.mark.parametrize("processes", [2, 20])
def test_of_many_processes_that_want_a_mission_at_once_exactly_one_gets_it(tmp_path: Path, processes: int):
    store = new_store(tmp_path)
    new_mission(store)
    for _ in range(3):
        start_read, start = os.pipe()
        end_read, end = os.pipe()

        def contender(say: Say) -> None:
            os.close(start)  # noqa: B023
            os.close(end)  # noqa: B023
            os.read(start_read, 1)  # noqa: B023
            try:
                log = MissionLog.acquire(store, MISSION, WHO)
            except MissionError as error:
                say(error.code)
                return
            say("mine")
            os.read(end_read, 1)  # noqa: B023
            log.release("done")

        contenders = [Forked(contender) for _ in range(processes)]
        os.close(start)
        answers = Counter(contender_.line() for contender_ in contenders)
        os.close(end)
        assert answers == {"mine": 1, "locked": processes - 1}
        assert {contender_.end()[0] for contender_ in contenders} == {0}
        os.close(start_read)
        os.close(end_read)


def test_many_processes_that_wait_for_a_mission_write_one_after_the_other(tmp_path: Path):
    store = new_store(tmp_path)
    new_mission(store)

    def contender(say: Say) -> None:
        for number in range(3):
            with MissionLog.acquire(store, MISSION, WHO, wait=60, purpose="apply") as log:
                log.record(step(number))

    contenders = [Forked(contender) for _ in range(12)]
    assert {contender_.end()[0] for contender_ in contenders} == {0}
    reader = journal.JournalReader(store.mission(MISSION))
    records = reader.read_new()
    assert reader.problems == [] and sum(record.type == "intent_recorded" for record in records) == 36
    assert [record.epoch for record in records if record.type == "runner_acquired"] == list(range(2, 38))


def test_the_lock_is_free_at_once_when_its_owner_is_killed_even_if_a_child_lives_on(tmp_path: Path):
    store = new_store(tmp_path)
    new_mission(store)

    def owner(say: Say) -> None:
        log = MissionLog.acquire(store, MISSION, WHO)
        child = subprocess.Popen(["sleep", "600"])
        log.record(step(1))
        say(str(child.pid))
        signal.pause()

    owner_ = Forked(owner)
    child = int(owner_.line())
    try:
        assert holder(store.mission(MISSION)) is not None
        with pytest.raises(MissionError) as refused:
            MissionLog.acquire(store, MISSION, WHO)
        assert refused.value.data["owner"]["pid"] == owner_.pid
        owner_.signal(signal.SIGKILL)
        owner_.end()
        assert holder(store.mission(MISSION)) is None
        with MissionLog.acquire(store, MISSION, WHO) as log:
            assert log.recovered is not None and log.recovered.died
            assert log.recovered.previous is not None and log.recovered.previous.pid == owner_.pid
    finally:
        os.kill(child, signal.SIGKILL)


def recording_owner(store: Store, go: int):
    """An owner that records once per byte it reads, and says what came of it."""

    def owner(say: Say) -> int:
        log = MissionLog.acquire(store, MISSION, WHO)
        say(f"epoch {log.epoch}")
        while os.read(go, 1):
            try:
                say(f"record {log.record(step(0)).seq}")
            except MissionError as error:
                say(error.code)
                log.release("lost")
                return 3
        log.release("done")
        return 0

    return owner


def stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_a_stopped_owner_keeps_its_mission_and_goes_on(tmp_path: Path):
    store = new_store(tmp_path)
    new_mission(store)
    go_read, go = os.pipe()
    owner = Forked(recording_owner(store, go_read))
    owner.line()
    owner.signal(signal.SIGSTOP)
    until(lambda: stopped(owner.pid), what="stopped")
    with pytest.raises(MissionError) as refused:
        MissionLog.acquire(store, MISSION, WHO)
    assert refused.value.code == "locked"
    owner.signal(signal.SIGCONT)
    os.write(go, b"x")
    assert owner.line().startswith("record")
    owner.signal(signal.SIGKILL)
    owner.end()


def test_a_stopped_owner_whose_mission_was_taken_by_force_writes_nothing_when_it_wakes_up(tmp_path: Path):
    store = new_store(tmp_path)
    new_mission(store)
    for _ in range(10):
        go_read, go = os.pipe()
        owner = Forked(recording_owner(store, go_read))
        owner.line()
        owner.signal(signal.SIGSTOP)
        until(lambda: stopped(owner.pid), what="stopped")  # noqa: B023
        store.mission(MISSION).lock.unlink()
        with MissionLog.acquire(store, MISSION, WHO) as log:
            log.record(step(1))
            before = log.directory.journal.read_bytes()
            os.write(go, b"x")
            owner.signal(signal.SIGCONT)
            code, said = owner.end()
            assert (code, said) == (3, ["store_tampered"])
            assert log.directory.journal.read_bytes() == before
            log.record(step(2))
        os.close(go_read)
        os.close(go)
    reader = journal.JournalReader(store.mission(MISSION))
    reader.read_new()
    assert reader.problems == []


def test_an_identity_is_one_process_and_not_a_number(tmp_path: Path):
    me = ProcessIdentity.own()
    assert me.alive() is True
    assert me.model_copy(update={"startTicks": me.startTicks + 1}).alive() is False
    assert me.model_copy(update={"bootId": "another boot"}).alive() is False
    assert me.model_copy(update={"host": "elsewhere"}).alive() is None
    forked = Forked(lambda say: say(ProcessIdentity.own().model_dump_json()))
    other = ProcessIdentity.model_validate_json(forked.line())
    forked.end()
    assert other.alive() is False


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("only root can mount; the unit tests fill the disk by fail points")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_fills_up_at_any_point_leaves_a_whole_journal_and_the_mission_goes_on(small_disk: Path):
    random_ = random.Random(9)
    for _ in range(60):
        store = Store(small_disk / "home")
        new_mission(store)
        ballast = small_disk / "ballast"
        recorded = 0
        with MissionLog.acquire(store, MISSION, WHO) as log:
            free = shutil.disk_usage(small_disk).free
            ballast.write_bytes(b"\0" * max(0, free - random_.randint(0, 60_000)))
            with pytest.raises(MissionError) as full:
                while True:
                    log.record(ev.IntentRecorded(stepId="x" * random_.randint(1, 20_000), kind="fill"))
                    recorded += 1
            assert full.value.code == "disk_full"
            mission = view_mission(store, MISSION)
            assert isinstance(mission, Mission) and mission.lastSeq == log.mission.lastSeq
            ballast.unlink()
            log.record(step(recorded))
        reader = journal.JournalReader(store.mission(MISSION))
        assert len(reader.read_new()) == 5 + recorded and reader.problems == [] and reader.fragment == 0
        assert all(path.stat().st_size for path in store.mission(MISSION).path.glob("*.json*"))
        shutil.rmtree(store.root)
