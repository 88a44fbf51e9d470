"""Many processes on one mission, two missions and the user in one checkout, clocks that jump, numbers of processes that
come again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from missions.control.control import Control
from missions.model.errors import MissionError
from missions.store.catalog import view_mission
from missions.store.journal import JournalReader
from missions.store.layout import Store
from missions.store.lock import ProcessIdentity
from support.desk import Desk
from support.engine import World, finished, plan_of, waiting_worker
from support.fault_forms import chance, size
from support.forked import Forked, Say

_COARSE = 5
"""``CLOCK_REALTIME_COARSE``: the kernel's clock, whatever Python is made to think."""
_WISHES = (
    ("pause", {}),
    ("cancel", {}),
    ("resume", {}),
    ("decide", {"answer": "red"}),
    ("steer", {"text": "x"}),
    ("comment", {"text": "why?"}),
    ("skip", {"feature": "F9", "reason": "x"}),
)


def _faces(desk: Desk, mission: str, seed: int, acts: int) -> Forked:
    """A process that asks for one thing after the other, as an impatient user does."""

    def work(say: Say) -> None:
        rolls = random.Random(seed)
        control = desk.control()
        for _ in range(acts):
            op, args = rolls.choice(_WISHES)
            try:
                if op == "decide":
                    reply = control.decide(mission, "red", resume=False)
                else:
                    reply = control.request(op, mission, args, wait=20)
                say(f"{reply.state} {reply.request}")
            except MissionError as error:
                say(f"error {error.code}")

    return Forked(work)


def test_twenty_processes_ask_for_everything_at_once_and_each_request_counts_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    mission = desk.saved()
    desk.asking(mission)
    crowd = [_faces(desk, mission, seed, size(5, 30)) for seed in range(20)]
    lines: list[str] = []
    for one in crowd:
        code, said = one.end()
        assert code == 0, said
        lines += said
    states = Counter(line.split()[0] for line in lines)
    codes = {line.split()[1] for line in lines if line.startswith("error")}
    assert codes <= {"wrong_state", "not_found", "conflict", "bad_argument", "locked"}, codes
    applied = [line.split()[1] for line in lines if line.startswith("applied")]
    assert len(applied) > 20, states
    reader = JournalReader(desk.store.mission(mission))
    records = reader.read_new()
    assert reader.problems == []
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    answered = Counter(
        r.data["requestId"] for r in records if r.type == "comment_added" and "requestId" in r.data
    )
    assert set(answered.values()) <= {1}
    decided = [r for r in records if r.type == "decision_answered"]
    assert len(decided) <= 1
    # Everybody sees the same.
    views = [desk.control().mission(mission) for _ in range(3)]
    assert all(view == views[0] for view in views)


def test_twenty_processes_that_start_one_mission_give_one_run_of_each_unit(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    plan = plan_of({"M1": ["F1"]})
    with contextlib.closing(_Service(desk, plan)):
        mission = desk.saved(plan)
        starters = [
            desk.begin("run", mission, "--yes", "--allow-dirty", "--no-sandbox", "--headless")
            for _ in range(size(6, 20))
        ]
        codes = []
        for starter in starters:
            starter.communicate(timeout=240)
            codes.append(starter.returncode)
    found = desk.mission(mission)
    assert found.status == "complete", codes
    assert [(run.kind, run.itemId) for run in found.runs] == [("worker", "F1"), ("validator", "M1")]
    journal = desk.journal(mission)
    assert journal.count("worker_started") == 1
    assert 0 in codes


class _Service:
    def __init__(self, desk: Desk, plan: dict[str, object]) -> None:
        self._simulator = desk.service(plan)

    def close(self) -> None:
        self._simulator.stop()


async def test_two_missions_and_the_users_commits_in_one_checkout_do_not_mix(tmp_path: Path) -> None:
    first = World(tmp_path, plan_of({"M1": ["F1"]}))
    with first.serving(first.playbook(waiting_worker("F1"))) as base_url:
        task = asyncio.create_task(first.runner(base_url).run())
        await first.reached()
        control = Control(first.store, face="test", user="tester", environment=dict(os.environ))
        second = control.new_from_plan(plan_of({"M1": ["F2"]}), first.root).mission
        with pytest.raises(MissionError) as refused:
            # A mission in the same checkout waits its turn; nothing of it is begun.
            control.start(
                second, accept=("plan", "dirty", "network", "no-sandbox"), host="here", credentials=None
            )
            await control.runner(second).run()
        assert refused.value.code in ("locked", "confirmation_needed", "no_credentials", "credentials")
        branch = first.git("branch", "--show-current")
        first.user.write("mine.txt", "by the user\n")
        first.git("add", "mine.txt")
        first.git(
            "-c", "user.name=U", "-c", "user.email=u@example.org", "commit", "-q", "-m", "the user's own"
        )
        mine = first.git("rev-parse", "HEAD")
        first.let_go()
        result = await finished(task)
    assert first.git("branch", "--show-current") == branch
    assert mine in first.git("log", "--format=%H").split(), "the user's commit was taken away"
    assert (first.root / "mine.txt").read_text() == "by the user\n"
    assert (result.exit_code, first.category) == (12, "repository_changed")
    assert not view_mission(first.store, second).runs  # type: ignore[union-attr]


@pytest.mark.parametrize("days", [-3, 3])
async def test_a_clock_that_jumps_changes_no_duration_and_no_owner(tmp_path: Path, days: int) -> None:
    """The journal's times come from the wall clock; what decides comes from the monotonic one."""
    world = World(tmp_path, plan_of({"M1": ["F1"]}, budget={"usd": 50, "runs": 60, "wallMinutes": 60}))
    # The times of everybody in this process, as Python asks for them; files keep getting theirs from the kernel, so the
    # clock is right again before the run changes any.
    with (
        time_machine.travel(datetime.now(UTC), tick=True) as clock,
        world.serving(world.playbook(waiting_worker("F1"))) as base_url,
    ):
        task = asyncio.create_task(world.runner(base_url).run())
        await world.reached()
        real = time.clock_gettime(_COARSE)
        clock.shift(timedelta(days=days))
        assert abs(time.time() - real) > 86_400
        _shift(world.store, world.id, timedelta(days=days))
        control = Control(world.store, face="test", user="tester", environment={})
        assert control.runner_alive(world.id)
        assert control.status_text(world.id)
        with pytest.raises(MissionError) as held:
            world.request("pause")
        assert held.value.code == "locked"
        # What is recorded while the clock is wrong: the owner looks into its inbox.
        for wish in ("pause", "resume"):
            reply = await asyncio.to_thread(control.request, wish, world.id, {}, wait=20)
            assert reply.state == "applied"
        clock.shift(timedelta(days=-days))
        world.let_go()
        result = await finished(task)
    assert result.exit_code == 0
    moments = [datetime.fromisoformat(record["ts"]) for record in world.events()]
    assert max(moments) - min(moments) > timedelta(days=2), "nothing was recorded while the clock was wrong"
    assert all((run.durationMs or 0) < 3_600_000 for run in world.mission.runs)


def _shift(store: Store, mission: str, by: timedelta) -> None:
    """Every file of the mission gets the time of another day, as after a clock that was set."""
    moment = (datetime.now(UTC) + by).timestamp()
    for path in store.mission(mission).path.rglob("*"):
        with contextlib.suppress(OSError):
            os.utime(path, (moment, moment), follow_symlinks=False)
    assert abs(store.mission(mission).journal.stat().st_mtime - time.time()) > 86_400


def test_a_number_of_a_process_that_comes_again_is_another_process() -> None:
    """Forks until the kernel gives a number of a dead process again would take long; the start time tells them apart."""
    rolls = chance("pids")
    me = ProcessIdentity.own()
    assert me.alive()
    for _ in range(50):
        other = me.model_copy(update={"startTicks": (me.startTicks or 0) + rolls.randint(1, 10**6)})
        assert other.alive() is False
    assert me.model_copy(update={"bootId": "another-boot"}).alive() is False
