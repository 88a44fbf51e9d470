"""``research`` for validators and the orchestrator: read-only child conversations that look something up for a run.

They are paid from the run's budget, recorded with its usage and stopped with it; what they are is told by
:mod:`missions.roles.research`.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from missions.agent.budget import Budget, Limits
from missions.agent.spec import Control
from missions.agent.tool import Observer
from missions.model.usage import ModelChoice
from missions.roles.research import AT_ONCE, look_up
from missions.runner.bench import Bench
from missions.store.layout import RunDir


class _UsageOnly:
    """Lets what a child costs through; what it does is not what the run does."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def event(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "usage":
            self._observer.event(kind, data)


class Research:
    """The children of one sitting of a run."""

    def __init__(
        self,
        bench: Bench,
        run: RunDir,
        choice: ModelChoice,
        budget: Budget,
        control: Control,
        observer: Observer,
    ) -> None:
        self._bench, self._run, self._budget = bench, run, budget
        self._choice, self._control = choice, control
        self._observer = _UsageOnly(observer)
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, args: dict[str, Any]) -> str:
        """What the child found; ``provider_unavailable`` with how it ended otherwise."""
        bench = self._bench
        # The run's switches are the child's: whoever stops the run stops it.
        control = Control()
        control.cancel, control.pause = self._control.cancel, self._control.pause
        async with self._gate:
            return await look_up(
                str(args["question"]),
                bench.place.root,
                self._run.path / f"research-{secrets.token_hex(4)}.jsonl",
                model=bench.model,
                choice=self._choice,
                redactor=bench.redactor,
                budget=self._budget.child(Limits()),
                control=control,
                observer=self._observer,
            )
