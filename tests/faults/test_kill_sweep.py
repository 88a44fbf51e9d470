"""A whole mission is killed before each operation that it performs, kills inside recovery included.

Each run is killed at the first operation whose kill is still missing, whichever comes; so every fail point that a
mission passes, also those of recovery only, gets its kill, and the sweep ends when a run meets none any more.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.durable_operations import operations, registered
from support.fault_forms import LONG, SEED, chance, size
from support.killed_runs import Demo
from support.runner_process import Nursery

_ROUNDS = (1, 2, 4, 7, 12, 3, 20, 5, 9, 6) if LONG else (1,)
"""At which of its hits an operation is killed, one mission for each."""
_NESTED = size(6, 2)
"""After every so many kills the next run is killed wherever it is then, mostly inside its recovery."""
_KILLS = size(60, 500)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


class Sweep:
    """One mission that is killed again and again."""

    def __init__(self, folder: Path, nursery: Nursery, hit: int, rare: frozenset[str] = frozenset()) -> None:
        folder.mkdir()
        self.demo = Demo(folder)
        self.nursery = nursery
        self.missing = dict.fromkeys(registered(), hit)
        self.rare = rare
        self.killed: list[str] = []
        self.passed: Counter[str] = Counter()
        self.chance = chance(f"sweep {hit}")

    def run(self, rules: str) -> str | None:
        """Run the mission until a rule kills it; where, or None when it ended by itself."""
        trace = self.demo.folder / "trace"
        trace.unlink(missing_ok=True)
        log = self.demo.folder / "runner.log"
        code = self.demo.run(self.nursery, MISSIONS_FAILPOINT=rules, MISSIONS_FAILPOINT_TRACE=str(trace))
        names = trace.read_text().split()
        self.passed.update(names)
        self.demo.check_journal()
        assert code in (0, -signal.SIGKILL), (code, names[-3:], log.read_text()[-2000:], self.killed[-3:])
        # What the dead runner started goes with it, without the next one's help.
        self.demo.nothing_left()
        return names[-1] if code else None

    def sweep(self) -> None:
        """Kill it until it meets no operation any more whose kill is missing."""
        while name := self.run(self.rules(set(self.missing))):
            self.note(name)
            if len(self.killed) % _NESTED == 0:
                self.kill_inside_recovery()
            if len(self.killed) % 10 == 3:
                self.tear()

    def kill_inside_recovery(self) -> None:
        """Up to three deep; what a mission does only once or twice must not go by meanwhile."""
        for _ in range(self.chance.randint(1, 3)):
            anywhere = f"*:kill@{self.chance.randint(2, 60)}"
            name = self.run(",".join(filter(None, (anywhere, self.rules(set(self.rare))))))
            if name is None:
                return
            self.note(name)

    def rules(self, names: set[str]) -> str:
        return ",".join(f"{name}:kill@{hit}" for name, hit in self.missing.items() if name in names)

    def note(self, name: str) -> None:
        self.killed.append(name)
        self.missing.pop(name, None)

    def tear(self) -> None:
        """Leave half a record at the end, as a power cut within a write does."""
        with self.demo.store.mission(self.demo.id).journal.open("ab") as journal:
            journal.write(b'{"seq":99999,"epoch":1,"ts":"20')


@pytest.mark.timeout(size(900, 7200))
def test_a_mission_killed_at_every_operation_it_performs_ends_like_one_that_was_left_alone(
    tmp_path: Path, nursery: Nursery
) -> None:
    alone = Sweep(tmp_path / "alone", nursery, 1)
    assert alone.run("") is None
    rare = frozenset(name for name, times in alone.passed.items() if times <= 2)
    killed: list[str] = []
    for hit in _ROUNDS:
        sweep = Sweep(tmp_path / f"at-hit-{hit}", nursery, hit, rare)
        sweep.sweep()
        killed += sweep.killed
        assert sweep.demo.mission.status == "complete"
        assert sweep.demo.result() == alone.demo.result(), f"seed {SEED}, killed at {sweep.killed}"
        assert sweep.demo.git("fsck", "--strict", "--no-dangling") == ""
        if hit == 1:
            without = {*sweep.passed, *alone.passed} - set(sweep.killed)
            assert not without, f"a mission passes these fail points, and none was killed there: {without}"
    assert len(killed) >= _KILLS
    print(f"{len(killed)} kills at {len(set(killed))} fail points")


def test_a_file_that_a_killed_tool_had_half_written_is_gone_before_the_run_goes_on(
    tmp_path: Path, nursery: Nursery
) -> None:
    demo = Demo(tmp_path)
    assert demo.run(nursery, MISSIONS_FAILPOINT="tools.rename:kill@3") == -signal.SIGKILL
    assert [*demo.repository.rglob(".*.tmp")], "nothing half written was left"
    assert demo.run(nursery) == 0, demo.log.read_text()[-1500:]
    assert [*demo.repository.rglob(".*.tmp")] == []
    assert demo.mission.status == "complete"


_QUIET = {
    "agent.sandbox.protection": "puts back what a command did to protected names; repeated at every start of a sandbox",
    "agent.sandbox.session": "pipes of the sandbox helper, nothing on the disk",
    "agent.sandbox.supervisor": "runs inside the sandbox and dies with it",
    "agent.tools.workspace": "folders above a file whose own steps announce themselves; the full text of a long output, for "
    "reading again: the result is in the transcript",
    "repo.clone": "builds a clone beside its place; a half-made one is removed and made anew",
    "repo.commits": "a private index that is made anew for every commit",
    "repo.history": "only in `missions restore`, which can be repeated",
    "repo.restore": "empty folders after the removal of their files, which announces itself",
    "runner.child": "the lease of a finished run, information only",
    "runner.host_process": "hands the key over through a pipe",
    "runner.workplace": "lock files of a dead sandbox, repeated at the next start",
    "store.bundle": "an export under a temporary name, which its rename announces",
    "store.files": "the wake file, and temporary files of dead processes",
}
"""Modules with operations that do not announce themselves, and why a kill there needs no place of its own."""


def test_every_operation_on_the_disk_announces_itself_or_says_why_not() -> None:
    found = operations()
    assert len(found) > 40
    silent = {operation for operation in found if not operation.announced}
    assert {operation.module for operation in silent} == set(_QUIET)
