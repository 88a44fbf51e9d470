"""The demonstration's chat: scripted words, real operations, and every place of it has something to say."""

from __future__ import annotations

from pathlib import Path

import pytest

from missions.control.caller import Caller
from missions.control.chat import Answer, Chat
from missions.control.control import Control
from missions.simulator.demo import demo_plan, make_repository
from missions.store.layout import Store


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Control:
    monkeypatch.setenv("MISSIONS_DEMO_PACE", "0.0001")
    store = Store(tmp_path / "store")
    store.ensure()
    return Control(store, face="test", user="ada", environment={"PATH": "/usr/bin:/bin"})


@pytest.fixture
def name(control: Control, tmp_path: Path) -> str:
    repository = make_repository(tmp_path / "tally")
    return control.new_from_plan(demo_plan(), repository, demo=True).mission


async def say(caller: Caller, name: str, text: str) -> Answer:
    answer = await Chat(caller, name).send(text)
    assert answer.outcome == "ended"
    assert "no rule" not in answer.text
    assert "{{" not in answer.text, answer.text
    return answer


async def test_a_planned_demo_tells_its_status_and_asks_before_it_starts(control: Control, name: str) -> None:
    hello = await say(control.caller, name, "Hello, who are you?")
    assert "simulated planner" in hello.text
    status = await say(control.caller, name, "status update, please")
    assert "**planned**, 0/6" in status.text
    blocked = await say(control.caller, name, "Why is it blocked?")
    assert "not blocked" in blocked.text
    refused = await say(control.caller, name, "pause after current")
    assert "not possible now" in refused.text
    answer = await say(control.caller, name, "go ahead and start it")
    assert len(answer.asked) == 1
    assert control.mission(name).status == "planned"


async def test_a_stopped_demo_resumes_after_a_yes_and_leaves_a_feature_out_when_asked(
    control: Control, name: str
) -> None:
    control.start(name, accept={"plan", "no-sandbox"}, host="here")
    paused = await say(control.caller, name, "pause after current")
    assert "pauses as soon as" in paused.text
    assert control.mission(name).status == "paused"
    skipped = await say(control.caller, name, "skip F5")
    assert skipped.text.startswith("F5 is left out")
    assert [f.id for f in control.mission(name).all_features() if f.status == "skipped"] == ["F5"]
    answer = await say(control.caller, name, "resume when safe")
    assert control.mission(name).status == "paused"
    control.request("decide", name, {"decision": answer.asked[0], "answer": "yes"}).checked()
    assert control.mission(name).status == "running"


async def test_a_blocked_demo_says_why(control: Control, name: str) -> None:
    control.start(name, accept={"plan", "no-sandbox"}, host="here")
    control.request("block", name, {"reason": "The colours are wrong."}).checked()
    answer = await say(control.caller, name, "why is it blocked?")
    assert "The colours are wrong." in answer.text
