"""Progress of a mission in the window it belongs to: success, a block, cancel; and its questions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from missions.simulator.scripts import recovery_rule
from support.engine import plan_of
from support.lsp_client import Client, connected
from support.lsp_missions import START, Scene, counted, last, titles, waits


def of_mission(client: Client) -> list[list[dict[str, Any]]]:
    return [values for values in client.progress.values() if values and values[0]["kind"] == "begin"]


def ended(client: Client) -> bool:
    found = of_mission(client)
    return bool(found) and found[-1][-1]["kind"] == "end"


async def test_a_mission_that_succeeds_shows_its_units_and_ends_its_progress_in_every_window(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path, plan_of({"M1": ["F1", "F2"]}))
    async with (
        scene.serving(),
        scene.client("vscode") as code,
        scene.client("neovim") as neovim,
        scene.client("lsp318") as newest,
    ):
        code.choices = list(START)
        await code.run("run", deadline=60)
        await scene.is_now(code, "complete")
        for client in (code, neovim, newest):
            await client.until(lambda c=client: ended(c), "the end of the progress", 60)
            values = of_mission(client)[-1]
            assert values[0]["title"] == scene.world.plan["title"]
            assert values[0]["cancellable"] is True
            percentages = [value["percentage"] for value in values if "percentage" in value]
            assert percentages == sorted(percentages)
            assert values[-1]["message"] == "complete"


async def test_a_mission_that_is_blocked_ends_its_progress_and_says_what_is_waited_for(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path)
    async with scene.serving(deviations={"F1": "blocked"}), scene.client() as client:
        client.choices = list(START)
        await client.run("run", deadline=60)
        await scene.is_now(client, "blocked")
        await client.until(lambda: ended(client), "the end of the progress", 60)
        assert of_mission(client)[-1][-1]["message"] == "blocked"
        status = await client.until(
            lambda: last(client.of("missions/status"))["waiting"], "what is waited for"
        )
        assert status[0]["mission"] == scene.mission


async def test_cancelling_the_progress_pauses_after_the_current_unit_and_says_so(tmp_path: Path) -> None:
    scene = Scene(tmp_path, plan_of({"M1": ["F1", "F2"]}))
    async with scene.serving(waits()), scene.client() as client:
        client.choices = list(START)
        await client.run("run", deadline=60)
        await scene.reached(client)
        token = await client.until(lambda: next(iter(client.progress), None), "the progress")
        client.notify("window/workDoneProgress/cancel", {"token": token})
        await client.until(lambda: client.of("window/showMessage"), "the word about it")
        assert "pauses after the current unit" in client.of("window/showMessage")[0]["message"]
        assert scene.status == "running"
        scene.world.let_go()
        await scene.is_now(client, "paused")
        assert scene.world.units() == ["worker F1"]
        await client.until(lambda: ended(client), "the end of the progress")


async def test_a_new_server_shows_the_progress_again_and_other_windows_do_not(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with scene.serving(waits()):
        async with scene.client() as client:
            client.choices = list(START)
            await client.run("run", deadline=60)
            await scene.reached(client)
        async with scene.client() as again, connected(scene.world.store.root, "vscode", elsewhere) as other:
            await again.until(lambda: of_mission(again), "the progress")
            await other.until(lambda: counted(other, "running"), "the status")
            assert of_mission(other) == []
            scene.world.let_go()
            await scene.is_now(again, "complete")
            await again.until(lambda: ended(again), "the end")


async def test_a_client_that_never_answers_keeps_a_working_server(tmp_path: Path) -> None:
    from support.lsp_client import NEVER

    scene = Scene(tmp_path)
    async with scene.serving(), scene.client(initialize=False) as client:
        client.handlers = dict.fromkeys(client.handlers, lambda params: NEVER)
        await client.initialize(scene.root)
        started = await client.run("run", {"accept": ["plan", "no-sandbox"]}, 60)
        assert started["state"] == "applied"
        await scene.is_now(client, "complete")
        await client.until(lambda: counted(client, "completed"), "the status")
        assert (await client.run("status"))["data"]["status"] == "complete"


async def test_a_question_is_told_asked_once_and_taken_back_when_another_face_answers(tmp_path: Path) -> None:
    from support.lsp_client import NEVER

    scene = Scene(tmp_path)
    async with scene.client() as client, scene.client() as other:
        for one in (client, other):
            one.handlers["window/showMessageRequest"] = lambda params: NEVER
            await one.until(lambda o=one: o.of("missions/status"), "the first status")
        scene.request("request-confirmation", op="run", args={"accept": ["plan"]}, question="Really start?")
        for one in (client, other):
            opened = await one.until(lambda o=one: o.of("missions/decision"), "the question")
            assert (opened[0]["state"], opened[0]["question"]) == ("opened", "Really start?")
            assert [option["id"] for option in opened[0]["options"]] == ["yes", "no"]
            await one.until(lambda o=one: titles(o), "the question with buttons")
            about = one.asked("window/showMessageRequest")[0]["data"]
            assert about == {"mission": scene.mission, "decision": opened[0]["decision"]}
        waiting = await client.until(lambda: last(client.of("missions/status"))["waiting"], "the status")
        assert waiting[0]["kind"] == "confirmation"
        scene.world.decide("no")
        for one in (client, other):
            closed = await one.until(lambda o=one: o.of("missions/decision")[1:], "the answer")
            assert (closed[0]["state"], closed[0]["answer"]) == ("answered", "no")
            await one.until(lambda o=one: o.of("$/cancelRequest"), "the question to be taken back")
            assert len(titles(one)) == 1
        assert scene.status == "planned"


async def test_a_question_that_takes_any_words_is_told_with_its_options_too(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    choices = [
        {"id": "ada", "label": "Ada", "consequence": "It is called Ada."},
        {"id": "bob", "label": "Bob", "consequence": "It is called Bob."},
    ]
    asks = recovery_rule("ask-user", when={"attempt": 1}, question="Which name?", options=choices)
    leaves = recovery_rule("leave-blocked", when={"first": r"\bCleo\b"})
    async with scene.serving(deviations={"F1": "blocked"}, recovery=[leaves, asks]), scene.client() as client:
        client.choices = list(START)
        await client.run("run", deadline=60)
        [told] = await client.until(lambda: client.of("missions/decision"), "the question", 60)
        assert (told["question"], told["freeText"]) == ("Which name?", True)
        assert [(o["id"], o["detail"]) for o in told["options"]] == [
            ("ada", "It is called Ada."),
            ("bob", "It is called Bob."),
        ]
        await client.run("decide", {"mission": scene.mission, "answer": "Cleo, after all"})
        closed = await client.until(lambda: client.of("missions/decision")[1:], "the answer")
        assert (closed[0]["state"], closed[0]["answer"]) == ("answered", "Cleo, after all")
        await scene.is_now(client, "blocked")


async def test_an_answer_pressed_in_the_editor_starts_the_mission_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    gates = {"accept": ["plan", "no-sandbox"]}
    async with scene.serving(), scene.client() as client, scene.client() as other:
        for one in (client, other):
            one.choices = ["Yes"]
            await one.until(lambda o=one: o.of("missions/status"), "the first status")
        scene.request("request-confirmation", op="run", args=gates, question="Really start?")
        await scene.is_now(client, "complete")
        assert len(scene.world.events("mission_execution_started")) == 1
        runs = [e for e in scene.world.events("runner_acquired") if e["data"].get("purpose") == "run"]
        assert len(runs) == 1
