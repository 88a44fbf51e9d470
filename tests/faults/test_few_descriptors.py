"""Too few file descriptors: a runner that may have only so many files open at a time, and a server that may open none.

What the system refuses for that says nothing about what was to be opened. So nobody may call a mission damaged, git missing or
the disk full; nothing is lost, and all goes on when descriptors are back.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.fault_forms import size
from support.killed_runs import Demo
from support.lsp_client import Client, LspError
from support.lsp_missions import Scene
from support.runner_process import Nursery

_LIMITS = range(8, 29, size(4, 1))
"""From too few to take a mission, over too few for git and for a sandbox, to too few in the middle of a run."""
_SAID = "Too many files are open in this process. Raise the limit (`ulimit -n`)"


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


def test_a_runner_with_too_few_descriptors_says_so_and_with_enough_the_mission_ends_well(
    tmp_path: Path, nursery: Nursery
) -> None:
    demo = Demo(tmp_path / "mission")
    stops: dict[int, str] = {}
    for limit in _LIMITS:
        seen = demo.log.stat().st_size if demo.log.exists() else 0
        code = demo.run(nursery, descriptors=limit)
        demo.check_journal()
        demo.nothing_left()
        mission, said = demo.mission, demo.log.read_text()[seen:]
        assert code != 0, said[-1500:]
        assert _SAID in said.splitlines()[-1], said[-1500:]
        assert mission.latestBlock is None, mission.latestBlock
        stops[limit] = mission.status
        if mission.status == "paused":
            assert _SAID in (mission.pauseReason or "")
            demo.resume()
    assert set(stops.values()) == {"running", "paused"}, stops
    assert demo.run(nursery) == 0
    assert demo.mission.status == "complete"
    subjects = demo.result()[1]
    assert len(subjects) == len(set(subjects)), "a commit was made twice"
    assert demo.git("fsck", "--strict", "--no-dangling") == ""
    print(f"stopped at limits {stops}")


_ASKED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("status", {}),
    ("show", {"artifact": "plan"}),
    ("pause", {}),
    ("budget", {"usd": 7}),
    ("validate", {}),
)


async def test_a_server_without_descriptors_says_so_and_answers_when_they_are_back(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    before = scene.world.mission.lastSeq
    async with scene.client() as client:
        for name, argument in _ASKED:  # what they need is loaded
            await _answer(client, name, {**argument, "mission": scene.mission})
        loaded = scene.world.mission.lastSeq
        server = psutil.Process(client.process.pid)
        soft, hard = server.rlimit(psutil.RLIMIT_NOFILE)
        server.rlimit(psutil.RLIMIT_NOFILE, (3, hard))
        for name, argument in _ASKED:
            found = await _answer(client, name, {**argument, "mission": scene.mission})
            assert isinstance(found, LspError), (name, found)
            assert (name, found.data["code"]) == (name, "io_failed")
            assert _SAID in found.message
        assert scene.world.mission.lastSeq == loaded > before
        server.rlimit(psutil.RLIMIT_NOFILE, (soft, hard))
        assert (await client.run("budget", {"usd": 8, "mission": scene.mission}))["state"] == "applied"
        assert (await client.run("status"))["data"]["budget"]["usdMicro"] == 8_000_000
        assert client.of("window/showMessage") == []


async def _answer(client: Client, name: str, argument: dict[str, Any]) -> Any:
    try:
        return await client.run(name, argument)
    except LspError as error:
        return error
