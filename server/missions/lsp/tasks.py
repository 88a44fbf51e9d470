"""Everything that runs in the background of the server: named, held, logged, and ended together.

asyncio keeps only weak references to tasks and swallows their errors until they are collected; here both are
settled. It never decides what an error means for a mission: whoever starts a task handles what it expects.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from missions.lsp.log import incident

T = TypeVar("T")

_log = logging.getLogger(__name__)


class TaskRegistry:
    """The running tasks of one server."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], str] = {}
        self._closed = False

    def start(self, name: str, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run ``work``; an error is logged with an incident id and ends only this task.

        After :meth:`cancel_all` the task is cancelled before its first step.
        """
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks[task] = name
        task.add_done_callback(self._done)
        if self._closed:
            task.cancel()
        return task

    def repeat(self, name: str, every: float, work: Callable[[], Any]) -> asyncio.Task[None]:
        """Call ``work`` every ``every`` seconds; an error is logged and the next turn comes all the same."""

        async def turns() -> None:
            while True:
                await asyncio.sleep(every)
                try:
                    result = work()
                    if asyncio.iscoroutine(result):
                        await result
                except Exception as error:
                    incident(_log, f"task {name}", error)

        return self.start(name, turns())

    def names(self) -> list[str]:
        """Names of the tasks that are running, oldest first."""
        return list(self._tasks.values())

    def cancel(self, name: str) -> int:
        """Ask the tasks of that name to stop; how many there were."""
        found = [task for task, known in self._tasks.items() if known == name]
        for task in found:
            task.cancel()
        return len(found)

    async def cancel_all(self, deadline: float) -> list[str]:
        """Stop everything, wait at most ``deadline`` seconds, and name what did not stop."""
        current = asyncio.current_task()
        waiting = [task for task in self._tasks if task is not current]
        self.cancel_soon()
        if waiting:
            await asyncio.wait(waiting, timeout=deadline)
        return [self._tasks[task] for task in waiting if not task.done() and task in self._tasks]

    def cancel_soon(self) -> None:
        """Ask everything to stop, without waiting, and let nothing new begin."""
        self._closed = True
        current = asyncio.current_task()
        for task in list(self._tasks):
            if task is not current:
                task.cancel()

    def _done(self, task: asyncio.Task[Any]) -> None:
        name = self._tasks.pop(task, "?")
        if not task.cancelled() and (error := task.exception()) is not None:
            incident(_log, f"task {name}", error)
