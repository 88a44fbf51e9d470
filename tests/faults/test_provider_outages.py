"""The service is gone for minutes, says nonsense, or is shared by ten missions at once: waited for, never stormed, nothing lost and
nothing half done."""

from __future__ import annotations

import asyncio
import selectors
import time
from pathlib import Path
from typing import Any

import pytest

from missions.simulator import Simulator
from support.engine import World, plan_of
from support.fault_forms import size
from support.waiting import until_async


class Clock:
    """The monotonic clock of this process, which can be made to run faster while nothing but waiting goes on."""

    def __init__(self) -> None:
        self._real = time.monotonic
        self._speed, self._from, self._at = 1.0, self._real(), self._real()

    def __call__(self) -> float:
        return self._at + (self._real() - self._from) * self._speed

    def run(self, speed: float) -> None:
        self._at, self._from = self(), self._real()
        self._speed = speed

    def selector(self) -> selectors.BaseSelector:
        """What an event loop sleeps in: as much shorter as the clock is faster."""
        clock = self

        class Quick(selectors.DefaultSelector):
            def select(self, timeout: float | None = None) -> Any:
                return super().select(timeout / clock._speed if timeout else timeout)

        return Quick()


def test_an_outage_of_five_minutes_is_waited_for_with_few_requests_and_leaves_no_trace_in_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five minutes of the monotonic clock, which runs a hundred times as fast while the service is away."""
    clock = Clock()
    world = World(tmp_path, plan_of({"M1": ["F1"]}))

    async def scene() -> tuple[Any, int]:
        with world.serving() as base_url:
            simulator = world.simulator
            assert simulator is not None
            away = simulator.faults
            away.add("status", when={"role": "worker", "turn": 2}, times=None, status=529)
            task = asyncio.create_task(world.runner(base_url).run())
            await until_async(lambda: _refused(world) > 0, 60, "the outage")
            clock.run(100)
            await asyncio.sleep(300)
            asked, before = _refused(world), len(simulator.exchanges)
            away.clear()
            await until_async(lambda: len(simulator.exchanges) > before, 600, "the next request")
            clock.run(1)
            return await asyncio.wait_for(task, 120), asked

    monkeypatch.setattr(time, "monotonic", clock)
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(clock.selector())) as runner:
        result, asked = runner.run(scene())
    assert result.exit_code == 0
    assert world.mission.status == "complete"
    assert world.units() == ["worker F1", "scrutiny M1"]
    # At most fifteen requests in ten minutes once the waits have grown; the first minute asks a little more often.
    assert 4 <= asked <= 20, asked
    waited = world.events("worker_finished")[0]["data"]["providerWaitMs"]
    assert waited > 240_000, waited
    print(f"{asked} requests in five minutes, {waited / 1000:.0f} s waited")


def _refused(world: World) -> int:
    assert world.simulator is not None
    return sum(exchange.status == 529 for exchange in world.simulator.exchanges)


@pytest.mark.parametrize("kind", ["broken-json", "max-tokens", "refusal", "unknown-stop-reason"])
async def test_a_write_in_a_reply_that_must_not_be_acted_on_is_never_carried_out(
    tmp_path: Path, kind: str
) -> None:
    """The simulated model does not try again, so the mission stands with a reason instead of half a file."""
    world = World(tmp_path, plan_of({"M1": ["F1"]}))
    with world.serving() as base_url:
        assert world.simulator is not None
        world.simulator.faults.add(kind, when={"role": "worker", "turn": 1}, times=1)
        await asyncio.wait_for(world.runner(base_url).run(), 120)
    mission = world.mission
    assert mission.status == "blocked"
    assert mission.latestBlock is not None
    assert mission.latestBlock.message
    assert world.clean()
    assert not (world.root / "work/F1.txt").exists(), "a call of such a reply was carried out"


async def test_ten_missions_at_once_share_a_service_that_refuses_most_of_them(tmp_path: Path) -> None:
    count = size(4, 10)
    worlds = []
    for number in range(count):
        (tmp_path / str(number)).mkdir()
        worlds.append(World(tmp_path / str(number), plan_of({"M1": ["F1"]})))
    simulator = Simulator(worlds[0].playbook())
    with simulator as base_url:
        simulator.faults.add("status", status=429, times=count * 2, headers={"retry-after-ms": "30"})
        results = await asyncio.wait_for(
            asyncio.gather(*(world.runner(base_url).run() for world in worlds)), 280
        )
        asked = len(simulator.requests)
    assert [result.exit_code for result in results] == [0] * count
    assert all(world.units() == ["worker F1", "scrutiny M1"] for world in worlds)
    # Each mission asks about ten times; a refused request is asked again once, not again and again.
    assert asked <= count * 12 + count * 2
