"""One reply with as many attempts as it takes: streaming, discarding, waiting, giving up.

The only retry policy of the product. A failed attempt leaves nothing in the history; what it used is counted. It never
runs a tool and never changes a request between attempts.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import Any

from missions.agent.conversation import Conversation
from missions.agent.faults import ProviderFault
from missions.agent.model import ModelClient
from missions.agent.spec import Control, InterruptedByUser, Spec
from missions.agent.tool import Observer
from missions.agent.turn import BrokenTurnError, Turn, TurnAccumulator
from missions.model.usage import Usage

_WAITED_FOR = ("transient", "silence", "rate_limited")
_BYTES_PER_TOKEN = 4


class ProviderUnavailable(Exception):  # noqa: N818 - a state of the provider
    """Waiting any longer is not for this run."""

    def __init__(self, message: str, wake_after: float | None) -> None:
        super().__init__(message)
        self.message = message
        self.wake_after = wake_after
        """Seconds after which the provider said it would answer."""


class Attempts:
    """Makes requests for one conversation."""

    def __init__(
        self, spec: Spec, conversation: Conversation, model: ModelClient, control: Control, observer: Observer
    ) -> None:
        self._spec = spec
        self._conversation = conversation
        self._model = model
        self._control = control
        self._observer = observer

    async def reply(self, body: dict[str, Any], prefix_sha: str) -> tuple[Turn, Usage]:
        """A whole reply and what it used.

        Raises ``ProviderUnavailable``, ``InterruptedByUser``, or the ``ProviderFault`` that waiting does not mend.
        """
        name = str(body["model"])
        failures = 0
        outage_ms = 0
        while True:
            await self._hold(name)
            self._conversation.request(prefix_sha, failures + 1)
            accumulator = TurnAccumulator()
            began = time.monotonic()
            try:
                await self._control.unless_interrupted(self._consume(body, accumulator))
                turn = accumulator.finish()
            except InterruptedByUser:
                self._discard(accumulator, name, "interrupted by the user")
                raise
            except BrokenTurnError as error:
                fault = ProviderFault("transient", str(error))
            except ProviderFault as error:
                fault = error
            else:
                spent = self._spec.budget.prices.priced(name, turn.usage)
                self._count(spent, discarded=False)
                return turn, spent
            self._discard(accumulator, name, f"{fault.label}: {fault.message}")
            if fault.kind not in _WAITED_FOR:
                raise fault
            failures += 1
            outage_ms += self._lost(began)
            delay = self._spec.retry.delay(fault, failures)
            self._give_up_if_too_long(fault, delay, outage_ms)
            if fault.kind == "rate_limited":
                # All conversations of this process ask the same account.
                self._model.not_before[name] = max(
                    self._model.not_before.get(name, 0.0), time.monotonic() + delay
                )
            outage_ms += await self._wait(delay, fault.told)

    async def _consume(self, body: dict[str, Any], accumulator: TurnAccumulator) -> None:
        async with aclosing(self._model.stream(body)) as events:
            async for event in events:
                shown = accumulator.feed(event)
                if shown is not None:
                    self._observer.event(shown[0], {"text": shown[1]})

    async def _hold(self, name: str) -> None:
        left = self._model.not_before.get(name, 0.0) - time.monotonic()
        if left > 0:
            await self._wait(left, "another conversation was asked to wait")

    async def _wait(self, seconds: float, reason: str) -> int:
        began = time.monotonic()
        until = began + seconds
        try:
            while (left := until - time.monotonic()) > 0:
                self._observer.event("retry_wait", {"reason": reason, "remainingSeconds": round(left, 1)})
                await self._control.unless_interrupted(asyncio.sleep(min(left, self._spec.retry.countdown)))
        finally:
            waited = self._lost(began)
        return waited

    def _lost(self, began: float) -> int:
        milliseconds = int((time.monotonic() - began) * 1000)
        self._spec.budget.waited(milliseconds)
        return milliseconds

    def _give_up_if_too_long(self, fault: ProviderFault, delay: float, outage_ms: int) -> None:
        if delay > self._spec.retry.longest_told:
            raise ProviderUnavailable(
                f"The provider asks to wait {int(delay)} s ({fault.label}).", fault.retry_after
            ) from fault
        if outage_ms + delay * 1000 > self._spec.budget.limits.provider_wait_ms:
            raise ProviderUnavailable(
                f"The provider has not answered for {outage_ms // 1000} s ({fault.told}).",
                fault.retry_after,
            ) from fault

    def _discard(self, accumulator: TurnAccumulator, name: str, reason: str) -> None:
        spent = None
        if accumulator.started:
            # Billed as far as is known: the input as reported, the output as far as it came.
            reported = dict(accumulator.usage)
            seen = accumulator.output_bytes // _BYTES_PER_TOKEN
            reported["output_tokens"] = max(int(reported.get("output_tokens") or 0), seen)
            spent = self._spec.budget.prices.priced(name, reported, estimated=True)
        self._conversation.discarded(reason, spent)
        self._observer.event("discarded", {})
        if spent is not None:
            self._count(spent, discarded=True)

    def _count(self, spent: Usage, *, discarded: bool) -> None:
        self._spec.budget.charge(spent)
        self._observer.event("usage", {"usage": spent.model_dump(), "discarded": discarded})
