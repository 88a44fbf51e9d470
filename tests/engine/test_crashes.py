"""The runner is killed anywhere, and running again finishes the mission as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.killed_runs import Demo
from support.runner_process import Nursery

_KILLS = int(os.environ.get("MISSIONS_TEST_KILLS", "30"))
_SEED = int(os.environ.get("MISSIONS_TEST_SEED", "20261123"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[str]]:
    """How the demonstration ends when nobody disturbs it."""
    demo = Demo(tmp_path_factory.mktemp("undisturbed"))
    assert demo.run() == 0
    return demo.result()


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path)
    yield demo
    demo.nothing_left()


def _finish(demo: Demo) -> None:
    assert demo.run() == 0, (demo.folder / "runner.log").read_text()[-2000:]
    demo.check_journal()
    assert demo.mission.status == "complete"


def test_a_mission_killed_thirty_times_ends_like_one_that_was_left_alone(
    demo: Demo, nursery: Nursery, undisturbed: tuple[str, list[str]]
) -> None:
    chance = random.Random(_SEED)
    for number in range(_KILLS):
        # Each step is a write, an fsync, a rename, a lock or a git call of the engine; a few kills come from outside instead.
        step = chance.randint(20, 110)
        if number % 6 == 5:
            _kill_from_outside(demo, chance.uniform(0.8, 1.6))
        else:
            code = demo.run(nursery, MISSIONS_FAILPOINT=f"*:kill@{step}")
            assert code == -signal.SIGKILL, (
                f"kill {number} of seed {_SEED} came too late: it ended with {code}"
            )
        demo.check_journal()
    _finish(demo)
    assert demo.result() == undisturbed


def _kill_from_outside(demo: Demo, after: float) -> None:
    process = demo.start()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=after)
    demo.kill(process)
    # The sandbox and everything in it go with the runner, without the next one's help.
    demo.nothing_left()


_PLACES = {
    "in prepare, before the branch is made": "repo.git.update-ref:kill@1",
    "in prepare, at the switch to the branch": "repo.git.symbolic-ref:kill@1",
    "in the snapshot before the baseline, at its objects": "repo.git.pack-objects:kill@1",
    "in the snapshot before the baseline, at its commit": "repo.git.fast-import:kill@1",
    "in the snapshot of a unit": "repo.git.fast-import:kill@2",
    "between the snapshot and the start event": "store.run.rename:kill@1",
    "between the accepted submission and its files": "store.run.create:kill@3",
    "between the handoff's files and its event": "store.blob.create:kill@1",
    "between a validator's report and its event": "store.blob.create:kill@3",
    "in the packet": "store.packet.rename:kill@1",
    "between the packet and its event": "store.packet.create:kill@2",
    "in the plan that a recovery revised": "store.plan.rename:kill@1",
}


def test_kills_at_tender_places_are_made_good(
    demo: Demo, nursery: Nursery, undisturbed: tuple[str, list[str]]
) -> None:
    late = [place for place, rule in _PLACES.items() if not _killed(demo, nursery, rule)]
    assert not late, f"these places were never reached: {late}"
    _finish(demo)
    assert demo.result() == undisturbed


def _killed(demo: Demo, nursery: Nursery, rule: str) -> bool:
    code = demo.run(nursery, MISSIONS_FAILPOINT=rule)
    demo.check_journal()
    return code == -signal.SIGKILL
