"""Recovery packets: what they hold, and which of them may be acted on."""

from __future__ import annotations

from typing import Any

import pytest

from missions.model.recovery import OUTCOMES, Block, make_packet, packet_issues

BLOCK = Block(
    timestamp="2026-11-23T10:00:00.000Z",
    reasonCategory="validator_report_failed",
    kind="validator",
    validatorMode="scrutiny",
    failedItemId="M1",
    failedItemTitle="Reading",
    missionId="mission-a",
    failedAssertions=("A2", "A1"),
)


def packet() -> dict[str, Any]:
    made = make_packet("mission-a", "A mission", BLOCK.timestamp, BLOCK, None, orchestrator=True)
    return made.model_dump(mode="json", exclude_none=True)


def test_a_packet_allows_all_five_outcomes_and_no_edits() -> None:
    made = packet()
    assert packet_issues(made) == []
    assert [o["outcome"] for o in made["allowedOutcomes"]] == [o.outcome for o in OUTCOMES]
    assert len(OUTCOMES) == 5
    assert made["authority"]["runtimeOrchestrator"]["mayEditRepositoryImplementation"] is False
    assert made["status"] == "orchestrator_action_required"


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p["dispatch"].update(target="main-chat"),
        lambda p: p["authority"]["runtimeOrchestrator"].update(mayEditRepositoryImplementation=True),
        lambda p: p["authority"]["runtimeOrchestrator"].update(repositoryEditPolicy="allowed"),
        lambda p: p["allowedOutcomes"].pop(),
        lambda p: p.pop("authority"),
    ],
)
def test_a_packet_that_would_allow_more_is_refused(change: Any) -> None:
    changed = packet()
    change(changed)
    assert packet_issues(changed)


def test_the_same_problem_has_the_same_signature_in_whatever_order_it_is_told() -> None:
    other = BLOCK.model_copy(
        update={"failedAssertions": ("A1", "A2"), "timestamp": "later", "message": "again"}
    )
    assert other.signature() == BLOCK.signature()
    for change in ({"failedAssertions": ("A1",)}, {"reasonCategory": "stuck"}, {"failedItemId": "M2"}):
        assert BLOCK.model_copy(update=change).signature() != BLOCK.signature()
