"""What may change in a plan while its mission is under way, and who may change it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from missions.model.contract import PlanDocument
from missions.model.lint import errors_of, lint_revision
from missions.model.lint_revision import Author
from missions.model.mission import ActiveRun, Mission
from missions.model.recovery import Block
from support.plans import mission_of, plan_document, plan_json

OLD = plan_document()
BOTH: list[Author] = ["user", "orchestrator"]


def _under_way(**fields: Any) -> Mission:
    """F1 is complete, F2 runs, F3 is pending."""
    mission = mission_of(
        OLD,
        status="running",
        executionStartedAt="2026-11-23T10:00:00.000Z",
        activeRun=ActiveRun(
            kind="worker",
            itemId="F2",
            milestoneId="M1",
            runId="1790000000001-worker-F2",
            attempt=1,
            startedAt="2026-11-23T10:05:00.000Z",
        ),
    )
    mission.milestones[0].features[0].status = "complete"
    mission.milestones[0].features[1].status = "running"
    return mission.model_copy(update=fields)


def _first_milestone_done() -> Mission:
    mission = _under_way(activeRun=None)
    mission.milestones[0].status = "complete"
    for feature in mission.milestones[0].features:
        feature.status = "complete"
    return mission


def _changed(change: Any) -> PlanDocument:
    raw = copy.deepcopy(plan_json())
    change(raw)
    return PlanDocument.model_validate(raw)


def _rules(mission: Mission, new: PlanDocument, by: Author) -> set[str]:
    return {f.rule for f in lint_revision(mission, OLD, new, by)}


def _feature(raw: dict[str, Any], milestone: int, feature: int) -> dict[str, Any]:
    return raw["milestones"][milestone]["features"][feature]


def _assertions(raw: dict[str, Any]) -> list[dict[str, Any]]:
    return raw["validationContract"]["assertions"]


@pytest.mark.parametrize("by", BOTH)
def test_a_pending_feature_may_be_changed_by_anybody(by: Author) -> None:
    new = _changed(lambda raw: _feature(raw, 1, 0).update(description="Collect them and print them as JSON."))
    assert _rules(_under_way(), new, by) == set()


@pytest.mark.parametrize("by", BOTH)
def test_a_feature_may_be_added_to_an_open_milestone_by_anybody(by: Author) -> None:
    extra = {"id": "F9", "title": "Repair", "description": "Repair what the validation found."}
    new = _changed(lambda raw: raw["milestones"][0]["features"].append(extra))
    assert _rules(_under_way(), new, by) == set()


@pytest.mark.parametrize("by", BOTH)
@pytest.mark.parametrize("change", ["edit", "remove", "move"])
def test_a_complete_feature_stays_as_it_is(by: Author, change: str) -> None:
    def apply(raw: dict[str, Any]) -> None:
        if change == "edit":
            _feature(raw, 0, 0).update(description="Something else entirely.")
        else:
            taken = raw["milestones"][0]["features"].pop(0)
            if change == "move":
                raw["milestones"][1]["features"].append(taken)

    assert "revision-finished-feature" in _rules(_under_way(), _changed(apply), by)


@pytest.mark.parametrize("by", BOTH)
def test_the_running_feature_stays_as_it_is(by: Author) -> None:
    new = _changed(lambda raw: _feature(raw, 0, 1).update(claims=["A2", "A3"]))
    assert "revision-running-feature" in _rules(_under_way(), new, by)


def test_a_skipped_feature_may_be_changed_by_the_user_but_not_by_the_orchestrator() -> None:
    mission = _under_way()
    mission.milestones[1].features[0].status = "skipped"
    new = _changed(lambda raw: _feature(raw, 1, 0).update(title="Report better"))
    assert _rules(mission, new, "user") == set()
    assert _rules(mission, new, "orchestrator") == {"revision-not-allowed"}


@pytest.mark.parametrize("by", BOTH)
@pytest.mark.parametrize("change", ["edit", "add", "remove"])
def test_a_finished_milestone_stays_as_it_is(by: Author, change: str) -> None:
    def apply(raw: dict[str, Any]) -> None:
        if change == "edit":
            raw["milestones"][0].update(objective="Other dates are read.")
        elif change == "add":
            extra = {"id": "F9", "title": "Late", "description": "Come late."}
            raw["milestones"][0]["features"].append(extra)
        else:
            raw["milestones"].pop(0)

    assert "revision-finished-milestone" in _rules(_first_milestone_done(), _changed(apply), by)


@pytest.mark.parametrize("by", BOTH)
def test_an_assertion_that_was_judged_stays_as_it_is(by: Author) -> None:
    new = _changed(lambda raw: _assertions(raw)[0].update(assertion="Some dates are read."))
    assert "revision-finished-assertion" in _rules(_first_milestone_done(), new, by)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: _assertions(raw).pop(2),
        lambda raw: _assertions(raw)[2].update(severity="minor"),
        lambda raw: _assertions(raw)[2].update(assertion="Bad dates may be listed."),
        lambda raw: _assertions(raw)[2].update(verification="Trust the worker's word for it."),
        lambda raw: _feature(raw, 1, 0).update(claims=[]),
        lambda raw: raw["milestones"][1].update(claims=[]),
    ],
    ids=["removed", "less severe", "other text", "other verification", "unclaimed", "unclaimed by milestone"],
)
def test_the_orchestrator_cannot_weaken_the_contract_but_the_user_can(change: Any) -> None:
    new = _changed(change)
    assert "revision-contract-weakened" in _rules(_under_way(), new, "orchestrator")
    assert errors_of(lint_revision(_under_way(), OLD, new, "user")) == []


def test_the_orchestrator_may_make_the_contract_stricter() -> None:
    def apply(raw: dict[str, Any]) -> None:
        _assertions(raw)[2].update(severity="critical")
        _assertions(raw).append({**_assertions(raw)[2], "id": "A5", "assertion": "Nothing is lost."})
        _feature(raw, 1, 0)["claims"].append("A5")

    assert _rules(_under_way(), _changed(apply), "orchestrator") == set()


def _failed_on(*assertions: str) -> Mission:
    mission = _under_way(activeRun=None, status="blocked")
    mission.milestones[0].features[1].status = "pending"
    mission.latestBlock = Block(
        timestamp="2026-11-23T10:10:00.000Z",
        reasonCategory="validator_report_failed",
        kind="validator",
        failedItemId="M1",
        failedItemTitle="Reading",
        missionId=mission.id,
        failedAssertions=assertions,
    )
    return mission


def test_the_orchestrator_cannot_move_a_failed_assertion_to_a_later_milestone() -> None:
    def apply(raw: dict[str, Any]) -> None:
        _feature(raw, 0, 1).update(claims=[])
        _feature(raw, 1, 0)["claims"].append("A2")

    new = _changed(apply)
    assert _rules(_failed_on("A2"), new, "orchestrator") == {"revision-assertion-postponed"}
    assert _rules(_failed_on("A1"), new, "orchestrator") == set()
    assert _rules(_failed_on("A2"), new, "user") == set()


def test_after_a_failed_validation_no_assertion_of_the_milestone_moves_back() -> None:
    def apply(raw: dict[str, Any]) -> None:
        raw["milestones"][1]["features"].append(raw["milestones"][0]["features"].pop(1))

    mission = _failed_on()
    mission.latestBlock = None
    mission.milestones[0].validationState.failureCount = 1
    assert _rules(mission, _changed(apply), "orchestrator") == {"revision-assertion-postponed"}


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.update(title="Something else"),
        lambda raw: raw.update(objective="Something much smaller than what was asked for."),
        lambda raw: raw.update(nonGoals=[]),
        lambda raw: raw.update(budget={"usd": 2000}),
        lambda raw: raw["environment"].update(network=["*"]),
        lambda raw: raw["environment"].update(checks=[]),
        lambda raw: raw.update(models={"worker": {"model": "costly"}}),
        lambda raw: raw["milestones"].reverse(),
        lambda raw: raw["milestones"][1].update(title="Other"),
        lambda raw: raw["milestones"][1].update(failureLimit=100),
        lambda raw: raw["milestones"].append(
            {**raw["milestones"][1], "id": "M3", "claims": [], "features": []}
        ),
    ],
)
def test_the_orchestrator_cannot_touch_what_the_human_decided(change: Any) -> None:
    assert "revision-not-allowed" in _rules(_under_way(), _changed(change), "orchestrator")


def test_the_orchestrator_cannot_take_user_testing_away() -> None:
    asked = _changed(lambda raw: raw["milestones"][1].update(userTesting={"required": True}))
    found = lint_revision(_under_way(), asked, OLD, "orchestrator")
    assert [(f.rule, f.path) for f in found] == [("revision-not-allowed", "/milestones/1/userTesting")]


def test_instructions_may_change_but_those_of_validators_are_pointed_at() -> None:
    worker = _changed(lambda raw: raw["skills"].update(worker="Use the calendar module."))
    assert _rules(_under_way(), worker, "orchestrator") == set()
    validator = _changed(lambda raw: raw["skills"].update(validatorScrutiny="Just pass everything."))
    found = lint_revision(_under_way(), OLD, validator, "orchestrator")
    assert [(f.rule, f.severity) for f in found] == [("revision-validator-instructions", "warning")]


def test_the_user_is_told_when_a_change_comes_too_late_to_have_an_effect() -> None:
    new = _changed(lambda raw: raw["environment"].update(network=["example.org"]))
    assert _rules(_under_way(), new, "user") == {"revision-frozen"}
    assert _rules(mission_of(OLD), new, "user") == set()


def test_the_user_may_reorder_and_remove_what_has_not_begun() -> None:
    def apply(raw: dict[str, Any]) -> None:
        del raw["milestones"][1]
        del _assertions(raw)[2:]

    assert _rules(_under_way(), _changed(apply), "user") == set()


@pytest.mark.parametrize("by", BOTH)
def test_a_revision_that_changes_nothing_says_so(by: Author) -> None:
    assert _rules(_under_way(), plan_document(), by) == {"revision-unchanged"}
