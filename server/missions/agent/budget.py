"""Limits of a run, and the check before each request.

A request is admitted only if its worst case fits into what is left after the reserve for the hand-off. Budgets form a
chain: a child's spending counts for its parent too, so that research conversations share the run's budget and a run the
mission's. Nothing here waits, and the clock is an argument.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from missions.agent.prices import PriceTable
from missions.model.usage import Usage

RESERVE_SHARE = 0.10
"""Share of each limit that is kept for one last request in which the model hands off."""
SOFT_SHARE = 0.80
_HANDOFF_OUTPUT = 4_000
_OUTPUT_SHARE = 0.25

Verdict = Literal["go", "last", "stop"]
LimitKind = Literal["usd", "tokens", "wall"]
_NAMES: dict[LimitKind, str] = {
    "usd": "the money budget",
    "tokens": "the token budget",
    "wall": "the time budget",
}


@dataclass(frozen=True)
class Limits:
    """What may be used; None is no limit."""

    usd_micro: int | None = None
    tokens: int | None = None
    wall_ms: int | None = None
    """Time since the run began, without waiting for the provider."""
    provider_wait_ms: int = 30 * 60 * 1000
    """Total waiting for an unavailable provider before the run gives up."""


@dataclass(frozen=True)
class Estimate:
    """A request before it is made."""

    model: str
    prompt_tokens: int
    max_tokens: int
    cached_share: float = 0.0
    """Share of the prompt that is expected to be read from the cache (measured on earlier requests)."""


class Budget:
    """Limits with what was spent against them."""

    def __init__(
        self,
        limits: Limits,
        prices: PriceTable,
        *,
        parent: Budget | None = None,
        spent: Usage | None = None,
        elapsed_ms: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self.prices = prices
        self.spent = spent or Usage()
        self.provider_wait_ms = 0
        self._parent = parent
        self._refused: tuple[Verdict, LimitKind] | None = None
        """What the last judgement said against a request, and for which limit."""
        self._clock = clock
        self._began = clock() - elapsed_ms / 1000

    def child(self, limits: Limits) -> Budget:
        """A budget whose spending counts here too."""
        return Budget(limits, self.prices, parent=self, clock=self._clock)

    def charge(self, usage: Usage) -> None:
        """Count what a request used, in the whole chain."""
        self.spent += usage
        if self._parent is not None:
            self._parent.charge(usage)

    def waited(self, milliseconds: int) -> None:
        """Count time spent waiting for the provider, in the whole chain."""
        self.provider_wait_ms += milliseconds
        if self._parent is not None:
            self._parent.waited(milliseconds)

    def elapsed_ms(self) -> int:
        """Working time so far: without waiting for the provider."""
        return max(0, int((self._clock() - self._began) * 1000) - self.provider_wait_ms)

    def judge(self, estimate: Estimate) -> Verdict:
        """``go``; ``last``: only a request that hands off fits; ``stop``: nothing fits."""
        own = self._judge(estimate)
        if self._parent is None or own == "stop":
            return own
        above = self._parent.judge(estimate)
        return above if above != "go" else own

    def nearly_spent(self) -> str | None:
        """Names the limit of which 80 % are used, for the one soft notice."""
        for name, used, limit in self._uses():
            if limit is not None and used >= limit * SOFT_SHARE:
                return name
        return self._parent.nearly_spent() if self._parent is not None else None

    def refusal(self) -> tuple[LimitKind, bool] | None:
        """The limit that kept the last judged request from going, and whether it is one above the run's own."""
        above = self._parent.refusal() if self._parent is not None else None
        if self._refused is not None and (above is None or self._refused[0] == "stop"):
            return self._refused[1], self._parent is None
        return above

    def exhausted(self) -> str:
        """Names what is used up, for the outcome's detail."""
        refused = self.refusal()
        if refused is not None:
            return _NAMES[refused[0]]
        shares = [
            (used / limit if limit else 1.0, name) for name, used, limit in self._uses() if limit is not None
        ]
        if self._parent is not None and self._parent.share() > max(
            (share for share, _ in shares), default=0.0
        ):
            return self._parent.exhausted()
        return max(shares)[1] if shares else "the budget"

    def share(self) -> float:
        """The largest used share of any limit, 0 when nothing is limited."""
        return max(
            (used / limit if limit else 1.0 for _, used, limit in self._uses() if limit is not None),
            default=0.0,
        )

    def worst_case(self, estimate: Estimate) -> Usage:
        """Tokens and money the request may use."""
        cached = int(estimate.prompt_tokens * estimate.cached_share)
        usage = Usage(
            cacheReadTokens=cached,
            cacheWrite5mTokens=estimate.prompt_tokens - cached,
            outputTokens=int(estimate.max_tokens * _OUTPUT_SHARE),
        )
        return usage.model_copy(update={"costMicroUsd": self.prices.cost(estimate.model, usage)})

    def _judge(self, estimate: Estimate) -> Verdict:
        normal = self.worst_case(estimate)
        short = Estimate(
            estimate.model,
            estimate.prompt_tokens,
            min(estimate.max_tokens, int(_HANDOFF_OUTPUT / _OUTPUT_SHARE)),
            estimate.cached_share,
        )
        last = self.worst_case(short)
        checks: tuple[tuple[LimitKind, int | None, int, int, int], ...] = (
            ("usd", self.limits.usd_micro, self.spent.costMicroUsd, normal.costMicroUsd, last.costMicroUsd),
            ("tokens", self.limits.tokens, self.spent.total_tokens, normal.total_tokens, last.total_tokens),
            ("wall", self.limits.wall_ms, self.elapsed_ms(), 0, 0),
        )
        self._refused = None
        for kind, limit, used, cost, last_cost in checks:
            if limit is None:
                continue
            if used >= limit or used + last_cost > limit:
                self._refused = ("stop", kind)
                return "stop"
            if used + cost + int(limit * RESERVE_SHARE) > limit:
                self._refused = ("last", kind)
        return self._refused[0] if self._refused is not None else "go"

    def _uses(self) -> list[tuple[str, int, int | None]]:
        return [
            (_NAMES["usd"], self.spent.costMicroUsd, self.limits.usd_micro),
            (_NAMES["tokens"], self.spent.total_tokens, self.limits.tokens),
            (_NAMES["wall"], self.elapsed_ms(), self.limits.wall_ms),
        ]
