"""Hosting a runner in this process: signals, the view beside it, and the result.

The first Ctrl-C or SIGTERM pauses after a checkpoint, the second stops at once; both can be resumed. It advances
nothing itself.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING

from missions.cli.event_lines import event_line
from missions.cli.following import Following, Seen
from missions.model.errors import MissionError, too_many_files
from missions.store.layout import Store

if TYPE_CHECKING:
    from missions.runner.runner import Runner, RunResult

INTERRUPTED = 130
_EVERY = 0.25

View = Callable[[Seen], None]


def host(runner: Runner, following: Following, view: View, notice: Callable[[str], None]) -> RunResult:
    """Run ``runner`` to its end and show ``following`` beside it; ``notice`` takes words about signals."""
    return asyncio.run(_host(runner, following, view, notice))


async def _host(runner: Runner, following: Following, view: View, notice: Callable[[str], None]) -> RunResult:
    from missions.runner.runner import RunResult

    task = asyncio.create_task(runner.run(), name="runner")
    with _Signals(runner, notice):
        while not task.done():
            view(following.look())
            await asyncio.wait([task], timeout=_EVERY)
    seen = following.look()
    view(seen)
    if task.cancelled():
        return RunResult(INTERRUPTED, "stopped at once", seen.mission.status)
    return task.result()


class _Signals(AbstractContextManager[None]):
    """SIGINT and SIGTERM for as long as a runner is hosted."""

    def __init__(self, runner: Runner, notice: Callable[[str], None]) -> None:
        self._runner = runner
        self._notice = notice
        self._count = 0
        self._loop = asyncio.get_running_loop()
        self._before: dict[int, signal.Handlers | Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._arrived)

    def __exit__(self, *error: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        # In the main thread, but between any two instructions: the loop does the rest.
        self._loop.call_soon_threadsafe(self._act)

    def _act(self) -> None:
        self._count += 1
        if self._count == 1:
            self._notice("Pausing after a checkpoint; again to stop at once. Both can be resumed.")
            self._runner.pause()
        else:
            self._notice("Stopping at once.")
            self._runner.stop_at_once()


def plain_view(write: Callable[[str], None]) -> View:
    """New records as lines."""

    def view(seen: Seen) -> None:
        for record in seen.records:
            line = event_line(record, seen.mission)
            if line is not None:
                write(line)

    return view


def screen(live: bool) -> AbstractContextManager[View | None]:
    """The live picture on standard output, or None where that is no terminal (or not wanted)."""
    if not live or not sys.stdout.isatty():
        return nullcontext(None)
    return _Screen()


class _Screen(AbstractContextManager["View | None"]):
    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console()
        self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="ellipsis")

    def __enter__(self) -> View:
        self._live.__enter__()
        return self._view

    def __exit__(self, *error: object) -> None:
        self._live.__exit__(None, None, None)

    def _view(self, seen: Seen) -> None:
        from missions.cli.live import picture

        self._live.update(picture(seen, self._console.height), refresh=True)


def hosted(store: Store, mission_id: str, make: Callable[[], Runner], write: Callable[[str], None]) -> int:
    """The daemon's side: lines into its log, and a last one that says how it ended."""
    import logging

    from missions.runner.host_process import ENDED

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    try:
        result = host(make(), Following(store, mission_id), plain_view(write), write)
        code, reason = result.exit_code, result.reason
    except MissionError as error:
        code, reason = 1, str(error)
    except Exception as error:
        logging.getLogger("missions.cli").exception("the runner failed")
        code, reason = 1, str(too_many_files(error) or f"{type(error).__name__}: {error}")
    write(f"{ENDED}{code} {' '.join(reason.split())}")
    return code
