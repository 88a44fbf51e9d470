"""Background work is held, named, logged and ended together."""

from __future__ import annotations

import asyncio
import gc
import logging

import pytest

from missions.lsp.tasks import TaskRegistry
from support.waiting import until_async


async def test_a_task_that_nobody_holds_runs_to_its_end() -> None:
    registry = TaskRegistry()
    done: list[int] = []

    async def work() -> None:
        await asyncio.sleep(0)
        gc.collect()
        done.append(1)

    registry.start("work", work())
    await until_async(lambda: done)
    await until_async(lambda: not registry.names())


async def test_an_error_is_logged_with_an_id_and_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    registry = TaskRegistry()

    async def broken() -> None:
        raise RuntimeError("boom")

    turns: list[int] = []

    def turn() -> None:
        turns.append(1)
        raise RuntimeError("every turn")

    with caplog.at_level(logging.ERROR):
        registry.start("broken", broken())
        registry.repeat("turns", 0.001, turn)
        await until_async(lambda: len(turns) > 2)
    assert registry.names() == ["turns"]
    assert "incident" in caplog.text
    assert "boom" in caplog.text
    assert registry.cancel("turns") == 1
    await until_async(lambda: not registry.names())


async def test_cancelling_all_names_what_did_not_stop_and_lets_nothing_begin() -> None:
    registry = TaskRegistry()
    release = asyncio.Event()
    begun: list[str] = []

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                begun.append("asked")

    async def late() -> None:
        begun.append("late")

    registry.start("polite", asyncio.sleep(3600))
    registry.start("stubborn", stubborn())
    await asyncio.sleep(0)
    assert await registry.cancel_all(0.05) == ["stubborn"]
    task = registry.start("late", late())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert begun == ["asked"]
    release.set()
    await until_async(lambda: not registry.names())
