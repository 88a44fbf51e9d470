"""Attempts to leave the sandbox, each against a world that would notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from missions.agent.sandbox.session import Sandbox
from support.escapes import ESCAPES, Escape
from support.outside import CANARY, Outside


def test_the_list_of_attempts_is_long_enough() -> None:
    assert len(ESCAPES) >= 45
    assert len({escape.name for escape in ESCAPES}) == len(ESCAPES)


@pytest.mark.parametrize("escape", ESCAPES, ids=lambda escape: escape.name)
async def test_an_attempt_to_leave_the_sandbox_fails(
    escape: Escape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MISSIONS_TEST_CANARY", CANARY)
    with Outside(tmp_path) as outside:
        async with await Sandbox.start(outside.policy(), "required") as sandbox:
            result = await sandbox.run(outside.fill(escape.command), timeout=20)
            output = result.output.decode(errors="replace")
            alive = await sandbox.run("echo alive")
            assert alive.output == b"alive\n", "the sandbox itself survived the attempt"
        assert "ESCAPED" not in output, output
        assert CANARY not in output, output
        assert outside.touched() == []


async def test_the_same_attempts_succeed_without_a_sandbox_so_the_list_proves_something(
    tmp_path: Path,
) -> None:
    harmless = {
        "read a key in the home directory", "read the store's journal", "read a neighbour of the workspace", "read through a link that was there",
        "reach a service of the host by TCP", "reach a Unix socket in the workspace's neighbour", "reach an abstract Unix socket",
        "reach a service of the host by IPv6", "set a git hook path", "plant a hook", "write beside the workspace",
    }  # fmt: skip
    with Outside(tmp_path) as outside:
        async with await Sandbox.start(outside.policy(aside=None), "none") as sandbox:
            for escape in ESCAPES:
                if escape.name not in harmless:
                    continue
                outside.received.clear()
                result = await sandbox.run(outside.fill(escape.command), timeout=20)
                output = result.output.decode(errors="replace")
                assert "ESCAPED" in output or CANARY in output or outside.touched(), escape.name
