"""A planning conversation from the first wish to the yes: questions, a rejected draft, a refused plan, a revision."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from missions.control.chat import Chat
from missions.control.control import Control
from missions.control.plan_talk import plan_without_questions
from missions.model.errors import MissionError
from missions.simulator import Playbook, Simulator
from support.desk import KEY, Desk

PLAYBOOK = Path(__file__).resolve().parents[1] / "support" / "playbooks" / "planning.json"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_a_plan_grows_in_seven_turns_and_starts_by_the_persons_yes_alone(desk: Desk) -> None:
    with Simulator(PLAYBOOK) as url:
        desk.environment.update(MISSIONS_BASE_URL=url, ANTHROPIC_API_KEY=KEY)
        control: Control = desk.control()
        name = control.begin("greet in more languages", desk.root).mission
        chat = Chat(control.caller, name)
        said = [
            (await chat.send(words)).text
            for words in (
                "I want it to greet in more languages",
                "French, and an error for others",
                "No web page, that is too much",
                "Yes, keep that draft",
            )
        ]
        assert said[0].endswith("?"), "it asks before it plans"
        assert "**F3** A web page" in said[1]
        assert "F3" not in said[2], "the rejected draft is gone"
        for words in (
            "**F1** Choose the language (claims A1)",
            "## Assumptions\n\n- French means",
            "- No web page.",
            "## Contract: 2 assertions",
            "missing: The repository has no AGENTS.md",
            "## Estimate\n\n- about",
        ):
            assert words in said[2], words
        assert "Plan version 1" in said[3]
        assert desk.mission(name).plan.version == 1
        assert desk.journal(name).count("interactive_plan_written") == 1, "drafts left nothing"
        assert [f.id for f in desk.mission(name).all_features()] == ["F1", "F2"]

        await chat.send("German is not needed, say so in F1")
        mission = desk.mission(name)
        assert (mission.plan.version, mission.status) == (2, "planned")
        assert mission.all_features()[0].title == "Choose English or French"
        history = sorted(path.name for path in (desk.store.mission(name).plan / "history").iterdir())
        assert history == ["1", "2"]
        changes = (desk.store.mission(name).plan / "history" / "2" / "changes.md").read_text()
        assert "~ feature F1: title “Choose the language” → “Choose English or French”" in changes
        told = control.show(name, "history").text
        assert "Version 2" in told
        assert "by test-chat: The user wants F1 to say which languages there are." in told
        assert "  ~ feature F1: title" in told

        first = await chat.send("start it")
        again = await chat.send("start it, please")
        open_now = desk.mission(name).decisions
        assert [d.id for d in open_now] == [first.asked[0]], "asked twice, it is one question"
        assert again.asked == first.asked
        assert desk.mission(name).status == "planned"
        assert "Start version 2" in open_now[0].question
        for fact in ("Repository", "Branch", "Units", "Budget", "Models", "Sandbox", "Network", "Commits by"):
            assert fact in open_now[0].context, fact

        control.request("decide", name, {"decision": first.asked[0], "answer": "yes"}).checked()
    mission = desk.mission(name)
    assert mission.status == "running"
    started = [e for e in control.show(name, "events").data if e["type"] == "mission_execution_started"]
    assert [e["data"]["planVersion"] for e in started] == [2]
    assert len([e for e in chat.history() if e.role == "user"]) == 7


async def test_a_draft_is_shown_to_every_face_and_is_no_plan(desk: Desk) -> None:
    with Simulator(PLAYBOOK) as url:
        desk.environment.update(MISSIONS_BASE_URL=url, ANTHROPIC_API_KEY=KEY)
        control = desk.control()
        name = control.begin("greet in more languages", desk.root).mission
        with pytest.raises(MissionError, match="no draft"):
            control.show(name, "draft")
        assert "not_found" not in (await Chat(control.caller, name).send("Yes, keep that draft")).text
        await Chat(control.caller, name).send("French, and an error for others")
        draft = control.show(name, "draft")
        assert draft.text.count("**F3** A web page") == 1
        assert draft.data["title"] == "Greet in more languages"
        assert (desk.mission(name).status, desk.mission(name).plan.version) == ("planning", 0)
        await Chat(control.caller, name).send("Yes, keep that draft")
        assert control.show(name, "plan").data == draft.data, "what is saved is what was shown"
        with pytest.raises(MissionError, match="no draft"):
            control.show(name, "draft")


async def test_the_planner_can_only_read_and_has_its_research_done_by_children_that_only_read(
    desk: Desk,
) -> None:
    before = desk.user.contents()
    with Simulator(PLAYBOOK) as url:
        desk.environment.update(MISSIONS_BASE_URL=url, ANTHROPIC_API_KEY=KEY)
        control = desk.control()
        name = control.begin("options", desk.root).mission
        answer = await Chat(control.caller, name).send("How are options parsed?")
    assert "no option parser" in answer.text
    children = sorted(desk.store.mission(name).chat.glob("research-*.jsonl"))
    assert len(children) == 4
    assert desk.user.contents() == before


async def test_at_most_three_children_are_at_work_at_once(desk: Desk) -> None:
    playbook = json.loads(PLAYBOOK.read_text())
    for rule in playbook["rules"]:
        if rule["name"] == "researcher":
            rule["reply"]["faults"] = [{"kind": "slow-start", "seconds": 0.5, "times": None}]
    service = Simulator(Playbook.from_data(playbook))
    desk.environment.update(MISSIONS_BASE_URL=service.start(), ANTHROPIC_API_KEY=KEY)
    try:
        control = desk.control()
        name = control.begin("options", desk.root).mission
        await Chat(control.caller, name).send("How are options parsed?")
    finally:
        service.stop()
    spans: list[tuple[str, str]] = []
    for path in desk.store.mission(name).chat.glob("research-*.jsonl"):
        records = [json.loads(line) for line in path.read_text().splitlines()]
        asked = next(r["at"] for r in records if r["type"] == "request")
        answered = next(r["at"] for r in records if r["type"] == "assistant")
        spans.append((asked, answered))
    assert len(spans) == 4
    for moment, _ in spans:
        assert sum(begin <= moment < end for begin, end in spans) <= 3


def test_a_pipeline_plans_from_a_file_and_gets_one_document(desk: Desk) -> None:
    goal = desk.folder / "spec.md"
    goal.write_text("# Goal\n\nGood, save it.\n")
    with Simulator(PLAYBOOK) as url:
        more = {"MISSIONS_BASE_URL": url, "ANTHROPIC_API_KEY": KEY}
        said = desk.missions("plan", "--goal-file", str(goal), "--cwd", str(desk.root), "--json", **more)
        assert said.code == 0, said
        made = said.json
        assert (made["status"], made["planVersion"]) == ("planned", 1)
        assert made["assumptions"] == ["French means `Bonjour`."]
        assert [f["id"] for f in made["plan"]["milestones"][0]["features"]] == ["F1", "F2"]
        assert made["estimate"]["runs"]["likely"] >= 3
        shown = desk.missions("plan", "Good, save it.", "--yes", **more)
        assert "assumed: French means" in shown.out
        assert "missions run mission-" in shown.out
    assert desk.mission(made["mission"]).executionStartedAt is None


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("plan",), 2, "no goal"),
        (("plan", "a boat", "--goal-file", "b.md"), 2, "twice"),
        (("plan", "--goal-file", "nothing.md"), 2, "cannot be read"),
        (("plan", "a boat"), 1, "ANTHROPIC_API_KEY"),
        (("chat",), 2, "missions send"),
        (("send",), 1, "No mission"),
        (("new", "--template", "boats", "x"), 1, "bug-fix-campaign"),
        (("new", "--out", "plan.json"), 2, "--template"),
    ],
)
def test_wrong_uses_of_the_planning_commands_write_nothing(
    desk: Desk, arguments: tuple[str, ...], code: int, words: str
) -> None:
    said = desk.missions(*arguments)
    assert (said.code, words in said.err) == (code, True), said
    assert desk.control().list()["missions"] == []


def test_a_goal_in_a_script_begins_a_mission_that_send_talks_to(desk: Desk) -> None:
    begun = desk.missions("new", "greet in more languages")
    assert "is in planning" in begun.out
    with Simulator(PLAYBOOK) as url:
        more = {"MISSIONS_BASE_URL": url, "ANTHROPIC_API_KEY": KEY}
        said = desk.missions("send", "I want more languages", **more)
        assert (said.code, said.out) == (
            0,
            "Which languages, and what shall happen with one that is not known?\n",
        )
        assert desk.missions("send", "-", given="Good, save it\n", **more).code == 0
        asked = desk.missions("send", "start it", "--json", **more).json
        assert asked["outcome"] == "ended"
        name = desk.control().list()["missions"][0]["id"]
        assert [d.id for d in desk.mission(name).decisions] == asked["asked"]
        told = desk.missions("send", "start it", **more)
        assert f"missions decide {name} {asked['asked'][0]} yes" in told.err
    assert desk.mission(name).status == "planned"


def test_a_template_can_be_filled_in_by_hand_or_told_to_the_planner(desk: Desk) -> None:
    listed = desk.missions("templates").out
    for name in ("bug-fix-campaign", "migration", "test-coverage", "greenfield-prototype"):
        assert name in listed
    file = desk.root / "plan.json"
    assert desk.missions("new", "--template", "migration", "--out", str(file)).code == 0
    assert "Move from" in json.loads(file.read_text())["title"]
    assert "is there already" in desk.missions("new", "--template", "migration", "--out", str(file)).err
    begun = desk.missions("new", "--template", "migration", "from A to B", "--json").json
    assert desk.mission(begun["mission"]).goal.endswith("template: migration")


async def test_that_nobody_is_there_is_said_while_it_is_so_and_a_specification_may_be_long(
    desk: Desk,
) -> None:
    goal = "Good, save it.\n" + "One more line of a long specification.\n" * 1000
    with Simulator(PLAYBOOK) as url:
        desk.environment.update(MISSIONS_BASE_URL=url, ANTHROPIC_API_KEY=KEY)
        caller = desk.control().caller
        name, _ = await plan_without_questions(caller, goal, desk.root)
        transcript = desk.store.mission(name).chat_transcript
        assert transcript.read_text().count("Nobody can answer questions now") == 1
        await Chat(caller, name).send("start it")
        assert transcript.read_text().count("Nobody can answer questions now") == 1, "somebody is there now"
        with pytest.raises(MissionError, match="too long"):
            await plan_without_questions(caller, "x" * 300_000, desk.root)
        assert len(desk.control().list()["missions"]) == 1


def test_a_remark_on_the_plan_is_kept_for_the_planner(desk: Desk) -> None:
    name = desk.saved()
    said = desk.missions("comment", name, "F1", "What", "about", "ties?")
    assert (said.code, "noted at F1" in said.out) == (0, True), said
    assert [(c.path, c.text) for c in desk.mission(name).comments] == [("F1", "What about ties?")]
    assert desk.missions("comment", name, "F1").code == 2
