"""Estimates: ranges that follow the plan's shape, and the comparison afterwards."""

from __future__ import annotations

from missions.model.estimate import PROFILES, Range, compare, estimate_plan, estimate_rest, run_usage
from missions.model.mission import TimeSplit
from missions.model.usage import ModelChoice, Usage
from support.plans import mission_of, plan_document, run_of


class OneMicroPerToken:
    """Every token costs a micro-dollar; models called ``mystery`` have no known price."""

    def cost(self, model: str, usage: Usage) -> int:
        return usage.total_tokens * (10 if model == "dear" else 1)

    def knows(self, model: str) -> bool:
        return model != "mystery"


MODELS = {role: ModelChoice(model="cheap") for role in ("worker", "validator", "orchestrator")}
PRICES = OneMicroPerToken()


def test_the_low_case_is_one_run_per_feature_and_validation() -> None:
    plan = plan_document()
    estimate = estimate_plan(plan, MODELS, PRICES)
    assert estimate.runs.low == 3 + 2
    user_tested = plan_document(
        milestones=[
            {**m.model_dump(), "userTesting": {"required": True, "instructions": "Try it."}}
            for m in plan.milestones
        ]
    )
    assert estimate_plan(user_tested, MODELS, PRICES).runs.low == 3 + 4


def test_every_range_is_ordered_and_roles_add_up() -> None:
    estimate = estimate_plan(plan_document(), MODELS, PRICES)
    for whole, parts in (
        (estimate.runs, [r.runs for r in estimate.roles]),
        (estimate.minutes, [r.minutes for r in estimate.roles]),
        (estimate.tokens, [r.tokens for r in estimate.roles]),
        (estimate.cost_micro_usd, [r.cost_micro_usd for r in estimate.roles]),
    ):
        assert whole.low <= whole.likely <= whole.high
        assert sum(parts, start=Range(0, 0, 0)) == whole


def test_money_follows_the_price_of_each_roles_model() -> None:
    cheap = estimate_plan(plan_document(), MODELS, PRICES)
    dear = estimate_plan(plan_document(), {**MODELS, "worker": ModelChoice(model="dear")}, PRICES)
    by_role = {part.role: part for part in dear.roles}
    before = {part.role: part for part in cheap.roles}
    assert by_role["worker"].cost_micro_usd.likely == 10 * before["worker"].cost_micro_usd.likely
    assert by_role["validator"] == before["validator"]


def test_a_model_without_a_known_price_is_named_once() -> None:
    models = {**MODELS, "worker": ModelChoice(model="mystery"), "validator": ModelChoice(model="mystery")}
    assert estimate_plan(plan_document(), models, PRICES).uncertain_prices == ("mystery",)
    assert estimate_plan(plan_document(), MODELS, PRICES).uncertain_prices == ()


def test_the_tokens_of_a_run_are_mostly_read_from_the_cache() -> None:
    usage = run_usage(PROFILES["worker"], "likely")
    assert usage.requests == PROFILES["worker"].turns.likely
    assert usage.cache_share > 0.9


def test_a_budget_that_the_likely_case_passes_is_named() -> None:
    plan = plan_document(budget={"usd": 0.01, "runs": 5, "tokens": 10_000_000_000})
    said = estimate_plan(plan, MODELS, PRICES).over_budget
    assert len(said) == 2
    assert "runs" in said[0]
    assert "US dollars" in said[1]


def test_what_is_done_is_not_estimated_again() -> None:
    plan = plan_document()
    mission = mission_of(plan)
    assert estimate_rest(mission, plan, MODELS, PRICES) == estimate_plan(plan, MODELS, PRICES)
    mission.milestones[0].features[0].status = "complete"
    assert estimate_rest(mission, plan, MODELS, PRICES).runs.low == 4
    mission.milestones[0].features[1].status = "skipped"
    mission.milestones[0].validationState.scrutiny.verdict = "pass"
    mission.milestones[0].status = "complete"
    assert estimate_rest(mission, plan, MODELS, PRICES).runs.low == 2


def test_actual_figures_are_compared_with_the_estimate() -> None:
    plan = plan_document()
    estimate = estimate_plan(plan, MODELS, PRICES)
    mission = mission_of(
        plan,
        runs=[run_of("worker", "F1", number, cost=estimate.cost_micro_usd.high) for number in range(5)],
        time=TimeSplit(working=60_000, validating=60_000, waitingHuman=10**9),
    )
    found = {c.what: c for c in compare(mission, estimate)}
    assert (found["runs"].actual, found["runs"].verdict) == (5, "within")
    assert (found["minutes"].actual, found["minutes"].verdict) == (2, "below")
    assert found["costMicroUsd"].verdict == "above"
    assert found["runs"].as_json()["likely"] == estimate.runs.likely


def test_the_json_of_an_estimate_has_ranges_by_role() -> None:
    shown = estimate_plan(plan_document(), MODELS, PRICES).as_json()
    assert shown["runs"].keys() == {"low", "likely", "high"}
    assert [part["role"] for part in shown["roles"]] == ["worker", "validator", "orchestrator"]
    assert shown["assumptions"]
