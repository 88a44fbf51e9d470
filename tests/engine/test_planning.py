"""Planning beside the chat: templates, comments on a plan, and planning without anybody to ask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from missions.control.caller import Caller
from missions.control.chat import Chat
from missions.control.documents import show
from missions.control.plan_talk import begin, plan_without_questions
from missions.control.planning import new_from_plan
from missions.control.queries import load
from missions.control.requests import send
from missions.control.templates import skeleton, template, templates, unusable
from missions.model.errors import MissionError
from missions.model.lint import lint_plan
from missions.simulator import Simulator
from missions.simulator.demo import demo_plan, make_repository
from missions.store.catalog import list_missions
from missions.store.layout import Store

PLAN = demo_plan()


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    store = Store(tmp_path / "store")
    store.ensure()
    make_repository(tmp_path / "repository")
    return Caller(store, "test", "ada", environment={"PATH": "/usr/bin:/bin"})


def with_model(caller: Caller, url: str) -> Caller:
    environment = {
        "ANTHROPIC_API_KEY": "sk-test-0123456789abcdef",
        "MISSIONS_BASE_URL": url,
        "PATH": "/usr/bin:/bin",
    }
    return Caller(caller.store, "test", "ada", environment=environment)


def rule(text: str, when: dict[str, Any], *tools: dict[str, Any]) -> dict[str, Any]:
    return {
        "when": {"role": "planner", **when},
        "reply": {"text": text, "tools": list(tools)} if tools else {"text": text},
    }


async def test_a_plan_is_made_without_questions_for_a_pipeline(caller: Caller, tmp_path: Path) -> None:
    rules = [
        rule(
            "Then I decide.",
            {"text": "write it down as", "step": 0},
            {"name": "mission_write_plan", "input": {"plan": PLAN}},
        ),
        rule("Saved, with assumptions.", {"text": "write it down as", "step": 1}),
        rule("What do you mean?", {"text": "add measures", "step": 0}),
    ]
    with Simulator({"rules": rules}) as url:
        mission_id, answer = await plan_without_questions(
            with_model(caller, url), "add measures", tmp_path / "repository"
        )
    mission = load(caller, mission_id)
    assert (mission.status, mission.executionStartedAt) == ("planned", None)
    assert answer.text == "Saved, with assumptions."


async def test_a_planner_that_never_saves_is_an_error_that_keeps_the_conversation(
    caller: Caller, tmp_path: Path
) -> None:
    with Simulator({"rules": [rule("Hm.", {})]}) as url, pytest.raises(MissionError) as refused:
        await plan_without_questions(with_model(caller, url), "add measures", tmp_path / "repository")
    assert refused.value.code == "plan_invalid"
    assert Chat(caller, refused.value.data["mission"]).history()


async def test_without_credentials_planning_writes_nothing(
    caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with pytest.raises(MissionError) as refused:
        await plan_without_questions(caller, "add measures", tmp_path / "repository")
    assert refused.value.code == "no_credentials"
    assert list_missions(caller.store) == []


async def test_the_planner_answers_each_comment_on_the_plan(caller: Caller, tmp_path: Path) -> None:
    change = {"op": "edit_feature", "featureId": "F1", "title": "The most frequent words, ties in order"}
    rules = [
        rule(
            "Saving.", {"text": "save it", "step": 0}, {"name": "mission_write_plan", "input": {"plan": PLAN}}
        ),
        rule("Saved.", {"text": "save it", "step": 1}),
        rule(
            "Changing.",
            {"text": "comments", "step": 0},
            {"name": "mission_revise_plan", "input": {"reason": "comment", "operations": [change]}},
            {
                "name": "mission_answer_comment",
                "input": {"comment": "{{text:\\((c\\d+)\\)}}", "answer": "The title names the ties."},
            },
        ),
        rule("Done.", {"text": "comments", "step": 1}),
    ]
    with Simulator({"rules": rules}) as url:
        asking = with_model(caller, url)
        mission_id = begin(asking, "measures", tmp_path / "repository").mission
        chat = Chat(asking, mission_id)
        await chat.send("save it")
        send(asking, "comment", mission_id, {"path": "F1", "text": "What about ties?"}).checked()
        remark = load(caller, mission_id).comments[0]
        await chat.send(f"please deal with the comments ({remark.id})")
    mission = load(caller, mission_id)
    assert mission.comments == []
    assert mission.plan.version == 2
    assert mission.milestones[0].features[0].title == "The most frequent words, ties in order"
    shown = show(caller, mission_id, "comments").text
    assert "at F1, by ada test" in shown
    assert "What about ties?" in shown
    assert "Answered: The title names the ties." in shown


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/", True),
        ("F1", True),
        ("A1", True),
        ("/milestones/0/features/0/title", True),
        ("F99", False),
        ("/milestones/9", False),
        ("/title/x", False),
    ],
)
def test_a_comment_needs_a_place_in_the_plan(caller: Caller, tmp_path: Path, path: str, found: bool) -> None:
    mission_id = new_from_plan(caller, PLAN, tmp_path / "repository").mission
    reply = send(caller, "comment", mission_id, {"path": path, "text": "Why?"})
    if found:
        assert [c.path for c in load(caller, mission_id).comments] == [path]
        return
    error = reply.error or {}
    assert (reply.state, error["code"]) == ("refused", "not_found")
    assert "F1" in error["nextStep"]


def test_an_unknown_comment_cannot_be_answered(caller: Caller, tmp_path: Path) -> None:
    mission_id = begin(caller, "measures", tmp_path / "repository").mission
    reply = send(caller, "answer-comment", mission_id, {"comment": "c99", "answer": "done"})
    assert (reply.state, (reply.error or {})["code"]) == ("refused", "not_found")


def test_four_templates_ship_and_each_skeleton_has_the_form_of_a_plan(caller: Caller) -> None:
    assert {t.name for t in templates(caller.store)} >= {
        "bug-fix-campaign",
        "migration",
        "test-coverage",
        "greenfield-prototype",
    }
    for one in templates(caller.store):
        document, findings = lint_plan(json.loads(skeleton(one)))
        assert document is not None, findings


def test_a_users_own_template_is_offered_and_wins_by_name(caller: Caller) -> None:
    own = caller.store.root / "templates"
    own.mkdir()
    given = template(caller.store, "migration").model_copy(update={"about": "as we do it"})
    (own / "migration.json").write_text(given.model_dump_json())
    (own / "broken.json").write_text("{")
    assert template(caller.store, "migration").about == "as we do it"
    assert [sentence.split(":")[0] for sentence in unusable(caller.store)] == [
        f"{own / 'broken.json'} is no template"
    ]


def test_a_wrong_template_names_those_there_are(caller: Caller, tmp_path: Path) -> None:
    with pytest.raises(MissionError, match="no template 'bugs'") as refused:
        begin(caller, "x", tmp_path / "repository", template_name="bugs")
    assert "bug-fix-campaign" in refused.value.next_step


async def test_the_planner_is_told_about_the_template(caller: Caller, tmp_path: Path) -> None:
    with Simulator({"rules": [rule("Which bugs?", {})]}) as url:
        service_caller = with_model(caller, url)
        mission_id = begin(
            service_caller, "the parser's bugs", tmp_path / "repository", template_name="bug-fix-campaign"
        ).mission
        await Chat(service_caller, mission_id).send("the parser's bugs")
    transcript = caller.store.mission(mission_id).chat_transcript.read_text()
    assert "bug-fix campaign" in transcript
