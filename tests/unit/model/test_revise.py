"""Operations on a plan: each takes effect whole or says why not."""

from __future__ import annotations

from typing import Any

import pytest

from missions.model.lint import errors_of
from missions.model.plan_diff import plan_diff
from missions.model.revise import operations_schema, parse_operations, revise
from support.plans import plan_document

PLAN = plan_document()
REPAIR = {
    "id": "F9",
    "title": "Repair leap days",
    "description": "Accept 29 February in leap years; add tests.",
}


def _order(plan: Any) -> list[list[str]]:
    return [[feature.id for feature in milestone.features] for milestone in plan.milestones]


@pytest.mark.parametrize(
    ("where", "order"),
    [
        ({}, [["F1", "F2", "F9"], ["F3"]]),
        ({"before": "F2"}, [["F1", "F9", "F2"], ["F3"]]),
        ({"after": "F1"}, [["F1", "F9", "F2"], ["F3"]]),
        ({"before": "F1"}, [["F9", "F1", "F2"], ["F3"]]),
    ],
)
def test_a_feature_is_added_where_it_is_wanted(where: dict[str, str], order: list[list[str]]) -> None:
    revised = revise(PLAN, [{"op": "add_feature", "milestoneId": "M1", "feature": REPAIR, **where}])
    assert _order(revised.plan) == order
    assert errors_of(revised.findings) == []
    assert revised.repairs == []


def test_a_repair_feature_keeps_its_provenance() -> None:
    repairs = {"runId": "1790000000000-validator-M1", "defectId": "D1"}
    plan, provenance, findings = revise(
        PLAN, [{"op": "add_feature", "milestoneId": "M1", "feature": REPAIR, "repairs": repairs}]
    )
    assert provenance == [("F9", "1790000000000-validator-M1", "D1")]
    assert errors_of(findings) == []
    assert len(plan.features()) == 4


def test_a_feature_is_edited_in_what_is_given_and_keeps_the_rest() -> None:
    revised = revise(
        PLAN,
        [{"op": "edit_feature", "featureId": "F3", "title": "Report them", "dependencies": ["F1", "F2"]}],
    )
    feature = revised.plan.milestones[1].features[0]
    assert (feature.title, feature.dependencies, feature.claims) == ("Report them", ("F1", "F2"), ("A3",))
    assert feature.description == PLAN.milestones[1].features[0].description


@pytest.mark.parametrize(
    ("operation", "order"),
    [
        ({"featureId": "F2", "before": "F1"}, [["F2", "F1"], ["F3"]]),
        ({"featureId": "F2", "milestoneId": "M2"}, [["F1"], ["F3", "F2"]]),
        ({"featureId": "F2", "before": "F3"}, [["F1"], ["F2", "F3"]]),
        ({"featureId": "F1", "after": "F2"}, [["F2", "F1"], ["F3"]]),
    ],
)
def test_a_feature_is_moved(operation: dict[str, str], order: list[list[str]]) -> None:
    assert _order(revise(PLAN, [{"op": "move_feature", **operation}]).plan) == order


def test_dropping_a_feature_leaves_its_claims_to_be_taken_over_in_the_same_revision() -> None:
    drop = {"op": "drop_feature", "featureId": "F3", "reason": "The reader reports already."}
    add = {"op": "add_feature", "milestoneId": "M2", "feature": {**REPAIR, "claims": ["A3"]}}
    alone = revise(PLAN, [drop, {**add, "feature": REPAIR}])
    assert {f.rule for f in errors_of(alone.findings)} == {"unclaimed-assertion"}
    together = revise(PLAN, [drop, add])
    assert errors_of(together.findings) == []
    assert _order(together.plan) == [["F1", "F2"], ["F9"]]


def test_claims_can_be_taken_over_by_the_milestone() -> None:
    revised = revise(
        PLAN,
        [
            {"op": "edit_feature", "featureId": "F3", "claims": []},
            {
                "op": "edit_milestone",
                "milestoneId": "M2",
                "claims": ["A3", "A4"],
                "objective": "All is reported.",
            },
        ],
    )
    assert errors_of(revised.findings) == []
    assert revised.plan.milestones[1].claims == ("A3", "A4")


def test_skills_and_milestone_texts_are_replaced() -> None:
    revised = revise(
        PLAN,
        [
            {"op": "edit_skill", "role": "worker", "text": "Prefer small commits."},
            {"op": "edit_milestone", "milestoneId": "M1", "validation": "Import every sample twice."},
        ],
    )
    assert revised.plan.skills.worker == "Prefer small commits."
    assert revised.plan.milestones[0].validation == "Import every sample twice."
    assert revised.findings == []


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ({"op": "edit_feature", "featureId": "F8", "title": "x"}, "no feature F8"),
        ({"op": "edit_feature", "featureId": "F1"}, "Nothing is given"),
        ({"op": "move_feature", "featureId": "F8"}, "no feature F8"),
        ({"op": "move_feature", "featureId": "F1", "before": "F1"}, "itself"),
        (
            {"op": "move_feature", "featureId": "F1", "milestoneId": "M2", "after": "F2"},
            "M2 has no feature F2",
        ),
        ({"op": "drop_feature", "featureId": "F8", "reason": "x"}, "no feature F8"),
        ({"op": "drop_feature", "featureId": "F3", "reason": " "}, "reason"),
        ({"op": "add_feature", "milestoneId": "M8", "feature": REPAIR}, "no milestone M8"),
        ({"op": "add_feature", "milestoneId": "M1", "feature": {**REPAIR, "id": "F1"}}, "already"),
        (
            {"op": "add_feature", "milestoneId": "M1", "feature": REPAIR, "before": "F1", "after": "F1"},
            "not both",
        ),
        ({"op": "edit_milestone", "milestoneId": "M8", "objective": "x"}, "no milestone M8"),
        ({"op": "edit_milestone", "milestoneId": "M1"}, "Nothing is given"),
    ],
)
def test_an_operation_that_does_not_fit_changes_nothing_and_says_why(
    operation: dict[str, Any], said: str
) -> None:
    revised = revise(PLAN, [operation])
    assert revised.plan == PLAN
    assert revised.repairs == []
    assert [(f.rule, f.path) for f in errors_of(revised.findings)] == [
        ("revision-operation", "/operations/0")
    ]
    assert said in revised.findings[0].message


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("no list", "/operations"),
        ([{"op": "delete_everything"}], "/operations/0"),
        ([{"op": "edit_feature"}], "/operations/0/featureId"),
        ([{"op": "edit_feature", "featureId": "F1", "status": "complete"}], "/operations/0/status"),
        (
            [{"op": "add_feature", "milestoneId": "M1", "feature": {**REPAIR, "status": "complete"}}],
            "/operations/0/feature/status",
        ),
        ([{"op": "edit_skill", "role": "planner", "text": "x"}], "/operations/0/role"),
        ([{"op": "edit_feature", "featureId": "F1", "title": "x"}] * 101, "/operations"),
    ],
)
def test_operations_of_the_wrong_form_are_findings_with_their_place(raw: object, path: str) -> None:
    operations, findings = parse_operations(raw)
    assert operations == ()
    assert [(f.rule, f.path) for f in findings] == [("revision-operation", path)]
    assert revise(PLAN, raw).plan == PLAN


def test_the_result_is_judged_as_a_plan() -> None:
    revised = revise(
        PLAN,
        [
            {"op": "edit_feature", "featureId": "F1", "dependencies": ["F2"]},
            {"op": "edit_feature", "featureId": "F3", "title": "Evil \x1b[2J"},
        ],
    )
    assert {f.rule for f in errors_of(revised.findings)} == {"dependency-cycle", "hostile-text"}


def test_warnings_the_plan_had_already_are_not_repeated() -> None:
    bare = plan_document(budget={})
    revised = revise(bare, [{"op": "edit_feature", "featureId": "F3", "description": "Report."}])
    assert [f.rule for f in revised.findings] == ["thin-feature"]


def test_the_tool_schema_is_flat_and_closed_and_knows_every_operation() -> None:
    schema = operations_schema()
    item = schema["items"]
    assert item["additionalProperties"] is False
    assert "$ref" not in str(schema)
    for kind in item["properties"]["op"]["enum"]:
        _, findings = parse_operations([{"op": kind}])
        fields = {f.path.split("/")[2] for f in findings if f.path.count("/") > 1}
        assert fields <= item["properties"].keys() | {"0"}
        assert findings, kind


def test_a_difference_reads_like_a_list_of_changes() -> None:
    revised = revise(
        PLAN,
        [
            {"op": "add_feature", "milestoneId": "M1", "feature": REPAIR},
            {"op": "edit_feature", "featureId": "F3", "title": "Report \x1b[31mthem"},
            {"op": "move_feature", "featureId": "F2", "before": "F1"},
            {"op": "edit_skill", "role": "worker", "text": "Prefer small commits."},
        ],
    )
    assert plan_diff(PLAN, revised.plan) == [
        "+ feature F9 “Repair leap days” in M1",
        "~ feature F3: title “Report bad dates” → “Report them”",
        "> features of M1 in the order F2, F1, F9",
        "~ skills: worker “Use the standard library only.” → “Prefer small commits.”",
    ]


def test_a_difference_names_what_was_removed_moved_and_reworded() -> None:
    old = plan_document()
    raw = old.model_dump(mode="json", by_alias=True, exclude_none=True)
    raw["nonGoals"] = ["Nothing about clocks."]
    raw["milestones"][1]["features"].insert(0, raw["milestones"][0]["features"].pop(1))
    raw["milestones"][1]["userTesting"]["required"] = True
    raw["validationContract"]["assertions"][0]["severity"] = "minor"
    raw["validationContract"]["assertions"].pop(3)
    raw["budget"]["usd"] = 40
    raw["models"] = {"worker": {"model": "small"}}
    assert plan_diff(old, plan_document(**raw)) == [
        "- non-goal: Time zones stay as they are.",
        "+ non-goal: Nothing about clocks.",
        "~ milestone M2: user testing: required False → True",
        "> feature F2 “Parse local dates” from M1 to M2",
        "- assertion A4 “The report ends with a count.”",
        "~ assertion A1: severity “critical” → “minor”",
        "~ budget: usd 20.0 → 40.0",
        "~ model of the worker: nothing → “small”",
    ]


def test_equal_plans_have_no_difference() -> None:
    assert plan_diff(PLAN, plan_document()) == []
