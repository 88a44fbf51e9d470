"""Every operation as a workspace command: what it answers, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.engine import plan_of
from support.lsp_client import PROFILES, LspError, connected
from support.lsp_missions import START, Scene, counted, titles, waits

UNKNOWN = "mission-20200101000000-nobody"

ON_A_MISSION: dict[str, dict[str, Any]] = {
    "run": {},
    "resume": {},
    "pause": {},
    "cancel": {},
    "retry": {"feature": "F1"},
    "rerun-validation": {"milestone": "M1"},
    "skip": {"feature": "F1", "reason": "not needed"},
    "waive": {"defect": "D1", "reason": "accepted"},
    "block": {"reason": "wait"},
    "unblock": {},
    "steer": {"text": "mind the gap"},
    "decide": {"answer": "yes"},
    "budget": {"usd": 3},
    "write-plan": {"plan": {}},
    "revise-plan": {
        "reason": "why",
        "operations": [{"op": "drop_feature", "featureId": "F1", "reason": "x"}],
    },
    "finish": {},
    "abandon": {},
    "delete": {"confirmed": True},
    "status": {},
    "show": {},
    "estimate": {},
    "validate": {},
    "restore": {"list": True},
    "request-confirmation": {"op": "run", "question": "Go?"},
    "send": {"text": "hello"},
    "repair": {"defect": "D1"},
    "apply-plan": {},
    "control": {},
    "open": {"document": "control"},
    "export": {"path": "out.tar.gz"},
    "doctor": {},
    "watch": {},
}
"""Good arguments of every command that is about a mission."""


async def test_every_command_about_a_mission_refuses_an_unknown_id_and_what_is_no_id(tmp_path: Path) -> None:
    async with connected(tmp_path / "home", "vscode", tmp_path) as client:
        for name, argument in ON_A_MISSION.items():
            error = await client.run_error(name, {**argument, "mission": UNKNOWN})
            assert (name, error.data["code"]) == (name, "not_found")
            assert error.data["nextStep"], name
            error = await client.run_error(name, {**argument, "mission": "../../etc"})
            assert (name, error.data["code"]) == (name, "bad_argument")


async def test_every_command_refuses_a_field_it_does_not_know_and_names_it(tmp_path: Path) -> None:
    async with connected(tmp_path / "home", "vscode", tmp_path, initialize=False) as client:
        commands = (await client.initialize(tmp_path))["capabilities"]["executeCommandProvider"]["commands"]
        assert {f"missions.{name}" for name in ON_A_MISSION} < set(commands)
        for command in commands:
            name = command.removeprefix("missions.")
            argument = {**ON_A_MISSION.get(name, {}), "nonsense": 1}
            error = await client.run_error(name, argument)
            assert (name, error.code, error.data["code"]) == (name, -32602, "bad_argument")
            assert "nonsense" in error.message, name


@pytest.mark.parametrize("profile", PROFILES)
async def test_looking_at_a_mission_answers_the_same_in_every_client(tmp_path: Path, profile: str) -> None:
    scene = Scene(tmp_path)
    async with scene.client(profile) as client:
        status = await client.run("status")
        assert status["data"]["id"] == scene.mission
        assert f"ID: {scene.mission}" in status["text"]
        listed = await client.run("list")
        assert [row["id"] for row in listed["data"]["missions"]] == [scene.mission]
        assert (await client.run("validate"))["data"]["valid"] is True
        assert (await client.run("estimate"))["data"]["mission"] == scene.mission
        assert (await client.run("show", {"artifact": "plan"}))["data"]["json"]["title"] == scene.world.plan[
            "title"
        ]
        assert set((await client.run("models"))["data"]["models"]) == {
            "planner",
            "worker",
            "validator",
            "orchestrator",
        }
        events = (await client.run("watch", {"sinceSeq": 1}))["data"]
        assert events["events"][0]["seq"] == 2
        assert events["lastSeq"] == events["events"][-1]["seq"]
        assert (await client.run("doctor", {"mission": scene.mission}))["data"]["healthy"] is True
        assert (await client.run("gc", {"dryRun": True}))["data"]["dryRun"] is True


async def test_ids_are_completed_by_their_beginning_and_by_their_title(tmp_path: Path) -> None:
    scene = Scene(tmp_path, plan_of({"M1": ["F1", "F2"], "M2": ["F3"]}))
    async with scene.client() as client:

        async def ids(kind: str, prefix: str = "") -> list[str]:
            return [
                item["id"]
                for item in (await client.run("complete", {"kind": kind, "prefix": prefix}))["items"]
            ]

        assert await ids("mission", "mission-") == [scene.mission]
        assert await ids("mission", "PIECES") == [scene.mission]
        assert await ids("milestone") == ["M1", "M2"]
        assert await ids("feature", "f") == ["F1", "F2", "F3"]
        assert await ids("feature", "piece f3") == ["F3"]
        assert await ids("assertion", "A2") == ["A2"]
        assert "rerun-validation" in await ids("operation", "re")
        assert "worker" in await ids("role")
        assert await ids("model")
        assert await ids("template", "mi") == ["migration"]
        assert await ids("run") == await ids("decision") == await ids("defect") == []
        assert (await client.run_error("complete", {"kind": "nothing"})).data["code"] == "bad_argument"


async def test_a_plan_becomes_a_mission_and_a_bad_one_leaves_no_trace(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    async with scene.client() as client:
        made = await client.run("new", {"plan": plan_of(title="Another one")})
        assert made["data"]["state"] == "applied"
        broken = {**plan_of(), "milestones": []}
        error = await client.run_error("new", {"plan": broken})
        assert error.data["code"] == "plan_invalid"
        assert error.data["data"]["findings"]
        path = tmp_path / "plan.json"
        path.write_text("{ not json", "utf-8")
        assert (await client.run_error("new", {"planPath": path.as_uri()})).data["code"] == "plan_invalid"
        assert (await client.run("validate", {"planPath": str(path)}))["data"]["valid"] is False
        assert len((await client.run("list"))["data"]["missions"]) == 2
        error = await client.run_error("status")
        assert error.data["code"] == "ambiguous"
        assert made["data"]["mission"] in str(error.data)


async def test_an_operation_that_the_state_does_not_allow_says_so_and_what_to_do(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    refused = ("pause", "cancel", "retry", "rerun-validation", "block", "unblock", "steer", "finish", "waive")
    async with scene.client() as client:
        for name in refused:
            error = await client.run_error(name, ON_A_MISSION[name])
            assert (name, error.code, error.data["code"]) == (name, -32803, "wrong_state")
            assert error.data["nextStep"], name


async def test_what_needs_a_yes_is_asked_and_only_done_after_it(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    async with scene.client() as client:
        assert (await client.run_error("delete")).data["code"] == "declined"
        client.choices = ["Cancel"]
        assert (await client.run_error("delete")).data["code"] == "declined"
        assert len(titles(client)) == 2
        client.choices = ["Delete"]
        assert (await client.run("delete"))["state"] == "applied"
        assert (await client.run("list"))["data"]["missions"] == []


async def test_a_client_that_cannot_ask_confirms_by_the_argument(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    async with scene.client("bare") as client:
        error = await client.run_error("delete")
        assert error.data["code"] == "confirmation_needed"
        assert "confirmed" in error.data["nextStep"]
        assert (await client.run("delete", {"confirmed": True}))["state"] == "applied"


async def test_starting_names_what_will_happen_and_silence_is_no_consent(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    async with scene.serving(), scene.client() as client:
        assert (await client.run_error("run")).data["code"] == "declined"
        question = titles(client)[0]
        about = client.asked("window/showMessageRequest")[0]["data"]
        assert about == {"command": "missions.run", "request": about["request"]}
        assert isinstance(about["request"], int)
        for said in (
            scene.world.plan["title"],
            scene.mission,
            str(scene.root),
            "plan version 1",
            "$50.00",
            "worker",
        ):
            assert said in question
        assert scene.status == "planned"
        client.choices = ["Cancel"]
        assert (await client.run_error("run")).data["code"] == "declined"
        assert scene.status == "planned"
        assert scene.owner() is None


async def test_cancelling_the_command_while_it_asks_starts_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    async with scene.serving(), scene.client() as client:
        client.handlers["window/showMessageRequest"] = lambda params: _never()
        number = client.send_request(
            "workspace/executeCommand", {"command": "missions.run", "arguments": [{}]}
        )
        await client.until(lambda: titles(client), "the question")
        client.notify("$/cancelRequest", {"id": number})
        with pytest.raises(LspError) as caught:
            await client.response(number)
        assert caught.value.data["code"] == "cancelled"
        assert await client.until(lambda: client.of("$/cancelRequest"), "the question to be taken back")
        assert (scene.status, scene.owner()) == ("planned", None)


async def test_a_yes_to_another_version_of_the_plan_is_asked_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path)

    def change_and_say_yes(params: Any) -> Any:
        if len(titles(client)) == 1:
            scene.world.request("write-plan", plan=plan_of(title="Put other pieces in place"))
        return {"title": "Start"} if "Start “" in params["message"] else {"title": "Run without sandbox"}

    async with scene.serving(waits()), scene.client() as client:
        client.handlers["window/showMessageRequest"] = change_and_say_yes
        started = await client.run("run", deadline=60)
        assert started["value"]["host"] == "process"
        plans = [title for title in titles(client) if "plan version" in title]
        assert ["version 1" in plans[0], "version 2" in plans[1]] == [True, True]
        assert "Put other pieces" in plans[1]


async def test_a_client_that_cannot_ask_leaves_the_question_and_a_later_yes_starts_the_mission(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path)
    async with scene.serving(), scene.client("bare") as client:
        error = await client.run_error("run")
        assert error.data["code"] == "confirmation_needed"
        decision = error.data["data"]["decision"]
        assert scene.world.mission.decisions[0].id == decision
        assert (await client.run_error("decide", {"answer": "perhaps"})).data["code"] == "bad_argument"
        answered = await client.run("decide", {"decision": decision, "answer": "yes"}, 60)
        assert answered["value"]["resumed"] is True
        await scene.is_now(client, "complete")


async def test_answers_given_with_the_command_need_no_question(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    async with scene.serving(), scene.client("bare") as client:
        started = await client.run("run", {"accept": ["plan", "no-sandbox"], "planVersion": 1}, 60)
        assert started["state"] == "applied"
        await scene.is_now(client, "complete")
        opened = await client.run("open", {"document": "report"})
        assert opened["uri"].startswith("file:")
        assert (await client.run("finish"))["value"]["branch"] == "main"
        assert (await client.run("clear", {"confirmed": True}))["value"]["cleared"] == [scene.mission]


async def test_a_window_that_does_not_own_the_mission_steers_it_through_the_owner(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    async with scene.serving(waits()), scene.client() as first, scene.client("neovim") as second:
        first.choices = list(START)
        started = await first.run("run", deadline=60)
        await scene.reached(first)
        again = await second.run("run", {"accept": ["plan", "no-sandbox"]})
        assert again["value"]["already"] is True
        assert again["value"]["pid"] == started["value"]["pid"] == scene.owner()
        assert (await second.run("steer", {"text": "Mind the spelling."}))["state"] == "applied"
        assert (await second.run_error("delete", {"confirmed": True})).data["code"] == "locked"
        assert (await second.run_error("block")).data["code"] == "wrong_state"
        assert (await second.run("pause"))["state"] == "applied"
        scene.world.let_go()
        await scene.is_now(first, "paused")
        status = await second.until(lambda: counted(second, "paused"), "the other window")
        assert status


def _never() -> Any:
    from support.lsp_client import NEVER

    return NEVER
