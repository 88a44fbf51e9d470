"""The doctor names what is wrong with its next step, mends only what loses nothing, and shows no secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from missions.agent.sandbox.identity import identify
from missions.control.doctor import doctor
from missions.control.doctor_machine import look_at_machine
from missions.control.finding import Diagnosis, Finding
from missions.model import events as ev
from missions.model.errors import MissionError
from missions.runner.plan_files import write_plan_files
from missions.store.inbox import By, Request, submit
from missions.store.layout import Store
from missions.store.mission_log import MissionLog
from support.mission_with_snapshots import MISSION, RUN, WHO, World
from support.waiting import until

KEY = "sk-ant-api03-0123456789abcdefghijklmnop"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _of(diagnosis: Diagnosis) -> dict[str, Finding]:
    """Findings about missions and the store, by id."""
    return {f.id: f for f in diagnosis.findings}


def _about(world: World, *, fix: bool = False) -> dict[str, Finding]:
    return _of(doctor(world.store, fix=fix, mission=MISSION))


def test_a_mission_that_is_well_has_no_findings(world: World) -> None:
    assert _about(world) == {}


def test_looking_changes_nothing(world: World) -> None:
    (world.directory.journal).open("ab").write(b'{"seq":')
    world.directory.snapshot.unlink()
    before = {path: path.read_bytes() for path in world.store.root.rglob("*") if path.is_file()}
    doctor(world.store)
    assert {path: path.read_bytes() for path in world.store.root.rglob("*") if path.is_file()} == before


def test_a_torn_tail_is_set_aside(world: World) -> None:
    with world.directory.journal.open("ab") as out:
        out.write(b'{"seq":99,"epo')
    found = _about(world)["torn-tail"]
    assert (found.severity, found.fixable) == ("warning", True)
    assert _about(world, fix=True)["torn-tail"].fixed
    after = _about(world)
    assert set(after) == {"torn-files"}
    assert [path.read_bytes() for path in world.directory.path.glob("event-log.torn-*")] == [
        b'{"seq":99,"epo'
    ]


def test_a_hand_edited_snapshot_names_the_operations_to_use(world: World) -> None:
    snapshot = json.loads(world.directory.snapshot.read_text())
    snapshot["status"] = "complete"
    snapshot["milestones"][0]["features"][1]["status"] = "skipped"
    world.directory.snapshot.write_text(json.dumps(snapshot))
    found = _about(world)["snapshot-edited"]
    assert "feature F2.status: use `retry` or `skip`" in found.what
    assert "status: use `run`" in found.what
    assert _about(world, fix=True)["snapshot-edited"].fixed
    assert json.loads(world.directory.snapshot.read_text())["status"] == "planned"
    assert _about(world) == {}


def test_a_missing_snapshot_is_written_anew(world: World) -> None:
    world.directory.snapshot.unlink()
    assert _about(world, fix=True)["snapshot-missing"].fixed
    assert world.directory.snapshot.is_file()


def test_damage_in_the_journal_is_an_error_that_nobody_mends(world: World) -> None:
    content = bytearray(world.directory.journal.read_bytes())
    content[len(content) // 2] ^= 1
    world.directory.journal.write_bytes(bytes(content))
    diagnosis = doctor(world.store, fix=True)
    found = _of(diagnosis)["journal-damaged"]
    assert (found.severity, found.fixable, found.fixed) == ("error", False, False)
    assert "byte" in found.what
    assert "doctor" not in found.next_step
    assert diagnosis.exit_code == 1
    assert world.directory.journal.read_bytes() == bytes(content)


def test_a_missing_blob_is_named(world: World) -> None:
    next(world.directory.blobs.iterdir()).unlink()
    assert "is missing" in _about(world)["content-damaged"].what


def test_an_owner_that_died_is_a_stale_lock_and_a_running_mission_without_runner(world: World) -> None:
    script = (
        "import os, sys; from pathlib import Path; from missions.store.layout import Store;"
        "from missions.store.lock import Owner; from missions.store.mission_log import MissionLog;"
        "MissionLog.acquire(Store(Path(sys.argv[1])), sys.argv[2], Owner(face='runner')); os._exit(9)"
    )
    world.start()
    subprocess.run([sys.executable, "-c", script, str(world.store.root), MISSION], check=False)
    found = _about(world)
    assert {"stale-lock", "runner-gone"} <= set(found)
    assert "runner" in found["stale-lock"].what
    assert MISSION in found["runner-gone"].next_step
    _about(world, fix=True)
    assert set(_about(world)) == {"runner-gone"}


def test_a_mission_that_is_owned_is_left_alone(world: World) -> None:
    world.start()
    with MissionLog.acquire(world.store, MISSION, WHO):
        world.directory.snapshot.write_text("{}")
        found = _about(world, fix=True)
        assert not any(f.fixed for f in found.values())
        assert "runner-gone" not in found
        assert world.directory.snapshot.read_text() == "{}"


def test_commands_that_still_run_without_a_runner_are_orphans_and_are_not_ended(world: World) -> None:
    run = world.directory.run(RUN)
    run.path.mkdir(parents=True)
    orphan = subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], "MISSIONS_SANDBOX": "mark-1"})
    try:
        record = {
            "runId": RUN, "role": "worker", "itemId": "F1", "milestoneId": "M1", "mode": None, "base": "0" * 40,
            "branch": None, "startedAt": "now", "model": "m", "supervisor": identify(orphan.pid, "mark-1").as_json(),
        }  # fmt: skip
        run.run_json.write_text(json.dumps(record))
        until(lambda: "orphan-process" in _about(world), 10)
        found = _about(world, fix=True)["orphan-process"]
        assert str(orphan.pid) in found.what
        assert orphan.poll() is None
    finally:
        orphan.kill()
        orphan.wait()
    assert _about(world) == {}


def test_edited_plan_files_are_a_proposal(world: World) -> None:
    with MissionLog.acquire(world.store, MISSION, WHO) as log:
        write_plan_files(world.directory, log.mission)
    (world.directory.plan / "objective.md").write_text("Something else.\n")
    found = _about(world)["plan-edited"]
    assert "plan/objective.md" in found.what
    assert not found.fixable


def test_others_are_kept_out_again(world: World) -> None:
    world.directory.path.chmod(0o755)
    world.directory.journal.chmod(0o644)
    assert _about(world)["permissions"].severity == "error"
    assert _about(world, fix=True)["permissions"].fixed
    assert world.directory.path.stat().st_mode & 0o777 == 0o700
    assert world.directory.journal.stat().st_mode & 0o777 == 0o600
    world.store.root.chmod(0o777)
    diagnosis = doctor(Store(world.store.root))
    assert (_of(diagnosis)["store-unusable"].fixable, diagnosis.exit_code) == (True, 1)
    assert _of(doctor(Store(world.store.root), fix=True))["store-unusable"].fixed
    assert world.store.root.stat().st_mode & 0o777 == 0o700


def test_what_a_dead_process_left_is_removed_when_it_is_old(world: World) -> None:
    half = world.store.root / ".new-mission-x-0123456789ab"
    half.mkdir()
    left = world.directory.path / ".mission.json.0123456789ab.tmp"
    left.write_text("{")
    assert not {"half-made", "temporary-files"} & set(_of(doctor(world.store, fix=True)))
    for path in (half, left):
        os.utime(path, (time.time() - 7200,) * 2)
    found = _of(doctor(world.store, fix=True))
    assert found["half-made"].fixed
    assert found["temporary-files"].fixed
    assert not half.exists()
    assert not left.exists()


def test_requests_without_an_owner_are_named(world: World) -> None:
    submit(world.directory, Request(op="pause", by=By(face="test")))
    assert "1 requests" in _about(world)["requests-waiting"].what


def test_a_directory_without_a_journal_is_named(world: World) -> None:
    stray = world.store.root / "mission-from-elsewhere"
    stray.mkdir()
    (stray / "mission.json").write_text("{}")
    assert "missions import" in _of(doctor(world.store))["no-journal"].next_step


def test_a_mission_of_a_newer_version_is_only_named(world: World) -> None:
    world.directory.snapshot.write_text(json.dumps({"schemaVersion": 99}))
    before = world.directory.journal.read_bytes()
    assert _about(world, fix=True)["schema-newer"].severity == "warning"
    assert world.directory.journal.read_bytes() == before


def test_missing_tools_are_named_with_what_to_install(world: World, tmp_path: Path) -> None:
    found = {f.id: f for f in look_at_machine(world.store, path=str(tmp_path))}
    assert {"git-missing", "bash-missing", "sandbox-missing"} <= set(found)
    assert found["git-missing"].severity == "error"


def test_an_old_git_is_refused(world: World, tmp_path: Path) -> None:
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\necho git version 2.20.1\n")
    program.chmod(0o755)
    found = {f.id: f for f in look_at_machine(world.store, path=f"{tmp_path}:{os.environ['PATH']}")}
    assert "2.20.1" in found["git-old"].what


def test_bad_settings_and_a_full_disk_are_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.store.settings.write_text('{"sandbox": {"mode": "sometimes"}}')
    monkeypatch.setenv("MISSIONS_DISK_FLOOR", str(2**60))
    found = {f.id: f for f in look_at_machine(world.store)}
    assert "sandbox.mode" in found["setting-ignored"].what
    assert found["disk-low"].severity == "error"
    world.store.settings.write_text("{")
    assert "file-unreadable" in _of(doctor(world.store))


def test_credentials_are_found_and_never_shown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    text = json.dumps(doctor(world.store).as_json())
    assert "ANTHROPIC_API_KEY" in text
    assert KEY not in text


def test_a_healthy_machine_and_store_exit_with_zero(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISSIONS_DISK_FLOOR", "0")
    diagnosis = doctor(world.store)
    assert diagnosis.exit_code == 0, [f.what for f in diagnosis.findings]
    assert {"versions", "git"} <= set(_of(diagnosis))


def test_a_store_that_is_not_there_is_said_and_not_made(tmp_path: Path) -> None:
    assert "store-new" in _of(doctor(Store(tmp_path / "none"), fix=True))
    assert not (tmp_path / "none").exists()


def test_an_unknown_mission_is_not_found(world: World) -> None:
    with pytest.raises(MissionError) as refused:
        doctor(world.store, mission="mission-unknown")
    assert refused.value.code == "not_found"


def test_an_abandoned_mission_is_no_illness(world: World) -> None:
    with MissionLog.acquire(world.store, MISSION, WHO) as log:
        log.record(ev.MissionAbandoned(reason="enough"))
    assert _about(world) == {}
