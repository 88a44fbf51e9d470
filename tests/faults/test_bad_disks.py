"""A disk that is full or broken at one kind of file, in the middle of a whole mission: it stops with a reason, and goes on
when the disk is well again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from missions.store.files import FAILPOINTS
from support.fault_forms import LONG, chance, size
from support.killed_runs import Demo
from support.runner_process import Nursery

_KINDS = (
    "journal",
    "snapshot",
    "blob",
    "transcript",
    "run",
    "plan",
    "packet",
    "report",
    "lock_info",
    "index",
)


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


def _places(fault: str) -> list[str]:
    """Every write, fsync and rename of each kind of file; in the short form one of them for each kind, half of the kinds for
    I/O errors."""
    rolls = chance(f"bad disks {fault}")
    kinds = _KINDS if LONG or fault == "enospc" else rolls.sample(_KINDS, 5)
    operations = ("create", "write", "fsync", "rename", "syncdir")
    by_kind = [[n for op in operations if (n := f"store.{kind}.{op}") in FAILPOINTS] for kind in kinds]
    return [name for names in by_kind for name in (names if LONG else [rolls.choice(names)])]


@pytest.mark.timeout(size(600, 3600))
@pytest.mark.parametrize("fault", ["enospc", "eio"])
def test_a_disk_that_is_full_at_any_kind_of_file_stops_with_a_reason_and_space_lets_it_go_on(
    tmp_path: Path, nursery: Nursery, fault: str
) -> None:
    demo = Demo(tmp_path)
    stops: list[str] = []
    for name in _places(fault):
        code = demo.run(nursery, MISSIONS_FAILPOINT=f"{name}:{fault}@2")
        demo.check_journal()
        mission = demo.mission
        if mission.status == "complete":
            break
        assert code in (1, 10, 11), (name, code, (tmp_path / "runner.log").read_text()[-1500:])
        if name.startswith("store.journal.") and mission.status == "running":
            # A journal that cannot be written cannot say why; the process does, and the next one goes on.
            last = (tmp_path / "runner.log").read_text().strip().splitlines()[-1]
            assert "event-log.jsonl" in last, last
            stops.append(f"{name}: {last}")
            demo.nothing_left()
            continue
        assert mission.pauseReason or mission.latestBlock, f"{name}: {mission.status} without a reason"
        stops.append(
            f"{name}: {mission.latestBlock.reasonCategory if mission.latestBlock else mission.pauseReason}"
        )
        demo.nothing_left()
        demo.resume()
    for _ in range(3):
        if demo.mission.status != "complete":
            demo.run(nursery)
    assert demo.mission.status == "complete", stops
    subjects = demo.result()[1]
    assert len(subjects) == len(set(subjects)), "a commit was made twice"
    print("\n".join(stops))
