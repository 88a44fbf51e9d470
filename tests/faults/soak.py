"""Missions under random faults for as long as asked: ``python tests/faults/soak.py --minutes 30`` (``make soak``).

Demonstration missions run one after the other in two lanes; every 30 to 90 seconds something happens to one of them: kills at
any operation, stops, a full disk, I/O errors, a torn journal, a spoiled snapshot, requests of impatient users. At the end
every mission must be complete or paused with a reason, and descriptors, memory and processes of this process must be as
at the beginning. It kills only processes that it started. A short pause between faults (``--every``) is for trying it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil

from missions.control.control import Control
from missions.model.errors import MissionError
from missions.model.mission import Mission
from missions.store.catalog import view_mission
from support.killed_runs import Demo

FAULTS = ("kill", "stop", "enospc", "eio", "raise", "torn", "snapshot", "pause", "cancel", "crowd", "term")
_INJECTED = {"enospc", "eio", "raise"}


@dataclass
class Lane:
    """One mission after the other, and what happened to the present one."""

    number: int
    folder: Path
    rolls: random.Random
    pace: str
    demo: Demo | None = None
    process: subprocess.Popen[bytes] | None = None
    faults: Counter[str] = field(default_factory=Counter[str])
    ended: Counter[str] = field(default_factory=Counter[str])
    problems: list[str] = field(default_factory=list[str])
    count: int = 0
    injected: str = ""

    def tend(self) -> None:
        """See what became of the runner; start it again, or the next mission."""
        if self.process is not None and self.demo is not None and self.process.poll() is not None:
            self.look()
        if self.demo is None:
            self.count += 1
            place = self.folder / f"{self.number}-{self.count}"
            place.mkdir()
            self.demo = Demo(place, pace=self.pace)
        if self.process is None:
            self.process = self.demo.start(**self.rule())

    def look(self) -> None:
        """What the runner that ended left."""
        assert self.demo is not None
        self.process = None
        self.demo.check_journal()
        found = view_mission(self.demo.store, self.demo.id)
        if not isinstance(found, Mission):
            self.problems.append(f"{self.demo.id} cannot be read: {found.problem}")
            self.close("damaged")
        elif found.status == "complete":
            self.close("complete")
        else:
            self.encourage(found)

    def rule(self) -> dict[str, str]:
        kind, self.injected = self.injected, ""
        return {"MISSIONS_FAILPOINT": f"*:{kind}@{self.rolls.randint(40, 900)}"} if kind else {}

    def encourage(self, mission: Mission) -> None:
        """What a user does who finds a mission that stands: go on; a stop without a reason is a mistake."""
        assert self.demo is not None
        if mission.status in ("paused", "blocked") and not (
            mission.pauseReason or mission.latestBlock or mission.decisions
        ):
            self.problems.append(f"{mission.id} is {mission.status} without a reason")
        if mission.status in ("paused", "blocked"):
            control = Control(self.demo.store, face="soak", environment=dict(os.environ))
            for decision in mission.decisions:
                try:
                    control.decide(mission.id, decision.options[0].id, decision.id, resume=False)
                except MissionError as error:
                    print(f"  decide: {error.code}")
            reply = control.request("resume", mission.id, {})
            if reply.state == "refused":
                print(f"  resume: {reply.error}")

    def strike(self) -> str:
        """Let one random fault happen to this mission."""
        assert self.demo is not None
        kind = self.rolls.choice(FAULTS)
        self.faults[kind] += 1
        running = self.process is not None and self.process.poll() is None
        if kind in ("kill", "term", *_INJECTED, "torn", "snapshot") and running:
            assert self.process is not None
            self.process.send_signal(signal.SIGTERM if kind == "term" else signal.SIGKILL)
            self.process.wait(60)
        if kind in _INJECTED:
            self.injected = kind
        elif kind == "stop" and running:
            assert self.process is not None
            self.process.send_signal(signal.SIGSTOP)
            time.sleep(self.rolls.uniform(1, 5))
            self.process.send_signal(signal.SIGCONT)
        elif kind == "torn":
            with self.demo.store.mission(self.demo.id).journal.open("ab") as out:
                out.write(b'{"seq":12345,"epo')
        elif kind == "snapshot":
            self.demo.store.mission(self.demo.id).snapshot.write_bytes(self.rolls.randbytes(300))
        elif kind in ("pause", "cancel", "crowd"):
            self.ask(("pause", "cancel", "resume", "steer") if kind == "crowd" else (kind,))
        return kind

    def ask(self, operations: tuple[str, ...]) -> None:
        assert self.demo is not None
        control = Control(self.demo.store, face="soak", environment=dict(os.environ))
        for op in operations:
            try:
                control.request(op, self.demo.id, {"text": "faster"} if op == "steer" else {}, wait=5)
            except MissionError as error:
                if error.code in ("internal", "store_corrupt"):
                    self.problems.append(f"{op}: {error}")

    def close(self, how: str) -> None:
        assert self.demo is not None
        self.ended[how] += 1
        self.demo.nothing_left()
        if how == "complete":
            subjects = self.demo.result()[1]
            if len(subjects) != len(set(subjects)):
                self.problems.append(f"{self.demo.id} has a commit twice: {subjects}")
            shutil.rmtree(self.demo.folder)
        self.demo = None

    def finish(self) -> None:
        """The end of the soak: the mission that runs may end within some minutes, without faults."""
        end = time.monotonic() + 300
        self.injected = ""
        while self.demo is not None and time.monotonic() < end:
            if self.process is None:
                self.process = self.demo.start()
            try:
                self.process.wait(120)
            except subprocess.TimeoutExpired:
                self.problems.append(f"{self.demo.id} does not end")
                self.process.kill()
                self.process.wait()
                return
            self.look()
        if self.demo is not None:
            self.problems.append(f"{self.demo.id} is neither complete nor paused with a reason")


def _figures() -> dict[str, int]:
    me = psutil.Process()
    return {
        "descriptors": me.num_fds(),
        "kilobytes": me.memory_info().rss // 1024,
        "processes": len(me.children(True)),
    }


def main() -> int:
    """Soak; 0 if everything held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--every", type=float, nargs=2, default=(30.0, 90.0), metavar="SECONDS")
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=20261123)
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="missions-soak-"))
    lanes = [Lane(n, folder, random.Random(f"{chosen.seed} {n}"), "0.02") for n in range(chosen.lanes)]
    rolls = random.Random(chosen.seed)
    begun, first = time.monotonic(), None
    strike_at = begun + rolls.uniform(*chosen.every)
    while time.monotonic() - begun < chosen.minutes * 60:
        for lane in lanes:
            lane.tend()
        if first is None and time.monotonic() - begun > 10:
            first = _figures()
        if time.monotonic() > strike_at:
            lane = rolls.choice(lanes)
            lane.tend()
            print(f"{time.monotonic() - begun:6.0f} s  lane {lane.number}  {lane.strike()}", flush=True)
            strike_at = time.monotonic() + rolls.uniform(*chosen.every)
        time.sleep(0.2)
    for lane in lanes:
        lane.finish()
    last = _figures()
    problems = [problem for lane in lanes for problem in lane.problems]
    first = first or last
    if last["descriptors"] > first["descriptors"] + 4:
        problems.append(f"descriptors grew from {first['descriptors']} to {last['descriptors']}")
    if last["kilobytes"] > first["kilobytes"] * 1.25 + 10_000:
        problems.append(f"memory grew from {first['kilobytes']} to {last['kilobytes']} KB")
    if last["processes"]:
        problems.append(f"{last['processes']} processes are left")
    print(
        json.dumps(
            {
                "minutes": round((time.monotonic() - begun) / 60, 1),
                "faults": dict(sum((lane.faults for lane in lanes), Counter[str]())),
                "missions": dict(sum((lane.ended for lane in lanes), Counter[str]())),
                "first": first,
                "last": last,
                "problems": problems,
            },
            indent=2,
        )
    )
    if not problems:
        shutil.rmtree(folder)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
