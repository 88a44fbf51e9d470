"""What people say in the chat while a real mission runs or stands still, and the operation that each sentence leads to, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from missions.control.caller import Caller
from missions.control.chat import Answer, Chat
from missions.control.requests import send
from missions.runner.runner import RunResult
from missions.simulator.playbook import Playbook
from missions.simulator.scripts import recovery_rule, repair_operation
from support.engine import World, finished, plan_of, waiting_worker

THREE = {"M1": ["F1", "F2", "F3"]}
OPERATIONS = (
    "mission_pause_requested",
    "interactive_plan_revised",
    "feature_skipped",
    "decision_requested",
    "mission_resume_requested",
    "mission_feature_retry_requested",
    "validation_rerun_requested",
    "mission_unblock_manual",
)


def words(sentence: str, *calls: dict[str, Any], then: str = "{{result:(?s).+}}") -> dict[str, Any]:
    """A planner that makes these calls at this sentence, then says what came of them."""
    when = {"role": "planner", "text": f"(?is)</mission_state>.*{sentence}"}
    steps = [{"text": "One moment.", "tools": list(calls)}, {"text": then}]
    return {"name": f"chat: {sentence}", "when": when, "steps": steps}


def command(**given: str) -> dict[str, Any]:
    return {"name": "mission_runner_command", "input": given}


def revision(*operations: dict[str, Any]) -> dict[str, Any]:
    given = {"reason": "The user asked for it.", "operations": list(operations)}
    return {"name": "mission_revise_plan", "input": given}


STATUS = words("status update", {"name": "mission_status", "input": {}})
PAUSE = words("pause after current", command(command="pause-after-current"))
WHY = words(
    "why is it blocked",
    {"name": "mission_status", "input": {}},
    then="So: {{result:^Blocked reason: .*$}} {{result:^Block message: .*$}}",
)
RESUME = words("resume when safe", command(command="resume"))


class Talk:
    """A world whose mission is talked about."""

    def __init__(self, folder: Path, plan: dict[str, Any]) -> None:
        self.world = World(folder, plan)

    async def say(self, base_url: str, text: str) -> Answer:
        caller = self._caller(base_url)
        answer = await Chat(caller, self.world.id).send(text)
        assert answer.outcome == "ended", answer
        return answer

    def _caller(self, base_url: str) -> Caller:
        environment = {
            "ANTHROPIC_API_KEY": "sk-test-0123456789abcdef",
            "MISSIONS_BASE_URL": base_url,
            "PATH": "/usr/bin:/bin",
        }
        return Caller(self.world.store, "test", "ada", environment=environment)

    def answer(self, decision: str, answer: str) -> None:
        send(self._caller(""), "decide", self.world.id, {"decision": decision, "answer": answer}).checked()

    def operations(self) -> list[str]:
        """What the conversation, and nobody else, has brought about since the mission started."""
        records = self.world.events(*OPERATIONS)
        return [r["type"] for r in records if "requestId" in r["data"]]

    @asynccontextmanager
    async def running(self, *rules: dict[str, Any]) -> AsyncGenerator[tuple[str, asyncio.Task[RunResult]]]:
        """A runner whose worker F1 waits, with a planner by these rules at the same address."""
        with self.world.serving(self.world.playbook(waiting_worker("F1"), *rules)) as base_url:
            task = asyncio.create_task(self.world.runner(base_url).run())
            await self.world.reached()
            yield base_url, task
            self.world.let_go()
            await finished(task)

    async def stopped(self, deviations: dict[str, str], *rules: dict[str, Any]) -> Playbook:
        """A mission that the orchestrator left blocked; the playbook to talk and go on with, honest from now on."""
        playbook = self.world.playbook(deviations=deviations, recovery=[recovery_rule("leave-blocked")])
        assert (await self.world.run(playbook)).exit_code == 10
        return self.world.playbook(*rules)


async def test_a_status_update_is_read_from_the_records_and_changes_nothing(tmp_path: Path) -> None:
    talk = Talk(tmp_path, plan_of(THREE))
    async with talk.running(STATUS) as (url, task):
        answer = await talk.say(url, "Status update?")
        assert "Status: running" in answer.text
        assert "Current run: attempt 1" in answer.text
        assert "-worker-F1" in answer.text
    assert task.result().exit_code == 0
    assert talk.operations() == []


async def test_pause_after_current_pauses_once_and_at_the_border(tmp_path: Path) -> None:
    talk = Talk(tmp_path, plan_of(THREE))
    async with talk.running(PAUSE) as (url, task):
        await talk.say(url, "Please pause after current.")
        assert talk.world.mission.status == "running"
    assert task.result().exit_code == 11
    assert (talk.world.mission.status, talk.world.units()) == ("paused", ["worker F1"])
    assert talk.operations() == ["mission_pause_requested"]
    assert talk.world.events("mission_pause_requested")[0]["data"]["source"] == "test-chat"


async def test_why_it_is_blocked_is_told_from_the_records(tmp_path: Path) -> None:
    talk = Talk(tmp_path, plan_of(THREE))
    playbook = await talk.stopped({"F1": "blocked"}, WHY)
    with talk.world.serving(playbook) as url:
        answer = await talk.say(url, "Why is it blocked?")
    assert "worker_reported_blocked in worker F1" in answer.text
    assert talk.world.mission.status == "blocked"
    assert talk.operations() == []


async def test_a_validators_finding_becomes_repair_work_and_resumes_after_a_yes(tmp_path: Path) -> None:
    talk = Talk(tmp_path, plan_of({"M1": ["F1"]}))
    run = "{{text:\\d+-validator-M1\\b}}"
    repair = repair_operation("M1", "F1-repair", depends_on=["F1"])
    repair["repairs"] = {"runId": run, "defectId": "D1"}
    turn = words("turn that validator finding into repair work", revision(repair))
    playbook = await talk.stopped({"M1": "fail"}, turn, RESUME)
    with talk.world.serving(playbook) as url:
        await talk.say(url, "Turn that validator finding into repair work.")
        feature = talk.world.mission.feature("F1-repair")
        assert feature is not None
        assert (feature.origin.kind, feature.origin.defectId) == ("repair", "D1")
        assert talk.world.mission.status != "running", "a changed plan starts nothing"
        answer = await talk.say(url, "Resume when safe.")
        assert talk.world.mission.status != "running"
        assert [d.kind for d in talk.world.mission.decisions] == ["gate"]
        talk.answer(answer.asked[0], "yes")
        assert talk.world.mission.status == "running"
        assert (await finished(asyncio.create_task(talk.world.runner(url).run()))).exit_code == 0
    assert talk.world.units()[-2:] == ["worker F1-repair", "scrutiny M1"]
    assert talk.operations().count("interactive_plan_revised") == 1
    assert talk.operations().count("mission_resume_requested") == 1


async def test_a_defect_is_accepted_by_a_yes_that_saw_it_and_only_that_one(tmp_path: Path) -> None:
    talk = Talk(tmp_path, plan_of({"M1": ["F1"]}))
    accept = words(
        "accept that defect", command(command="waive-defect", defectId="D1", reason="It can wait.")
    )
    playbook = await talk.stopped({"M1": "fail"}, accept)
    with talk.world.serving(playbook) as url:
        answer = await talk.say(url, "Accept that defect.")
    decision = talk.world.mission.decisions[0]
    assert [d.id for d in talk.world.mission.decisions] == list(answer.asked)
    run = talk.world.mission.runs[1].runId
    assert decision.options[0].args["run"] == run
    assert "major: " in decision.context
    assert "Reason: It can wait." in decision.context
    assert talk.world.mission.milestones[0].validationState.waived == []
    talk.answer(decision.id, "yes")
    assert [(w.runId, w.defectId) for w in talk.world.mission.milestones[0].validationState.waived] == [
        (run, "D1")
    ]


async def test_a_no_to_the_resume_leaves_the_mission_where_it_is(tmp_path: Path) -> None:
    talk = Talk(tmp_path, plan_of({"M1": ["F1"]}))
    playbook = await talk.stopped({"F1": "blocked"}, RESUME)
    with talk.world.serving(playbook) as url:
        answer = await talk.say(url, "Resume when safe.")
        talk.answer(answer.asked[0], "no")
    assert (talk.world.mission.status, talk.world.mission.decisions) == ("blocked", [])
    assert "mission_resume_requested" not in talk.operations()


async def test_features_are_dropped_deferred_and_changed_while_another_one_runs(tmp_path: Path) -> None:
    talk = Talk(tmp_path, plan_of({"M1": ["F1", "F2", "F3", "F4"]}))
    drop = words(
        "drop F2",
        revision(
            {"op": "drop_feature", "featureId": "F2", "reason": "not wanted"},
            {"op": "edit_feature", "featureId": "F3", "claims": ["A2", "A3"]},
        ),
    )
    defer = words("defer F3", revision({"op": "move_feature", "featureId": "F3", "after": "F4"}))
    change = words(
        "change F4", revision({"op": "edit_feature", "featureId": "F4", "title": "The last piece"})
    )
    async with talk.running(drop, defer, change) as (url, task):
        for sentence in ("Drop F2.", "Defer F3 to the end.", "Change F4: call it the last piece."):
            answer = await talk.say(url, sentence)
            assert "is in force" in answer.text, answer.text
        assert [f.id for f in talk.world.mission.all_features()] == ["F1", "F4", "F3"]
    assert task.result().exit_code == 0
    assert talk.world.units() == ["worker F1", "worker F4", "worker F3", "scrutiny M1"]
    revised = talk.world.events("interactive_plan_revised")
    assert len(revised) == 3
    assert {record["data"]["reason"] for record in revised} == {"The user asked for it."}
    assert talk.world.mission.plan.version == 4


async def test_work_that_runs_or_is_done_cannot_be_dropped_in_the_chat(tmp_path: Path) -> None:
    talk = Talk(tmp_path, plan_of(THREE))
    drop = words(
        "drop F1",
        revision(
            {"op": "drop_feature", "featureId": "F1", "reason": "no"},
            {"op": "edit_feature", "featureId": "F2", "claims": ["A1", "A2"]},
        ),
    )
    async with talk.running(drop) as (url, _):
        answer = await talk.say(url, "Drop F1.")
        assert "is in force" not in answer.text
        assert "F1" in answer.text
    assert talk.world.mission.plan.version == 1
    assert talk.operations() == []
