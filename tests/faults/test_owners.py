"""Runners that are stopped, replaced, or robbed of their lock file, and numbers of processes that really come again: one
process runs a mission, and whoever was replaced writes nothing any more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from missions.store.journal import JournalReader
from support.fault_forms import LONG
from support.killed_runs import Demo
from support.waiting import until

_SLOW = {"MISSIONS_DEMO_PACE": "1.5"}


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _at_work(demo: Demo) -> bool:
    return demo.mission.activeRun is not None


def _epochs(demo: Demo) -> list[int]:
    reader = JournalReader(demo.store.mission(demo.id))
    records = reader.read_new()
    assert reader.problems == []
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    return [record.epoch for record in records]


@pytest.mark.timeout(300)
def test_a_runner_that_was_stopped_keeps_its_mission_and_finishes_it(tmp_path: Path) -> None:
    demo = Demo(tmp_path)
    runner = demo.start(MISSIONS_DEMO_PACE="0.01")
    until(lambda: _at_work(demo), 60, "a unit at work")
    runner.send_signal(signal.SIGSTOP)
    until(lambda: _state(runner.pid) == "T", 20, "the stopped runner")
    other = demo.start()
    assert other.wait(timeout=60) not in (0, -signal.SIGKILL), "a second runner took a mission that is owned"
    runner.send_signal(signal.SIGCONT)
    assert runner.wait(timeout=120) == 0
    assert demo.mission.status == "complete"
    begun = [r for r in JournalReader(demo.store.mission(demo.id)).read_new() if r.type == "worker_started"]
    attempts = [(record.data["featureId"], record.data["attempt"]) for record in begun]
    assert len(attempts) == len(set(attempts)), "a unit was begun twice"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "stopped", [True, False] if LONG else [True], ids=lambda s: "stopped" if s else "at work"
)
def test_a_runner_whose_lock_file_was_deleted_is_replaced_and_writes_nothing_more(
    tmp_path: Path, stopped: bool
) -> None:
    demo = Demo(tmp_path)
    old = demo.start(**_SLOW)
    until(lambda: _at_work(demo), 60, "a unit at work")
    if stopped:
        old.send_signal(signal.SIGSTOP)
        until(lambda: _state(old.pid) == "T", 20, "the stopped runner")
    epoch = max(_epochs(demo))
    demo.store.mission(demo.id).lock.unlink()
    new = demo.start(MISSIONS_DEMO_PACE="0.02")
    until(lambda: max(_epochs(demo)) > epoch or new.poll() is not None, 90, "the next owner")
    if stopped:
        old.send_signal(signal.SIGCONT)
    assert old.wait(timeout=90) not in (0, 11), "the replaced runner believed that it had gone on"
    new.wait(timeout=180)
    for _ in range(3):
        if demo.mission.status != "complete":
            demo.resume() if demo.mission.status != "running" else None
            demo.run()
    # Epochs only grow: no record of the old owner stands behind one of the new.
    epochs = _epochs(demo)
    assert epochs == sorted(epochs)
    assert demo.mission.status == "complete", demo.mission.latestBlock
    subjects = demo.result()[1]
    assert len(subjects) == len(set(subjects)), "a commit was made twice"
    demo.nothing_left()


_REUSE = """
import os, signal, subprocess, sys, time
from pathlib import Path
from missions.model import events as ev
from missions.store.layout import Store
from missions.store.lock import Owner, holder, read_lock_info
from missions.store.mission_log import MissionLog
from missions.control.doctor import doctor
store, who = Store(Path(sys.argv[1])), Owner(face="test")
store.ensure()
name = "mission-20261123000000-abc123"
MissionLog.create(store, name, who, ev.MissionCreated(title="x", cwd="/")).release("made")
directory = store.mission(name)
child = os.fork()
if child == 0:
    MissionLog.acquire(store, name, who)
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(child, 0)
assert read_lock_info(directory).pid == child
# The kernel tells a process's start in ticks; the numbers of a whole namespace do not come round within one.
time.sleep(2 / os.sysconf("SC_CLK_TCK"))
for _ in range(2000):
    Path("/proc/sys/kernel/ns_last_pid").write_text(str(child - 1))
    other = subprocess.Popen(["sleep", "600"])
    if other.pid == child:
        break
    other.kill(); other.wait()
assert other.pid == child, "the number did not come again"
assert holder(directory) is None, "another process with the number is taken for the owner"
assert "stale-lock" in {f.id for f in doctor(store, mission=name).findings}
with MissionLog.acquire(store, name, who) as log:
    assert log.recovered is not None and log.recovered.died
assert other.poll() is None, "a process that only has the number was ended"
other.kill()
print("held")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has process numbers of its own to give")
def test_a_number_that_really_comes_again_belongs_to_another_process(tmp_path: Path) -> None:
    """In a process namespace of its own, where the next number can be chosen."""
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", _REUSE, str(tmp_path / "store")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if "unshare:" in done.stderr:
        pytest.skip(f"no process namespace here: {done.stderr.strip()}")
    assert done.stdout == "held\n", done.stderr[-2000:]
