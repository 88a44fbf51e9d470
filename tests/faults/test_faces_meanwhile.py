"""Commands that misbehave inside a real run: limits end them, nothing of them is left, and faces in other processes answer all
the while."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

import psutil

from missions.simulator.scripts import worker_rule
from support.engine import CHECK, World, finished, plan_of
from support.waiting import until_async

_BOX = {"processes": 100, "memoryMb": 300, "fileMb": 20}
_COMMANDS: dict[str, tuple[str, int, str]] = {
    "a fork bomb": ("bomb() { bomb | bomb & }; bomb; sleep 600", 120, "more than 100 processes"),
    "a memory hog": (
        "python3 -c \"import time; b = bytearray(b'x') * (900 << 20); time.sleep(600)\"",
        120,
        "more than 300 MB of memory",
    ),
    "a disk filler": ("head -c 90000000 /dev/zero > build/filler; ls -l build/filler", 60, " 20971520 "),
    "endless output": ("yes flood", 3, "stopped after 3 s"),
    "a silent hang": ("sleep 600", 3, "stopped after 3 s"),
    "one that ignores TERM": ("trap '' TERM INT HUP; sleep 600 & wait; sleep 600", 3, "stopped after 3 s"),
    "one that makes itself a daemon": (
        "(setsid sh -c 'trap \"\" TERM HUP; sleep 600' >/dev/null 2>&1 &); echo gone-$((6 * 7))",
        60,
        "gone-42",
    ),
    "one that reads its input": ("cat; read line; echo ended-$((6 * 7))", 60, "ended-42"),
    "binary output": ("head -c 3000000 /dev/urandom", 60, "binary output, 3000000 bytes"),
}
"""What it does, how many seconds it may take, and what its result says."""


def _misbehaving() -> dict[str, Any]:
    """A worker that tries one after the other and then does its work."""
    rule: Any = worker_rule({"id": "F1", "title": "Piece F1"}, [CHECK])
    for number, (command, timeout, _) in enumerate(_COMMANDS.values()):
        whole = f"mkdir -p build && touch build/reached && : worst-{number} && {command}"
        rule["turns"][0]["tools"].append({"name": "bash", "input": {"command": whole, "timeout": timeout}})
    return rule


async def test_faces_answer_while_commands_do_their_worst_and_nothing_of_them_is_left(tmp_path: Path) -> None:
    world = World(tmp_path, plan_of({"M1": ["F1"]}), settings={"sandbox": _BOX})
    before = {process.pid for process in psutil.process_iter()}
    with world.serving(world.playbook(_misbehaving())) as base_url:
        task = asyncio.create_task(world.runner(base_url).run())
        await until_async((world.root / "build/reached").exists, 60, "the commands")
        answers = [await _status(world)]
        while not task.done():
            answers.append(await _status(world))
        result = await finished(task)
    assert result.exit_code == 0
    assert world.mission.status == "complete"
    assert b'"running"' in answers[0]
    assert len(answers) >= 3
    results = [said for command, said in world.commands() if ": worst-" in command]
    for number, (kind, (_, _, said)) in enumerate(_COMMANDS.items()):
        assert re.search(re.escape(said), results[number]), (kind, results[number][-600:])
    left = [p for p in psutil.process_iter() if p.pid not in before and _belongs(p, world)]
    assert left == []


async def _status(world: World) -> bytes:
    """What a face in a process of its own says."""
    asked = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "missions", "status", world.id, "--json"),
        cwd=world.root,
        env={**os.environ, "MISSIONS_HOME": str(world.store.root)},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(asked.communicate(), 60)
    assert asked.returncode == 0
    return out


def _belongs(process: psutil.Process, world: World) -> bool:
    try:
        return str(world.root) in " ".join(process.cmdline()) or process.cwd().startswith(str(world.root))
    except psutil.Error:
        return False
