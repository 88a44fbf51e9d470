"""The host ``server``: a mission at work inside the language server, in a thread and event loop of its own.

The loop that answers the client never waits for the mission's writes and folds, and the mission never waits for the
client. One thread per mission from beginning to end, because a sandbox lives only as long as the thread that started
it. It decides nothing: when the server's task is cancelled, the runner stops at once, as on any other host.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from missions.runner.runner import Runner, RunResult

SWITCH = 0.0005
"""Seconds that a busy thread keeps the interpreter while another waits for it. An answer passes through four threads:
with the 5 ms that Python takes by itself, each of them would wait that long for a mission that computes."""


async def run_apart(runner: Runner, name: str) -> RunResult:
    """Run the mission in a thread; what the runner returns or raises."""
    sys.setswitchinterval(SWITCH)
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[RunResult] = loop.create_future()
    thread = _MissionThread(runner, name, lambda settle: _tell(loop, outcome, settle))
    thread.start()
    try:
        return await outcome
    finally:
        if not outcome.done() or outcome.cancelled():
            thread.stop()


def _tell(
    loop: asyncio.AbstractEventLoop,
    outcome: asyncio.Future[RunResult],
    settle: Callable[[asyncio.Future[RunResult]], None],
) -> None:
    def there() -> None:
        if not outcome.done():
            settle(outcome)

    with contextlib.suppress(RuntimeError):  # the server's loop is closed: nobody asks any more
        loop.call_soon_threadsafe(there)


def _cancel(outcome: asyncio.Future[RunResult]) -> None:
    outcome.cancel()


class _MissionThread(threading.Thread):
    """From the runner's first step to its last."""

    def __init__(
        self,
        runner: Runner,
        name: str,
        tell: Callable[[Callable[[asyncio.Future[RunResult]], None]], None],
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._runner, self._tell = runner, tell
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False

    def run(self) -> None:
        try:
            result = asyncio.run(self._work())
        except asyncio.CancelledError:
            self._tell(_cancel)
        except BaseException as error:
            failure = error
            self._tell(lambda outcome: outcome.set_exception(failure))
        else:
            self._tell(lambda outcome: outcome.set_result(result))

    async def _work(self) -> RunResult:
        self._loop = asyncio.get_running_loop()
        if self._stopping:
            raise asyncio.CancelledError
        return await self._runner.run()

    def stop(self) -> None:
        """Stop the runner at once; from any thread, harmless when it has ended."""
        self._stopping = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._runner.stop_at_once)
