"""Garbage goes, evidence stays, and no commit is lost with it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from missions.control.gc import GcResult, gc
from missions.model import events as ev
from missions.repo.clone import make_clone
from missions.store.catalog import list_missions
from missions.store.inbox import By, Request, Result, done, submit
from missions.store.layout import Store
from missions.store.mission_log import MissionLog
from support.mission_with_snapshots import MISSION, RUN, WHO, World

DAY = 86_400.0


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _later(world: World, days: float = 31, **options: bool) -> GcResult:
    return gc(world.store, now=time.time() + days * DAY, **options)


def _work_and_complete(world: World) -> str:
    """A mission with a run whose commit is on its branch; returns that commit."""
    world.ground.git("checkout", "-q", "-b", f"missions/{MISSION}")
    world.start(f"missions/{MISSION}")
    world.snap()
    world.ground.write("dates.py", "def parse(): ...\n")
    tip = world.ground.commit("dates")
    with MissionLog.acquire(world.store, MISSION, WHO) as log:
        log.record(ev.RepositoryAdopted(commit=tip))
        log.record(ev.MissionComplete(commit=tip))
    return tip


def test_backups_of_finished_missions_go_after_thirty_days(world: World) -> None:
    _work_and_complete(world)
    journal = world.directory.journal.read_bytes()
    assert _later(world, 29).items == []

    look = _later(world, dry_run=True)
    assert [item.kind for item in look.items] == ["backup"]
    assert look.freed > 0
    assert world.directory.git.is_dir()

    result = _later(world)
    assert result.freed == look.freed
    assert not world.directory.git.exists()
    assert world.directory.journal.read_bytes() == journal
    assert _later(world).items == []


def test_backups_of_unfinished_missions_stay_however_old(world: World) -> None:
    world.start()
    world.snap()
    assert _later(world, 4000).items == []
    assert world.directory.git.is_dir()


def test_a_backup_that_alone_holds_a_branch_stays(world: World) -> None:
    tip = _work_and_complete(world)
    world.ground.git("checkout", "-q", "main")
    world.ground.git("branch", "-D", f"missions/{MISSION}")
    result = _later(world)
    assert result.items == []
    assert tip[:12] in result.kept[MISSION]
    assert world.directory.git.is_dir()


def test_a_branch_that_was_merged_and_deleted_needs_no_backup(world: World) -> None:
    _work_and_complete(world)
    world.ground.git("checkout", "-q", "main")
    world.ground.git("merge", "-q", f"missions/{MISSION}")
    world.ground.git("branch", "-d", f"missions/{MISSION}")
    assert [item.kind for item in _later(world).items] == ["backup"]


def test_another_branch_that_only_the_backup_still_knows_keeps_it(world: World) -> None:
    world.ground.git("checkout", "-q", "-b", "idea")
    world.ground.write("idea.txt", "idea\n")
    idea = world.ground.commit("idea")
    world.ground.git("checkout", "-q", "main")
    _work_and_complete(world)
    world.ground.git("branch", "-D", "idea")
    assert idea[:12] in _later(world).kept[MISSION]


def test_a_clone_with_commits_that_were_not_brought_home_stays(world: World) -> None:
    clone = make_clone(world.ground.repo, world.directory.git / "tree", MISSION)
    (clone.root / "only-here.txt").write_text("x")
    world.ground.git("add", "-A", cwd=clone.root)
    world.ground.git("commit", "-q", "-m", "only here", cwd=clone.root)
    with MissionLog.acquire(world.store, MISSION, WHO) as log:
        log.record(ev.MissionAbandoned(reason="enough"))
    assert MISSION in _later(world).kept
    assert clone.root.is_dir()


def test_a_mission_whose_repository_is_gone_keeps_its_backup(world: World, tmp_path: Path) -> None:
    _work_and_complete(world)
    world.ground.root.rename(tmp_path / "moved")
    assert "cannot be compared" in _later(world).kept[MISSION]


def test_a_mission_in_use_is_left_alone(world: World) -> None:
    _work_and_complete(world)
    with MissionLog.acquire(world.store, MISSION, WHO):
        result = _later(world)
    assert "using" in result.kept[MISSION]
    assert world.directory.git.is_dir()


def test_collecting_does_not_make_a_mission_look_younger(world: World) -> None:
    _work_and_complete(world)
    before = [m.updatedAt for m in list_missions(world.store)]  # type: ignore[union-attr]
    _later(world)
    assert [m.updatedAt for m in list_missions(world.store)] == before  # type: ignore[union-attr]


def test_old_answers_torn_files_and_logs_go_and_young_ones_stay(world: World) -> None:
    directory = world.directory
    for number in range(2):
        request = Request(op="pause", by=By(face="test"))
        submit(directory, request)
        done(directory, request.id, Result(state="applied"))
        if number == 0:
            _age(directory.inbox / "done" / f"{request.id}.json", 40)
    (directory.path / "event-log.torn-20260101T000000000000Z").write_bytes(b"{")
    _age(directory.path / "event-log.torn-20260101T000000000000Z", 40)
    run = directory.run(RUN)
    run.path.mkdir(parents=True)
    (run.path / "transcript.torn-20260101").write_bytes(b"{")
    _age(run.path / "transcript.torn-20260101", 40)
    logs = world.store.root / "logs"
    logs.mkdir()
    for name in ("lsp-old.log", "lsp-old.log.1", "lsp-new.log"):
        (logs / name).write_text("line\n")
    _age(logs / "lsp-old.log", 40)
    _age(logs / "lsp-old.log.1", 40)

    kinds = sorted(item.kind for item in gc(world.store).items)

    assert kinds == ["answer", "log", "log", "torn", "torn"]
    assert [path.name for path in logs.iterdir()] == ["lsp-new.log"]
    assert len(list((directory.inbox / "done").iterdir())) == 1


def test_the_answer_of_a_request_that_still_waits_stays(world: World) -> None:
    request = Request(op="pause", by=By(face="test"))
    submit(world.directory, request)
    done(world.directory, request.id, Result(state="applied"))
    submit(world.directory, request)
    _age(world.directory.inbox / "done" / f"{request.id}.json", 40)
    assert gc(world.store).items == []


def test_half_made_missions_go_after_an_hour(world: World) -> None:
    half = world.store.root / ".new-mission-x-0123456789ab"
    half.mkdir()
    (half / "event-log.jsonl").write_text("")
    assert gc(world.store).items == []
    _age(half, 0.1)
    assert [item.kind for item in gc(world.store).items] == ["half-made"]
    assert not half.exists()


def test_a_removal_that_was_cut_short_is_finished(world: World) -> None:
    _work_and_complete(world)
    script = (
        "import sys, time; from pathlib import Path; from missions.store.layout import Store;"
        "from missions.control.gc import gc; gc(Store(Path(sys.argv[1])), now=time.time() + 40 * 86400)"
    )
    environment = {"PATH": os.environ["PATH"], "MISSIONS_FAILPOINT": "store.file.unlink:kill"}
    command = [sys.executable, "-c", script, str(world.store.root)]
    assert subprocess.run(command, env=environment, check=False).returncode == -9
    assert not world.directory.git.exists()
    assert [item.kind for item in _later(world, 1).items] == ["half-made"]
    assert not list(world.directory.path.glob(".gone-*"))


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert gc(Store(tmp_path / "none")).items == []
    assert not (tmp_path / "none").exists()


def _age(path: Path, days: float) -> None:
    moment = time.time() - days * DAY
    os.utime(path, (moment, moment))
