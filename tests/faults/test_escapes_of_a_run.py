"""Every attempt to leave the sandbox, made by the worker of a real mission: none succeeds, and each is on record."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from missions.simulator.scripts import worker_rule
from support.engine import CHECK, World, plan_of
from support.escapes import ESCAPES
from support.outside import CANARY, Outside


@pytest.mark.timeout(600)
def test_every_attempt_of_a_run_to_leave_its_sandbox_fails_and_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A short name: a socket of it has room for 107 bytes only.
    with Outside(tmp_path / "o") as outside:
        monkeypatch.setenv("HOME", str(outside.home))
        monkeypatch.setenv("SECRET_TOKEN", CANARY)
        world = World(tmp_path, plan_of({"M1": ["F1"]}))
        world.user.write(".gitmodules", "")
        world.user.write(".idea/workspace.xml", "<x/>")
        world.user.commit("what the sandbox protects where it exists")
        attempts = [_aimed(outside.fill(escape.command), outside, world) for escape in ESCAPES]
        rule: Any = worker_rule({"id": "F1", "title": "Piece F1"}, [CHECK])
        rule["turns"][0]["tools"] += [
            {"name": "bash", "input": {"command": command, "timeout": 20}} for command in attempts
        ]
        asyncio.run(world.run(world.playbook(rule)))
        recorded = world.commands()
        made = [(command, result) for command, result in recorded if command in attempts]
        assert [command for command, _ in made] == attempts, "an attempt is not on record"
        for escape, (_, result) in zip(ESCAPES, made, strict=True):
            assert result.startswith("run "), escape.name
            assert "ESCAPED" not in result, (escape.name, result)
            assert CANARY not in result, (escape.name, result)
        assert outside.touched() == []
    for name in ("config", "hooks", "HEAD"):
        assert (world.root / ".git" / name).exists()
    everything = b"".join(p.read_bytes() for p in world.store.mission(world.id).runs.rglob("*.jsonl"))
    assert CANARY.encode() not in everything


def _aimed(command: str, outside: Outside, world: World) -> str:
    """The attempt against this mission's own repository and store."""
    for theirs, ours in ((outside.workspace, world.root), (outside.store, world.store.root)):
        command = command.replace(str(theirs), str(ours))
    return command
