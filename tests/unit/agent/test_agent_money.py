"""Prices, usage and budgets: integer money, honest unknowns, a reserve for the hand-off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from missions.agent.budget import Budget, Estimate, Limits
from missions.agent.prices import PriceTable, usage_of
from missions.model.errors import MissionError
from missions.model.usage import Usage

TABLE = PriceTable.load()
MILLION = 1_000_000


@pytest.mark.parametrize(
    ("model", "cost"),
    [
        ("claude-sonnet-5-5", 10_000_000),
        ("claude-opus-5-5", 20_000_000),
        ("claude-opus-5", 25_000_000),
        ("claude-opus-4-5-20251101", 25_000_000),
        ("eu.anthropic.claude-opus-5-5-v1:0", 20_000_000),
        ("claude-haiku-4-5@20251001", 5_000_000),
    ],
)
def test_a_million_output_tokens_cost_what_the_table_says(model: str, cost: int) -> None:
    assert TABLE.knows(model)
    assert TABLE.cost(model, Usage(outputTokens=MILLION)) == cost


def test_a_new_version_of_a_known_family_has_no_price_yet_and_counts_as_the_dearest() -> None:
    assert not TABLE.knows("claude-opus-5-7")
    assert TABLE.cost("claude-opus-5-7", Usage(outputTokens=MILLION)) == 50_000_000


def test_the_size_of_the_prompt_chooses_the_tier_for_the_whole_request() -> None:
    assert TABLE.cost("claude-haiku-5-5", Usage(inputTokens=100_000)) == 10_000
    assert TABLE.cost("claude-haiku-5-5", Usage(inputTokens=100_001)) == 50_001


def test_a_fraction_of_a_micro_dollar_is_rounded_up() -> None:
    assert TABLE.cost("claude-haiku-5-5", Usage(inputTokens=1)) == 1


def test_reported_usage_is_split_by_kind_and_summaries_are_counted() -> None:
    reported = {
        "input_tokens": 10,
        "output_tokens": 5,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_1h_input_tokens": 20},
        "iterations": [
            {"type": "compaction", "input_tokens": 7, "output_tokens": 2},
            {"type": "message", "input_tokens": 10},
        ],
    }
    usage = usage_of(reported)
    assert (usage.cacheWrite5mTokens, usage.cacheWrite1hTokens, usage.prompt_tokens) == (10, 20, 140)
    priced = TABLE.priced("claude-sonnet-5-5", reported)
    assert (priced.inputTokens, priced.outputTokens, priced.requests) == (17, 7, 1)
    assert not priced.estimated
    assert usage_of({"input_tokens": None}) == Usage()


def test_usages_add_up_and_stay_estimated_once_they_are() -> None:
    both = Usage(inputTokens=1, requests=1, costMicroUsd=3) + Usage(
        cacheReadTokens=3, requests=1, estimated=True
    )
    assert both == Usage(inputTokens=1, cacheReadTokens=3, requests=2, costMicroUsd=3, estimated=True)
    assert both.cache_share == 0.75


def test_the_users_price_file_wins_and_is_named_in_the_version(tmp_path: Path) -> None:
    row = {"prefix": "my-model", "input": 1, "write5m": 1, "write1h": 1, "read": 1, "output": MILLION}
    (tmp_path / "p.json").write_text(json.dumps({"version": "mine", "models": [row]}))
    table = PriceTable.load(tmp_path / "p.json")
    assert table.cost("my-model-2", Usage(outputTokens=7)) >= 7
    assert table.cost("my-model", Usage(outputTokens=7)) == 7
    assert table.version.endswith("+mine")
    assert table.knows("claude-sonnet-5-5")


def test_a_price_file_that_is_none_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"version": "x", "models": [{"prefix": "a"}]}')
    with pytest.raises(MissionError, match=r"models\.0\.input"):
        PriceTable.load(tmp_path / "p.json")


def asked(prompt: int = 1_000, answer: int = 4_000) -> Estimate:
    return Estimate("claude-sonnet-5-5", prompt, answer)


def test_a_request_goes_while_its_worst_case_leaves_the_reserve() -> None:
    budget = Budget(Limits(tokens=100_000), TABLE)
    assert budget.judge(asked()) == "go"
    budget.charge(Usage(inputTokens=89_000))
    assert budget.judge(asked()) == "last"
    budget.charge(Usage(inputTokens=11_000))
    assert budget.judge(asked()) == "stop"
    assert budget.exhausted() == "the token budget"


def test_time_is_a_limit_without_the_waiting_for_the_provider() -> None:
    now = [100.0]
    budget = Budget(Limits(wall_ms=10_000), TABLE, clock=lambda: now[0])
    now[0] += 9.5
    assert budget.judge(asked()) == "last"
    budget.waited(9_000)
    assert budget.judge(asked()) == "go"
    now[0] += 20
    assert budget.judge(asked()) == "stop"


def test_a_child_stops_when_its_parent_is_spent() -> None:
    parent = Budget(Limits(usd_micro=50_000), TABLE)
    child = parent.child(Limits(usd_micro=1_000_000))
    assert child.judge(asked()) == "go"
    child.charge(Usage(costMicroUsd=50_000))
    assert parent.spent.costMicroUsd == 50_000
    assert child.judge(asked()) == "stop"
    assert child.exhausted() == "the money budget"
    assert child.nearly_spent() == "the money budget"


def test_without_limits_everything_goes() -> None:
    budget = Budget(Limits(), TABLE)
    budget.charge(Usage(inputTokens=10**9, costMicroUsd=10**12))
    assert budget.judge(asked()) == "go"
    assert budget.nearly_spent() is None
