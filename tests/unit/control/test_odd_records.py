"""Records whose checksum is right and whose data is impossible: whoever reads one says that the journal is damaged, and where to go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from missions.control.caller import Caller
from missions.control.decisions import settled
from missions.control.recovery_text import outcome_text
from missions.control.revisions import remarks, revisions
from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.mission import Mission, Run
from missions.store.catalog import view_mission
from missions.store.journal import JournalReader
from missions.store.layout import Store
from missions.store.lock import Owner
from missions.store.mission_log import MissionLog
from missions.store.records import encode

MISSION = "mission-20261127000000-abc123"
RUN = Run(
    runId="1-recovery-F1", kind="recovery", itemId="1-worker-F1", attempt=1, status="complete",
    startedAt="2026-11-27T00:00:00.000Z", baseCommit=None,
)  # fmt: skip
PLAN = {"title": "x", "features": 1, "planVersion": 1, "blob": "0" * 64}
ASKED = {"id": "D1", "kind": "ask-user", "question": "Which?", "options": [], "requestedAt": "now"}
CHOSEN = {"runId": RUN.runId, "exitCode": 0, "outcome": "complete", "chosen": "resume", "reason": "so"}


def _versions(caller: Caller, _: Mission) -> object:
    return revisions(caller.store.mission(MISSION))


def _remarks(caller: Caller, _: Mission) -> object:
    return remarks(caller, MISSION)


def _settled(caller: Caller, _: Mission) -> object:
    return settled(caller, MISSION)


def _outcome(caller: Caller, mission: Mission) -> object:
    return outcome_text(caller.store.mission(MISSION), mission, RUN)


CASES: dict[str, tuple[Callable[[Caller, Mission], object], list[tuple[str, dict[str, Any]]]]] = {
    "version of a plan": (
        _versions,
        [("interactive_plan_written", PLAN | {"planVersion": "mission-../x"})],
    ),
    "plan without its blob": (_versions, [("interactive_plan_revised", {"title": "x", "planVersion": 2})]),
    "remark without its path": (
        _remarks,
        [("plan_comment_added", {"commentId": "c1", "text": "t"})],
    ),
    "remark by a word": (
        _remarks,
        [("plan_comment_added", {"commentId": "c1", "path": "F1", "text": "t", "by": "ada"})],
    ),
    "question that is none": (_settled, [("decision_requested", {"decision": 7})]),
    "answer by a list": (
        _settled,
        [
            ("decision_requested", {"decision": ASKED}),
            ("decision_answered", {"decisionId": "D1", "answer": "a", "by": [1]}),
        ],
    ),
    "outcome that there is not": (_outcome, [("recovery_outcome_chosen", CHOSEN | {"chosen": ["resume"]})]),
    "version within a recovery": (
        _outcome,
        [
            ("interactive_plan_revised", PLAN | {"planVersion": "two", "by": "orchestrator"}),
            ("recovery_outcome_chosen", CHOSEN),
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_impossible_data_in_a_whole_record_is_damage(tmp_path: Path, case: str) -> None:
    read, records = CASES[case]
    store = Store(tmp_path / "store")
    MissionLog.create(store, MISSION, Owner(face="test"), ev.MissionCreated(title="x", cwd="/")).release(
        "made"
    )
    caller = Caller(store, "test", "ada", None, {})
    directory = store.mission(MISSION)
    known = JournalReader(directory)
    known.read_new()
    mission = view_mission(store, MISSION)
    assert isinstance(mission, Mission)
    with directory.journal.open("ab") as out:
        for seq, (kind, data) in enumerate(records, known.last_seq + 1):
            out.write(encode(seq, 1, "2026-11-27T00:00:00.000Z", kind, data))
    with pytest.raises(MissionError) as refused:
        read(caller, mission)
    assert refused.value.code == "store_corrupt"
    assert "doctor" in refused.value.next_step
