"""Without a sandbox a command can reach the mission's records: that is noticed, never believed, and a human is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from missions.store.catalog import view_mission
from missions.store.records import encode
from support.liars import Ground, small_plan, work


def _bare(tmp_path: Path, features: tuple[str, ...] = ("F1",)) -> Ground:
    ground = Ground(tmp_path, small_plan(features))
    ground.settings = {"sandbox": {"mode": "none"}}
    ground.create()
    return ground


def _forged(ground: Ground) -> str:
    """A record that claims completion, right in every respect that can be known."""
    line = encode(40, 3, "2026-11-23T00:00:00.000Z", "mission_complete", {"commit": None})
    path = ground.root.parent / "forged"
    path.write_bytes(line)
    return str(path)


_DEEDS = {
    "appends a completion": "cat {forged} >> {journal}",
    "appends rubbish": "echo nonsense >> {journal}",
    "cuts the journal": "truncate -s 200 {journal}",
    "replaces the journal": "cp {journal} {journal}.new && mv {journal}.new {journal}",
    "changes a byte in the middle": "printf X | dd of={journal} bs=1 seek=300 conv=notrunc status=none",
    "removes the journal": "rm {journal}",
}


@pytest.mark.parametrize("deed", _DEEDS)
async def test_a_journal_changed_by_a_command_is_put_right_and_asked_about(deed: str, tmp_path: Path) -> None:
    ground = _bare(tmp_path)
    journal = ground.store.mission(ground.id).journal
    before = journal.read_bytes()
    command = _DEEDS[deed].format(journal=journal, forged=_forged(ground))
    result = await ground.run(
        ground.playbook(work("F1", ["work/F1.txt"], "mkdir -p work && echo 1 > work/F1.txt", command))
    )
    assert (ground.block, result.exit_code) == ("store_tampered", 12)
    assert ground.mission.status == "blocked"
    assert ground.mission.feature("F1").status != "complete"
    assert not ground.events("mission_complete")
    assert journal.read_bytes().startswith(before)
    assert list(journal.parent.glob("event-log.foreign-*"))
    assert [option.id for option in ground.mission.decisions[0].options] == ["retry", "skip", "abandon"]


async def test_an_artifact_changed_by_a_later_command_is_noticed(tmp_path: Path) -> None:
    ground = _bare(tmp_path, ("F1", "F2"))
    runs = ground.store.mission(ground.id).runs
    lie = f"echo lies > $(ls -d {runs}/*-worker-F1)/handoff.json && mkdir -p work && echo 2 > work/F2.txt"
    result = await ground.run(ground.playbook(work("F2", ["work/F2.txt"], lie)))
    assert (ground.block, result.exit_code) == ("store_tampered", 12)
    assert "handoff.json" in ground.message()
    assert ground.mission.feature("F2").status != "complete"


async def test_a_hand_edited_snapshot_is_no_input(tmp_path: Path) -> None:
    ground = _bare(tmp_path)
    snapshot = ground.store.mission(ground.id).snapshot
    edit = f'sed -i \'s/"status":"running"/"status":"complete"/\' {snapshot}'
    result = await ground.run(
        ground.playbook(
            work("F1", ["work/F1.txt"], edit, "mkdir -p work && echo 1 > work/F1.txt"),
            deviations={"M1": "fail"},
        )
    )
    assert (ground.block, result.exit_code) == ("validator_report_failed", 10)
    assert view_mission(ground.store, ground.id).status == "blocked"


async def test_git_configuration_and_hooks_changed_by_a_worker_stop_for_a_human(tmp_path: Path) -> None:
    ground = _bare(tmp_path)
    hook = "printf '#!/bin/sh\\ntouch pwned\\n' > .git/hooks/pre-push && chmod +x .git/hooks/pre-push && git config core.pager evil"
    result = await ground.run(
        ground.playbook(work("F1", ["work/F1.txt"], hook, "mkdir -p work && echo 1 > work/F1.txt"))
    )
    assert (ground.block, result.exit_code) == ("repository_changed", 12)
    assert "git configuration or hooks were changed" in ground.message()
    assert ground.mission.feature("F1").status != "complete"


async def test_an_honest_mission_without_a_sandbox_completes(tmp_path: Path) -> None:
    ground = _bare(tmp_path, ("F1", "F2"))
    assert (await ground.run()).exit_code == 0
