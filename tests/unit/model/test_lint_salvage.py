"""A plan with a wrong shape is judged once, and whole: what could be read, and nothing that could not."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from missions.model.lint import lint_plan
from support.plans import GOOD_PLAN, plan_json

Path = tuple[str | int, ...]


def places(node: Any, path: Path = ()) -> Iterator[Path]:
    """Every field and entry below ``node``."""
    entries: Any = (
        node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    )
    for key, value in entries:
        yield (*path, key)
        yield from places(value, (*path, key))


def at(plan: dict[str, Any], path: Path) -> Any:
    node: Any = plan
    for part in path:
        node = node[part]
    return node


def told(plan: dict[str, Any]) -> set[tuple[str, str]]:
    return {(f.rule, f.path) for f in lint_plan(plan)[1] if f.severity != "info"}


def test_one_look_lists_the_shape_and_what_does_not_fit_together() -> None:
    plan = plan_json()
    features = plan["milestones"][0]["features"]
    features[0].update(descripton="x", title=7)
    features[1].update(dependencies=["F9"])
    plan["milestones"][1]["features"][0]["claims"] = ["A1"]
    plan["budget"] = {"usd": "much"}
    assert told(plan) >= {
        ("unknown-field", "/milestones/0/features/0/descripton"),
        ("wrong-type", "/milestones/0/features/0/title"),
        ("wrong-type", "/budget/usd"),
        ("unknown-dependency", "/milestones/0/features/1/dependencies/0"),
        ("claimed-twice", "/milestones/1/features/0/claims/0"),
    }
    assert lint_plan(plan)[0] is None


@pytest.mark.parametrize("wrong", [None, 7, "", [], {}, [7], {"a": 1}], ids=repr)
def test_what_cannot_be_read_causes_no_finding_elsewhere(wrong: Any) -> None:
    fine = told(copy.deepcopy(GOOD_PLAN))
    for path in places(GOOD_PLAN):
        plan = copy.deepcopy(GOOD_PLAN)
        at(plan, path[:-1])[path[-1]] = copy.deepcopy(wrong)
        document, found = lint_plan(plan)
        if document is not None or (path, wrong) == (("validationContract",), {"a": 1}):
            continue  # the value fits there, or is a contract without assertions: it is judged as it stands
        where = "".join(f"/{part}" for part in path)
        # An empty object in place of a whole part lacks each of its fields: those are below.
        elsewhere = {f for f in told(plan) - fine if not f[1].startswith(where)}
        assert not elsewhere, (path, wrong, found)


def test_a_misspelt_list_causes_no_finding_about_what_it_holds() -> None:
    plan = plan_json()
    plan["validationContract"] = {"asertions": plan["validationContract"]["assertions"]}
    assert {rule for rule, _ in told(plan)} == {"unknown-field"}
    plan = plan_json()
    plan["milestones"][0]["feature"] = plan["milestones"][0].pop("features")
    assert {rule for rule, _ in told(plan)} == {"unknown-field"}


def test_a_missing_field_causes_no_finding_elsewhere() -> None:
    fine = told(copy.deepcopy(GOOD_PLAN))
    for path in places(GOOD_PLAN):
        if not isinstance(path[-1], str):
            continue
        plan = copy.deepcopy(GOOD_PLAN)
        del at(plan, path[:-1])[path[-1]]
        if lint_plan(plan)[0] is None:
            where = "".join(f"/{part}" for part in path)
            assert {f for f in told(plan) - fine if not f[1].startswith(where)} == set(), path
