"""Requests reach the mission exactly once, whoever owns it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from missions.model.errors import MissionError
from missions.model.mission import DecisionOption
from missions.runner.errands import serve_inbox
from missions.store import inbox
from missions.store.inbox import Expect
from support.desk import Desk
from support.liars import small_plan
from support.waiting import until


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_free_mission_is_changed_at_once(desk: Desk) -> None:
    name = desk.saved()
    desk.asking(name)
    reply = desk.control().request("skip", name, {"feature": "F1", "reason": "not needed"})
    assert (reply.state, reply.mission) == ("applied", name)
    assert desk.mission(name).all_features()[0].status == "skipped"
    assert not desk.control().runner_alive(name)


def test_a_refusal_says_why_and_records_nothing(desk: Desk) -> None:
    name = desk.saved()
    reply = desk.control().request("pause", name)
    assert reply.state == "refused"
    assert reply.error is not None
    assert reply.error["code"] == "wrong_state"
    assert reply.error["nextStep"]
    assert "mission_pause_requested" not in desk.journal(name)
    with pytest.raises(MissionError) as raised:
        reply.checked()
    assert raised.value.code == "wrong_state"


@pytest.mark.parametrize(
    ("op", "args", "code"),
    [
        ("pase", {}, "bad_argument"),
        ("pause", {"soon": True}, "bad_argument"),
        ("skip", {"feature": "F1"}, "bad_argument"),
        ("finish", {}, "bad_argument"),
    ],
)
def test_wrong_operations_and_arguments_are_refused_before_the_mission_is_touched(
    desk: Desk, op: str, args: dict[str, object], code: str
) -> None:
    name = desk.saved()
    before = desk.journal(name)
    with pytest.raises(MissionError) as refused:
        desk.control().request(op, name, args)
    assert refused.value.code == code
    assert desk.journal(name) == before


@pytest.mark.parametrize(
    "name", ["mission-20990101000000-zzzzzz", "../x", "mission-A", "", "mission-" + "a" * 80]
)
def test_an_unknown_or_malformed_id_is_an_error_and_makes_nothing(desk: Desk, name: str) -> None:
    with pytest.raises(MissionError) as refused:
        desk.control().request("pause", name)
    assert refused.value.code in ("not_found", "bad_argument")
    assert not desk.store.root.exists()


def test_a_near_miss_of_an_id_is_suggested(desk: Desk) -> None:
    name = desk.saved()
    wrong = name[:-1] + ("a" if name[-1] != "a" else "b")
    with pytest.raises(MissionError) as refused:
        desk.control().resolve(wrong, None)
    assert name in refused.value.next_step


def test_an_unknown_feature_names_those_there_are(desk: Desk) -> None:
    name = desk.saved(small_plan(("F1", "F2")))
    desk.asking(name)
    reply = desk.control().request("skip", name, {"feature": "F9", "reason": "x"})
    assert reply.error is not None
    assert reply.error["code"] == "not_found"
    assert "F1, F2" in reply.error["nextStep"]


def test_a_request_about_an_older_plan_is_a_conflict(desk: Desk) -> None:
    name = desk.saved()
    desk.control().request("write-plan", name, {"plan": small_plan(("F1", "F2"))})
    reply = desk.control().request("run", name, expect=Expect(planVersion=1))
    assert reply.error is not None
    assert reply.error["code"] == "conflict"
    assert desk.mission(name).status == "planned"


def test_while_a_process_owns_the_mission_the_request_waits_in_its_inbox(desk: Desk) -> None:
    name = desk.saved()
    with desk.owned(name) as log:
        reply = desk.control().request("run", name, wait=0.2)
        assert reply.state == "queued"
        assert inbox.waiting(log.directory) == [reply.request]
        serve_inbox(log, None)
    assert desk.mission(name).status == "running"


def test_the_owner_s_answer_reaches_the_caller(desk: Desk) -> None:
    name = desk.saved()
    replies: list[object] = []
    with desk.owned(name) as log:
        caller = threading.Thread(
            target=lambda: replies.append(desk.control().request("pause", name, wait=20).error)
        )
        caller.start()
        until(lambda: serve_inbox(log, None))
        caller.join(20)
    assert isinstance(replies[0], dict)
    assert replies[0]["code"] == "wrong_state"


def test_a_request_that_its_owner_left_behind_is_applied_by_the_caller(desk: Desk) -> None:
    name = desk.saved()
    replies: list[str] = []
    log = desk.owned(name)
    caller = threading.Thread(
        target=lambda: replies.append(desk.control().request("run", name, wait=20).state)
    )
    caller.start()
    until(lambda: inbox.waiting(log.directory))
    log.release("gone without looking")
    caller.join(20)
    assert replies == ["applied"]
    assert desk.mission(name).status == "running"
    assert desk.journal(name).count("mission_execution_started") == 1


def test_twelve_callers_at_once_apply_each_request_once(desk: Desk) -> None:
    name = desk.saved()
    desk.control().request("run", name)
    replies: list[str] = []

    def ask(number: int) -> None:
        reply = desk.control().request("budget", name, {"runs": 40 + number}, wait=30)
        replies.append(reply.state)

    callers = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    until(
        lambda: (
            not inbox.waiting(desk.store.mission(name))
            or desk.control().request("budget", name, {"runs": 99})
        )
    )
    assert set(replies) <= {"applied", "queued"}
    assert desk.journal(name).count("budget_changed") in (12, 13)


def test_an_answer_is_applied_and_what_keeps_the_mission_from_going_on_is_told(desk: Desk) -> None:
    name = desk.saved()
    desk.asking(name)
    reply = desk.control().decide(name, "red")
    assert reply.state == "applied"
    assert desk.mission(name).decisions == []
    assert reply.value is not None
    assert reply.value["resumed"] is False
    assert reply.value["problem"]["code"] == "no_credentials"


def test_an_answer_that_is_none_of_the_options_names_them_and_the_question_stays(desk: Desk) -> None:
    name = desk.saved()
    desk.asking(name)
    reply = desk.control().decide(name, "green", resume=False)
    assert reply.error is not None
    assert reply.error["code"] == "bad_argument"
    assert "red (Red), blue (Blue)" in reply.error["nextStep"]
    assert len(desk.mission(name).decisions) == 1


def test_an_answer_that_gives_the_mission_up_does_not_start_anything(desk: Desk) -> None:
    name = desk.saved()
    stop = DecisionOption(id="stop", label="Stop", consequence="It is given up.", op="abandon")
    desk.asking(name, stop)
    reply = desk.control().decide(name, "stop")
    assert (reply.state, reply.value) == ("applied", None)
    assert desk.mission(name).status == "failed"


def test_the_mission_of_a_folder_is_found_and_never_one_of_another_repository(desk: Desk) -> None:
    operations = desk.control()
    name = desk.saved()
    assert operations.resolve(None, desk.root / "src") == name
    other = Desk(desk.folder / "other")
    with pytest.raises(MissionError) as refused:
        operations.resolve(None, other.root)
    assert refused.value.code == "not_found"
    assert [c["id"] for c in refused.value.data["elsewhere"]] == [name]
    second = desk.saved()
    with pytest.raises(MissionError) as refused:
        operations.resolve(None, desk.root)
    assert refused.value.code == "ambiguous"
    assert {c["id"] for c in refused.value.data["candidates"]} == {name, second}
    operations.request("run", second)
    operations.request("abandon", second)
    assert operations.resolve(None, desk.root) == name


def test_a_damaged_mission_is_told_apart_and_hides_no_other(desk: Desk) -> None:
    good, bad = desk.saved(), desk.saved()
    path = desk.store.mission(bad).journal
    path.write_bytes(path.read_bytes().replace(b'"title"', b'"tilte"'))
    found = desk.control().list()
    assert [row["id"] for row in found["missions"]] == [good]
    assert [row["id"] for row in found["damaged"]] == [bad]
    assert [d.id for d in desk.control().overview().damaged] == [bad]
    with pytest.raises(MissionError) as refused:
        desk.control().mission(bad)
    assert refused.value.code == "store_corrupt"


def test_a_list_is_bounded_and_says_what_it_left_out(desk: Desk) -> None:
    for _ in range(3):
        desk.saved()
    found = desk.control().list(limit=2)
    assert (len(found["missions"]), found["notShown"]) == (2, 1)
