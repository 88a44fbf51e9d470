"""Requests: applied once, in order, answered once; what is no request stands in nobody's way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from missions import failpoints
from missions.model.errors import MissionError
from missions.store import inbox
from missions.store.inbox import By, Request, Result
from missions.store.layout import MissionDir
from missions.store.mission_log import MissionLog
from support.missions_on_disk import MISSION, WHO, new_mission, new_store, step

BY = By(face="cli", user="me")


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    def at(rule: str) -> None:
        monkeypatch.setenv("MISSIONS_FAILPOINT", rule)
        failpoints.reload()

    yield at
    monkeypatch.delenv("MISSIONS_FAILPOINT", raising=False)
    failpoints.reload()


@pytest.fixture
def directory(tmp_path: Path) -> MissionDir:
    return MissionDir(MISSION, tmp_path)


def never(request_id: str) -> bool:
    return False


def test_requests_come_in_the_order_of_their_ids_and_leave_with_their_answer(directory: MissionDir):
    requests = [Request(op="pause", args={"n": n}, by=BY) for n in range(3)]
    for request in reversed(requests):
        inbox.submit(directory, request)
    assert inbox.result(directory, requests[0].id) == Result(state="queued")
    by_id = sorted(requests, key=lambda request: request.id)
    assert inbox.pending(directory, never) == by_id
    inbox.done(directory, by_id[0].id, Result(state="applied", seq=7))
    assert inbox.waiting(directory) == [request.id for request in by_id[1:]]
    assert inbox.result(directory, by_id[0].id) == Result(state="applied", seq=7)
    assert inbox.result(directory, "01ARZ3NDEKTSV4RRFFQ69G5FAV") is None
    assert list((directory.inbox / "tmp").iterdir()) == []


def test_the_first_answer_stays(directory: MissionDir):
    request = Request(op="pause", by=BY)
    inbox.submit(directory, request)
    inbox.done(directory, request.id, Result(state="applied", seq=1))
    inbox.submit(directory, request)
    assert inbox.pending(directory, never) == []
    inbox.done(directory, request.id, Result(state="refused"))
    assert inbox.result(directory, request.id) == Result(state="applied", seq=1)


def test_a_request_that_the_journal_answers_is_not_applied_again(tmp_path: Path, fail):
    store = new_store(tmp_path)
    new_mission(store)
    directory = store.mission(MISSION)
    request = Request(op="resume", by=BY)
    inbox.submit(directory, request)
    with MissionLog.acquire(store, MISSION, WHO) as log:
        assert [r.id for r in inbox.pending(directory, log.applied)] == [request.id]
        log.record(step(1), request_id=request.id)
        # The owner dies before it can leave the answer.
        fail("store.inbox.create:eio")
        with pytest.raises(MissionError):
            inbox.done(directory, request.id, Result(state="applied"))
    with MissionLog.acquire(store, MISSION, WHO) as log:
        assert inbox.pending(directory, log.applied) == []
    result = inbox.result(directory, request.id)
    assert result is not None and result.state == "applied"


def test_what_is_no_request_is_refused_and_never_blocks_the_others(directory: MissionDir):
    good = Request(op="pause", by=BY)
    inbox.submit(directory, good)
    new = directory.inbox / "new"
    bad = {
        "01ARZ3NDEKTSV4RRFFQ69G5FA1": b"{",
        "01ARZ3NDEKTSV4RRFFQ69G5FA2": b"\0" * 100,
        "01ARZ3NDEKTSV4RRFFQ69G5FA3": b'{"op": "pause"}',
        "01ARZ3NDEKTSV4RRFFQ69G5FA4": b"[" * 100_000,
        "01ARZ3NDEKTSV4RRFFQ69G5FA5": b'"' + b"x" * inbox.MAX_REQUEST + b'"',
        "01ARZ3NDEKTSV4RRFFQ69G5FA6": good.model_dump_json().encode(),
        "01ARZ3NDEKTSV4RRFFQ69G5FA7": b"",
    }
    for request_id, content in bad.items():
        (new / f"{request_id}.json").write_bytes(content)
    (new / "01ARZ3NDEKTSV4RRFFQ69G5FA8.json").symlink_to(new / f"{good.id}.json")
    os.mkfifo(new / "01ARZ3NDEKTSV4RRFFQ69G5FA9.json")
    (new / "01ARZ3NDEKTSV4RRFFQ69G5FAA.json").mkdir()
    (new / "not a request").write_bytes(b"x")
    (new / "-rf\n.json").mkdir()
    assert inbox.pending(directory, never) == [good]
    for request_id in [
        *bad,
        "01ARZ3NDEKTSV4RRFFQ69G5FA8",
        "01ARZ3NDEKTSV4RRFFQ69G5FA9",
        "01ARZ3NDEKTSV4RRFFQ69G5FAA",
    ]:
        result = inbox.result(directory, request_id)
        assert result is not None and result.state == "refused" and result.error, request_id
    assert [path.name for path in new.iterdir()] == [f"{good.id}.json"]
    assert inbox.pending(directory, never) == [good]


def test_a_request_that_is_too_large_or_has_no_form_never_gets_in(directory: MissionDir):
    with pytest.raises(MissionError) as refused:
        inbox.submit(directory, Request(op="steer", args={"text": "x" * inbox.MAX_REQUEST}, by=BY))
    assert refused.value.code == "bad_argument"
    with pytest.raises(ValidationError):
        Request(op="rm -rf", by=BY)
    with pytest.raises(ValidationError):
        Request(id="../../x", op="pause", by=BY)
    with pytest.raises(MissionError):
        inbox.result(directory, "../../journal")
    assert inbox.waiting(directory) == []


@pytest.mark.parametrize("operation", ["create", "write", "fsync", "rename"])
def test_a_request_that_could_not_be_written_is_not_there(directory: MissionDir, fail, operation: str):
    fail(f"store.inbox.{operation}:enospc")
    with pytest.raises(MissionError) as failed:
        inbox.submit(directory, Request(op="pause", by=BY))
    assert failed.value.code == "disk_full"
    assert inbox.waiting(directory) == [] and inbox.pending(directory, never) == []


def test_a_request_that_nobody_took_is_withdrawn_and_its_owner_passes_it_by(directory: MissionDir):
    request = Request(op="pause", by=BY)
    inbox.submit(directory, request)
    [listed] = inbox.pending(directory, never)
    withdrawn = inbox.withdraw(directory, request.id)
    assert withdrawn is not None and withdrawn.error is not None
    assert (withdrawn.state, withdrawn.error["code"]) == ("refused", "cancelled")
    with inbox.taking(directory, listed.id) as taken:
        assert not taken
    assert inbox.pending(directory, never) == []
    assert inbox.result(directory, request.id) == withdrawn == inbox.withdraw(directory, request.id)


def test_a_request_that_its_owner_has_taken_is_not_withdrawn(directory: MissionDir):
    request = Request(op="pause", by=BY)
    inbox.submit(directory, request)
    with inbox.taking(directory, request.id) as taken:
        assert taken
        assert inbox.withdraw(directory, request.id) is None
        inbox.done(directory, request.id, Result(state="applied", seq=3))
    assert inbox.withdraw(directory, request.id) == Result(state="applied", seq=3)


def test_a_request_that_its_owner_applied_before_it_died_is_not_withdrawn(tmp_path: Path):
    store = new_store(tmp_path)
    new_mission(store)
    directory = store.mission(MISSION)
    request = Request(op="pause", by=BY)
    inbox.submit(directory, request)
    with MissionLog.acquire(store, MISSION, WHO) as log:
        log.record(step(1), request_id=request.id)
        assert inbox.withdraw(directory, request.id) is None
    with MissionLog.acquire(store, MISSION, WHO) as log:
        assert inbox.pending(directory, log.applied) == []
    assert inbox.withdraw(directory, request.id) == Result(state="applied")
