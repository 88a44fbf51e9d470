"""What a plan will take before it runs, and how a mission compares with that afterwards.

Ranges of runs, time and money from the plan's shape and a profile per role. Prices are passed in; nothing here knows
a model. An estimate is a range with its assumptions named, never a promise or a limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from missions.model.contract import PlanDocument, Role
from missions.model.figures import duration_text, money_text
from missions.model.mission import Mission
from missions.model.usage import ModelChoice, Usage

Level = Literal["low", "likely", "high"]
LEVELS: tuple[Level, ...] = ("low", "likely", "high")


class Prices(Protocol):
    """A table of prices, as an estimate needs it."""

    def cost(self, model: str, usage: Usage) -> int:
        """Micro-dollars of a usage; an unknown model counts with a cautious price."""
        ...

    def knows(self, model: str) -> bool: ...


@dataclass(frozen=True)
class Range:
    """A low, a likely and a high value; ``low <= likely <= high``."""

    low: int
    likely: int
    high: int

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def at(self, level: Level) -> int:
        return {"low": self.low, "likely": self.likely, "high": self.high}[level]


@dataclass(frozen=True)
class Profile:
    """What one run of a role typically takes: turns, minutes, and tokens of the first prompt and of each turn."""

    turns: Range
    minutes: Range
    first_prompt: int
    grows_by: int
    """Tokens that each turn adds to the conversation: tool results and the model's own words."""
    output: int
    """Tokens that each turn generates."""


PROFILES: dict[Role, Profile] = {
    "worker": Profile(Range(12, 30, 70), Range(3, 9, 30), 9_000, 1_600, 700),
    "validator": Profile(Range(10, 24, 50), Range(3, 7, 20), 9_000, 1_800, 500),
    "orchestrator": Profile(Range(4, 8, 16), Range(1, 2, 6), 8_000, 1_500, 600),
    "planner": Profile(Range(6, 15, 40), Range(3, 10, 30), 8_000, 1_800, 900),
}


@dataclass(frozen=True)
class RoleEstimate:
    """Runs, minutes, tokens and money of one role."""

    role: Role
    model: str
    runs: Range
    minutes: Range
    tokens: Range
    cost_micro_usd: Range


@dataclass(frozen=True)
class Estimate:
    """The whole plan. ``uncertain_prices`` names models whose price is not known."""

    runs: Range
    minutes: Range
    tokens: Range
    cost_micro_usd: Range
    roles: tuple[RoleEstimate, ...]
    uncertain_prices: tuple[str, ...]
    assumptions: tuple[str, ...]
    over_budget: tuple[str, ...]
    """Sentences on limits of the plan's budget that the likely case would pass."""

    def sentence(self) -> str:
        """In words: ``about 12 runs, 1 h 40 min and $9.80 ($4.10 to $21.00)``."""
        cost = self.cost_micro_usd
        span = f"{money_text(cost.low)} to {money_text(cost.high)}"
        return f"about {self.runs.likely} runs, {duration_text(self.minutes.likely * 60_000)} and {money_text(cost.likely)} ({span})"

    def as_json(self) -> dict[str, Any]:
        """Stable JSON: ``runs``, ``minutes``, ``tokens``, ``costMicroUsd`` as ``{low, likely, high}``, and the same per role."""
        return {
            "runs": asdict(self.runs),
            "minutes": asdict(self.minutes),
            "tokens": asdict(self.tokens),
            "costMicroUsd": asdict(self.cost_micro_usd),
            "roles": [
                {
                    "role": part.role,
                    "model": part.model,
                    "runs": asdict(part.runs),
                    "minutes": asdict(part.minutes),
                    "tokens": asdict(part.tokens),
                    "costMicroUsd": asdict(part.cost_micro_usd),
                }
                for part in self.roles
            ],
            "uncertainPrices": list(self.uncertain_prices),
            "assumptions": list(self.assumptions),
            "overBudget": list(self.over_budget),
        }


ASSUMPTIONS = (
    "Low: every unit passes at its first attempt.",
    "Likely: one milestone in three fails validation once and gets a repair feature.",
    "High: every milestone fails validation twice, and one feature in two runs twice.",
    "Waiting for the human or for the model service is not counted.",
)


def run_usage(profile: Profile, level: Level) -> Usage:
    """Tokens of one run, the prompt cache included: each turn reads the prefix, writes what is new and answers."""
    turns = profile.turns.at(level)
    growth = profile.grows_by + profile.output
    written = profile.first_prompt + growth * (turns - 1)
    read = sum(profile.first_prompt + growth * turn for turn in range(turns - 1))
    return Usage(
        inputTokens=40 * turns,
        outputTokens=profile.output * turns,
        cacheReadTokens=read,
        cacheWrite5mTokens=written,
        requests=turns,
    )


def estimate_plan(plan: PlanDocument, models: Mapping[Role, ModelChoice], prices: Prices) -> Estimate:
    """Ranges for the whole plan, with the models that will be used (see the settings' precedence)."""
    features = len(plan.features())
    validations = sum(1 + milestone.userTesting.required for milestone in plan.milestones)
    return _estimate(plan, features, validations, len(plan.milestones), models, prices)


def estimate_rest(
    mission: Mission, plan: PlanDocument, models: Mapping[Role, ModelChoice], prices: Prices
) -> Estimate:
    """Ranges for what a mission has still to do."""
    open_milestones = [m for m in mission.milestones if m.status not in ("complete", "skipped")]
    features = sum(1 for m in open_milestones for f in m.features if f.status not in ("complete", "skipped"))
    validations = sum(
        (m.validationState.scrutiny.verdict != "pass")
        + (m.userTesting.required and m.validationState.userTesting.verdict != "pass")
        for m in open_milestones
    )
    return _estimate(plan, features, validations, len(open_milestones), models, prices)


def _estimate(
    plan: PlanDocument,
    features: int,
    validations: int,
    milestones: int,
    models: Mapping[Role, ModelChoice],
    prices: Prices,
) -> Estimate:
    likely_failures = (milestones + 2) // 3
    runs: dict[Role, Range] = {
        "worker": Range(
            features, features + likely_failures, features + (features + 1) // 2 + 2 * milestones
        ),
        "validator": Range(validations, validations + likely_failures, validations + 2 * milestones),
        "orchestrator": Range(0, likely_failures, 2 * milestones),
    }
    uncertain: list[str] = []
    roles = tuple(_role(role, count, models.get(role), prices, uncertain) for role, count in runs.items())
    total = Range(0, 0, 0), Range(0, 0, 0), Range(0, 0, 0), Range(0, 0, 0)
    for part in roles:
        total = (
            total[0] + part.runs,
            total[1] + part.minutes,
            total[2] + part.tokens,
            total[3] + part.cost_micro_usd,
        )
    return Estimate(
        *total,
        roles=roles,
        uncertain_prices=tuple(dict.fromkeys(uncertain)),
        assumptions=ASSUMPTIONS,
        over_budget=tuple(_over_budget(plan, *total)),
    )


def _role(
    role: Role, runs: Range, choice: ModelChoice | None, prices: Prices, uncertain: list[str]
) -> RoleEstimate:
    profile = PROFILES[role]
    model = choice.model if choice is not None else "default"
    tokens: list[int] = []
    money: list[int] = []
    minutes: list[int] = []
    if not prices.knows(model):
        uncertain.append(model)
    for level in LEVELS:
        usage = run_usage(profile, level)
        tokens.append(usage.total_tokens * runs.at(level))
        money.append(prices.cost(model, usage) * runs.at(level))
        minutes.append(profile.minutes.at(level) * runs.at(level))
    return RoleEstimate(role, model, runs, Range(*minutes), Range(*tokens), Range(*money))


def _over_budget(plan: PlanDocument, runs: Range, minutes: Range, tokens: Range, cost: Range) -> list[str]:
    budget = plan.budget
    found: list[str] = []
    for what, limit, spent, shown in (
        ("runs", budget.runs, runs.likely, str(runs.likely)),
        ("minutes", budget.wallMinutes, minutes.likely, str(minutes.likely)),
        ("tokens", budget.tokens, tokens.likely, f"{tokens.likely:,}"),
        ("US dollars", budget.usd, cost.likely / 1_000_000, f"{cost.likely / 1_000_000:.2f}"),
    ):
        if limit is not None and spent > limit:
            found.append(f"The plan likely takes {shown} {what}; its budget allows {limit:,}.")
    return found


@dataclass(frozen=True)
class Comparison:
    """One figure of a mission against its estimate."""

    what: Literal["runs", "minutes", "tokens", "costMicroUsd"]
    actual: int
    expected: Range

    @property
    def verdict(self) -> Literal["below", "within", "above"]:
        if self.actual < self.expected.low:
            return "below"
        return "above" if self.actual > self.expected.high else "within"

    def as_json(self) -> dict[str, Any]:
        return {"what": self.what, "actual": self.actual, **asdict(self.expected), "verdict": self.verdict}


def compare(mission: Mission, estimate: Estimate) -> list[Comparison]:
    """What a mission took so far against the estimate made of its plan. The planning chat counts in neither."""
    spent = Usage()
    for run in mission.runs:
        spent += run.usage
    busy = mission.time.working + mission.time.validating
    return [
        Comparison("runs", len(mission.runs), estimate.runs),
        Comparison("minutes", round(busy / 60_000), estimate.minutes),
        Comparison("tokens", spent.total_tokens, estimate.tokens),
        Comparison("costMicroUsd", spent.costMicroUsd, estimate.cost_micro_usd),
    ]
