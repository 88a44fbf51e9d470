"""Interrupting a run: by key, by another process, by force. Every way can be resumed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from missions.simulator import Simulator
from support.desk import Desk
from support.liars import small_plan
from support.waiting import until

RUN = ("--headless", "--yes", "--no-sandbox")


class Slow(Desk):
    """A desk whose service takes its time until :meth:`hurry`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        plan = small_plan(("F1", "F2"))
        self.simulator: Simulator = self.service(plan, pace=0.6)
        self.name = self.saved(plan)

    def hurry(self) -> None:
        self.simulator.pace = 0.0

    @property
    def rests(self) -> bool:
        return not self.control().runner_alive(self.name)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Slow]:
    desk = Slow(tmp_path)
    yield desk
    desk.simulator.stop()


def test_ctrl_c_pauses_after_a_checkpoint_and_the_run_goes_on_where_it_was(desk: Slow) -> None:
    process = desk.begin("run", desk.name, *RUN)
    try:
        until(lambda: desk.mission(desk.name).activeRun, 40)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        desk.end(process)
    assert process.returncode == 130, err
    assert "again to stop at once" in err
    assert "Traceback" not in out + err
    mission = desk.mission(desk.name)
    assert (mission.status, desk.rests) == ("paused", True)
    first = mission.activeRun
    assert first is not None
    desk.hurry()
    said = desk.missions("resume", desk.name, *RUN[:2])
    assert said.code == 0, said.out + said.err
    assert desk.mission(desk.name).all_features()[0].runId == first.runId


def test_ctrl_c_twice_stops_at_once_and_the_next_run_goes_on(desk: Slow) -> None:
    process = desk.begin("run", desk.name, *RUN)
    try:
        until(lambda: desk.mission(desk.name).activeRun, 40)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        desk.end(process)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert desk.rests
    desk.hurry()
    assert desk.missions("run", desk.name, *RUN).code == 0


def test_a_killed_run_goes_on_without_a_second_yes_and_watch_tells_its_end(desk: Slow) -> None:
    process = desk.begin("run", desk.name, *RUN)
    watcher = None
    try:
        until(lambda: desk.mission(desk.name).all_features()[0].status == "complete", 150)
        process.kill()
        process.wait(20)
        before = desk.mission(desk.name).all_features()[0].commit
        desk.hurry()
        # Nothing works on it at this moment, but something is about to.
        watcher = desk.begin("watch", desk.name, "--until-stopped")
        assert desk.missions("run", desk.name, "--headless").code == 0
        out, _ = watcher.communicate(timeout=60)
    finally:
        desk.end(process)
        if watcher is not None:
            desk.end(watcher)
    mission = desk.mission(desk.name)
    assert mission.all_features()[0].commit == before
    assert int(desk.user.git("rev-list", "--count", f"main..missions/{desk.name}")) == 2
    assert f"{desk.name} is complete." in out


def test_another_terminal_pauses_a_background_run_and_resumes_it(desk: Slow) -> None:
    started = desk.missions("run", desk.name, "--yes", "--no-sandbox", "--detach")
    assert (started.code, "runs in the background" in started.out) == (0, True), started.err
    until(lambda: desk.mission(desk.name).activeRun, 40)
    paused = desk.missions("pause", desk.name, "--now", "--json")
    assert paused.json["state"] in ("applied", "queued")
    until(lambda: desk.mission(desk.name).status == "paused" and desk.rests, 60)
    desk.hurry()
    assert desk.missions("resume", desk.name, "--yes", "--detach").code == 0
    assert desk.missions("watch", desk.name, "--until-stopped").code == 0
    assert desk.mission(desk.name).status == "complete"
