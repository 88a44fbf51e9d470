"""Where things lie, and which places are refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from missions.model.errors import MissionError
from missions.store.layout import Store
from missions.store.safety import check_root, file_system
from support.missions_on_disk import MISSION, new_mission, new_store

MOUNTS = """\
21 1 254:0 / / rw,relatime - ext4 /dev/root rw
30 21 0:28 / {root} rw - {kind} server:/export rw
31 21 0:29 / /somewhere\\040else rw - tmpfs tmpfs rw
"""


def test_the_root_is_made_private_and_accepted_again(tmp_path: Path):
    store = Store(tmp_path / "a" / "home")
    store.ensure()
    assert stat.S_IMODE(store.root.stat().st_mode) == 0o700
    Store(store.root).ensure()


def test_a_root_that_others_can_enter_is_refused_with_the_remedy(tmp_path: Path):
    root = tmp_path / "home"
    root.mkdir()
    root.chmod(0o755)
    with pytest.raises(MissionError) as refused:
        Store(root).ensure()
    assert refused.value.code == "store_unusable" and f"chmod 700 {root}" in refused.value.next_step


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_a_root_of_another_user_or_behind_a_foreign_link_is_refused(tmp_path: Path):
    root = tmp_path / "home"
    root.mkdir(mode=0o700)
    os.chown(root, 12345, -1)
    with pytest.raises(MissionError) as refused:
        Store(root).ensure()
    assert "another user" in refused.value.message
    os.chown(root, 0, -1)
    link = tmp_path / "link"
    link.symlink_to(root)
    Store(link).ensure()
    os.chown(link, 12345, -1, follow_symlinks=False)
    with pytest.raises(MissionError) as refused:
        Store(link).ensure()
    assert "link" in refused.value.message


def test_a_file_in_place_of_the_root_is_refused(tmp_path: Path):
    (tmp_path / "home").write_text("x")
    with pytest.raises(MissionError) as refused:
        Store(tmp_path / "home").ensure()
    assert refused.value.code == "store_unusable"


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse", "virtiofs"])
def test_a_file_system_without_reliable_locks_is_refused(tmp_path: Path, kind: str):
    root = tmp_path / "home"
    root.mkdir(mode=0o700)
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS.format(root=root, kind=kind))
    with pytest.raises(MissionError) as refused:
        check_root(root, table)
    assert refused.value.code == "store_unusable" and kind in refused.value.message


@pytest.mark.parametrize("kind", ["ext4", "tmpfs", "overlay", "btrfs", "xfs", "apfs", "something-new"])
def test_a_local_or_unknown_file_system_is_fine(tmp_path: Path, kind: str):
    root = tmp_path / "home"
    root.mkdir(mode=0o700)
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS.format(root=root, kind=kind))
    check_root(root, table)
    assert file_system(Path("/somewhere else/deeper"), table) == "tmpfs"
    check_root(root, tmp_path / "no-such-table")


@pytest.mark.parametrize(
    "hostile",
    [
        "..",
        "../x",
        "mission-../../etc",
        "mission-a/b",
        "mission-",
        "MISSION-A",
        "mission-a\n",
        "",
        "mission-" + "a" * 57,
    ],
)
def test_an_id_that_is_no_mission_id_never_becomes_a_path(tmp_path: Path, hostile: str):
    with pytest.raises(MissionError) as refused:
        Store(tmp_path).mission(hostile)
    assert refused.value.code == "bad_argument"
    with pytest.raises(MissionError):
        Store(tmp_path).mission(MISSION).run(hostile)


def test_only_directories_with_a_journal_are_missions(tmp_path: Path):
    store = new_store(tmp_path)
    assert Store(tmp_path / "nowhere").mission_ids() == []
    new_mission(store)
    (store.root / "mission-empty").mkdir()
    (store.root / "mission-file").write_text("x")
    (store.root / "mission-link").symlink_to(store.root / MISSION)
    (store.root / "other").mkdir()
    assert store.mission_ids() == [MISSION]


def test_the_names_are_those_of_the_artifact_contract(tmp_path: Path):
    mission = Store(tmp_path).mission(MISSION)
    run = mission.run("1700000000000-worker-f1")
    names = {path.relative_to(mission.path).as_posix() for path in (
        mission.journal, mission.snapshot, mission.lock, mission.lock_info, mission.packets,
        mission.chat_transcript, mission.orchestrator_transcript, mission.report, mission.segment(2),
        run.transcript, run.stderr, run.handoff, run.handoff_text, run.report("scrutiny"), run.report("user-testing"),
        run.run_json, run.evidence, run.output,
    )}  # fmt: skip
    there = "runs/1700000000000-worker-f1"
    assert names == {
        "event-log.jsonl", "mission.json", "runner.lock", "runner-lock.json", "recovery-packets",
        "chat/transcript.jsonl", "orchestrator/transcript.jsonl", "report.md", "event-log.2.jsonl",
        f"{there}/transcript.jsonl", f"{there}/stderr.txt", f"{there}/handoff.json", f"{there}/handoff.md",
        f"{there}/validation-report.json", f"{there}/user-testing-report.json",
        f"{there}/run.json", f"{there}/evidence", f"{there}/output",
    }  # fmt: skip


def test_the_home_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MISSIONS_HOME", str(tmp_path / "x"))
    assert Store.default().root == tmp_path / "x"
    monkeypatch.delenv("MISSIONS_HOME")
    assert Store.default().root == Path.home() / ".missions"
