"""The report that a finished mission leaves."""

from __future__ import annotations

from pathlib import Path

from support.engine import World


async def test_the_report_of_a_finished_mission_says_that_it_is_complete(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert (await world.run()).exit_code == 0
    head = world.store.mission(world.id).report.read_text().splitlines()[2]
    assert "· complete ·" in head, head
    order = [e["type"] for e in world.events("mission_report_written", "mission_complete")]
    assert order == ["mission_report_written", "mission_complete"]
