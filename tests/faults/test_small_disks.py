"""A whole mission on a small file system of its own that really runs full: of bytes, of names, of open files.

Journal, snapshots, blobs, conversations, reports, git's objects and the work tree all lie there, so each of them meets the end of
the space in turn.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from missions.model.mission import Mission
from support.fault_forms import SEED, chance, size
from support.killed_runs import Demo
from support.runner_process import Nursery

_ROUNDS = size(4, 20)
"""How often the disk runs full, each time at another place."""
_NO_FLOOR = {"MISSIONS_DISK_FLOOR": "0"}
"""Without the look at free space before the start, which would refuse instead of running into the end of the space."""


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@contextlib.contextmanager
def _mounted(place: Path, options: str) -> Generator[Path]:
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"mode=0700,{options}", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount; tests/faults/test_bad_disks.py fills the disk by fail points")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _stands_with_a_reason(demo: Demo, code: int, categories: set[str]) -> str:
    """How the mission stands after a run that met the end of the space; empty when it is complete."""
    demo.check_journal()
    demo.nothing_left()
    mission = demo.mission
    # A conversation that could not take its first line is empty; everything else is whole or not there.
    whole = [*demo.store.root.rglob("*.json"), *demo.store.root.rglob("event-log*.jsonl")]
    assert [path.name for path in whole if path.is_file() and not path.stat().st_size] == []
    if mission.status == "complete":
        return ""
    log = demo.log.read_text()[-1500:]
    if mission.status == "running":
        # Not even the pause could be written: the runner says so and leaves the mission to be gone on with.
        assert code != 0, log
        return "unwritten"
    assert mission.latestBlock is not None, f"{mission.status} without a reason; {log}"
    assert mission.latestBlock.reasonCategory in categories, (mission.latestBlock, log)
    return mission.latestBlock.reasonCategory


def _until_complete(
    demo: Demo, nursery: Nursery, spoil: Callable[[], None], mend: Callable[[], None]
) -> list[str]:
    """Run the mission again and again on a spoiled file system, then once more on a mended one."""
    stops: list[str] = []
    for _ in range(_ROUNDS):
        spoil()
        code = demo.run(nursery, **_NO_FLOOR)
        mend()
        how = _stands_with_a_reason(demo, code, {"disk_full"})
        if not how:
            break
        stops.append(how)
        if demo.mission.status != "running":
            demo.resume()
    for _ in range(3):
        if demo.mission.status != "complete":
            demo.run(nursery, **_NO_FLOOR)
    mission = demo.mission
    assert isinstance(mission, Mission)
    assert mission.status == "complete", f"seed {SEED}: {mission.latestBlock}; {stops}"
    subjects = demo.result()[1]
    assert len(subjects) == len(set(subjects)), "a commit was made twice"
    assert demo.git("fsck", "--strict", "--no-dangling") == ""
    return stops


@pytest.mark.timeout(size(600, 3600))
def test_a_disk_that_really_runs_full_at_any_place_pauses_with_that_reason_and_space_lets_it_go_on(
    tmp_path: Path, nursery: Nursery
) -> None:
    rolls = chance("small disks")
    with _mounted(tmp_path / "disk", "size=32m") as disk:
        demo = _demo(disk, tmp_path)
        ballast = disk / "ballast"

        def fill() -> None:
            free = shutil.disk_usage(disk).free
            ballast.write_bytes(
                bytes(max(0, free - rolls.choice((0, 8_000, 40_000, 120_000, 300_000, 600_000))))
            )

        stops = _until_complete(demo, nursery, fill, ballast.unlink)
    assert len(stops) >= 2, stops
    print(f"{len(stops)} times full: {stops}")


@pytest.mark.timeout(size(600, 3600))
def test_a_file_system_without_names_left_pauses_with_that_reason(tmp_path: Path, nursery: Nursery) -> None:
    rolls = chance("no names")
    with _mounted(tmp_path / "disk", "size=64m,nr_inodes=6000") as disk:
        demo = _demo(disk, tmp_path)
        heap = disk / "heap"

        def fill() -> None:
            heap.mkdir()
            left = rolls.choice((0, 2, 10, 40, 100))
            with contextlib.suppress(OSError):
                for number in range(6000):
                    (heap / str(number)).touch()
            for number, path in enumerate(heap.iterdir()):
                if number < left:
                    path.unlink()

        stops = _until_complete(demo, nursery, fill, lambda: shutil.rmtree(heap))
    assert len(stops) >= 2, stops
    print(f"{len(stops)} times without names: {stops}")


def _demo(disk: Path, tmp_path: Path) -> Demo:
    """The demonstration on the small disk; what its runner says lies outside, where it can always be written."""
    demo = Demo(disk / "mission")
    demo.log = tmp_path / "runner.log"
    return demo
