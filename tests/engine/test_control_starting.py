"""Starting a mission: everything that can refuse does so before anything is written."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from missions.agent.sandbox.probe import probe
from missions.model.errors import MissionError
from missions.store.lock import holder
from support.desk import KEY, Desk
from support.liars import small_plan
from support.waiting import until

ALL = {"plan", "no-sandbox"}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def start_refused(desk: Desk, name: str, **how: object) -> MissionError:
    """The error of a start; nothing may have changed by it."""
    before = desk.journal(name), desk.user.git("for-each-ref"), desk.user.contents()
    with pytest.raises(MissionError) as refused:
        desk.control().start(name, host="here", **how)  # type: ignore[arg-type]
    assert (desk.journal(name), desk.user.git("for-each-ref"), desk.user.contents()) == before
    return refused.value


def test_without_credentials_one_sentence_says_what_is_missing_before_anything_is_written(desk: Desk) -> None:
    name = desk.saved()
    error = start_refused(desk, name, accept=ALL)
    assert error.code == "no_credentials"
    assert "ANTHROPIC_API_KEY" in error.next_step
    assert "missions demo" in error.next_step


def test_the_plan_wants_a_yes_and_the_refusal_shows_what_would_happen(desk: Desk) -> None:
    desk.environment["ANTHROPIC_API_KEY"] = KEY
    name = desk.saved()
    error = start_refused(desk, name)
    assert error.code == "confirmation_needed"
    assert "plan" in error.data["gates"]
    look = error.data["preflight"]
    assert look["repository"] == str(desk.root)
    assert look["branch"] == f"missions/{name}"
    assert look["units"] == 2
    assert look["budget"]["usdMicro"] == 20_000_000
    assert look["planVersion"] == 1


def test_a_dirty_tree_and_network_each_want_their_own_yes(desk: Desk) -> None:
    desk.environment["ANTHROPIC_API_KEY"] = KEY
    name = desk.saved(small_plan(network=["example.org"]))
    desk.user.write("README.md", "changed\n")
    assert set(start_refused(desk, name, accept=ALL).data["gates"]) == {"dirty", "network"}
    assert start_refused(desk, name, accept={*ALL, "dirty"}).data["gates"] == ["network"]
    assert start_refused(desk, name, accept={*ALL, "network"}).data["gates"] == ["dirty"]
    assert desk.control().start(name, accept={*ALL, "dirty", "network"}, host="here").seq


def test_the_gates_that_were_answered_are_recorded_and_no_others(desk: Desk) -> None:
    desk.environment["ANTHROPIC_API_KEY"] = KEY
    name = desk.saved()
    desk.control().start(name, accept={*ALL, "dirty", "network"}, host="here")
    events = desk.control().show(name, "events").data
    gates = next(e["data"]["gates"] for e in events if e["type"] == "mission_execution_started")
    assert "plan" in gates
    assert not {"dirty", "network"} & set(gates)
    assert ("no-sandbox" in gates) == (probe().kind == "none")


def test_a_yes_to_an_older_plan_is_not_a_yes(desk: Desk) -> None:
    desk.environment["ANTHROPIC_API_KEY"] = KEY
    name = desk.saved()
    desk.control().request("write-plan", name, {"plan": small_plan(("F1", "F2"))})
    error = start_refused_once(desk, name, 1)
    assert error.code == "conflict"
    assert desk.mission(name).status == "planned"


def start_refused_once(desk: Desk, name: str, version: int) -> MissionError:
    with pytest.raises(MissionError) as refused:
        desk.control().start(name, accept=ALL, plan_version=version, host="here")
    return refused.value


def test_an_unfinished_merge_in_the_repository_is_a_problem(desk: Desk) -> None:
    desk.environment["ANTHROPIC_API_KEY"] = KEY
    name = desk.saved()
    (desk.root / ".git" / "MERGE_HEAD").write_text(desk.user.git("rev-parse", "HEAD") + "\n")
    assert start_refused(desk, name, accept={*ALL, "dirty"}).code == "repository"


def test_an_open_question_must_be_answered_first(desk: Desk) -> None:
    desk.environment["ANTHROPIC_API_KEY"] = KEY
    name = desk.saved()
    decision = desk.asking(name)
    error = start_refused(desk, name, accept=ALL)
    assert (error.code, error.data["decision"]) == ("wrong_state", decision)


def test_a_mission_that_a_process_runs_is_not_started_twice(desk: Desk) -> None:
    desk.environment["ANTHROPIC_API_KEY"] = KEY
    name = desk.saved()
    desk.control().start(name, accept=ALL, host="here")
    with desk.owned(name):
        owner = holder(desk.store.mission(name))
        assert owner is not None
        started = desk.control().start(name, accept=ALL, host="process")
        assert (started.already, started.pid) == (True, owner.pid)


def test_a_real_mission_runs_in_this_process_then_finishes_and_leaves_everything_to_read(desk: Desk) -> None:
    plan = small_plan(("F1", "F2"))
    service = desk.service(plan)
    try:
        name = desk.saved(plan)
        operations = desk.control()
        operations.start(name, accept=ALL, host="here")
        result = asyncio.run(operations.runner(name).run())
    finally:
        service.stop()
    assert (result.exit_code, result.status) == (0, "complete"), result.reason
    for artifact in ("status", "plan", "objective", "contract", "report", "handoff", "validation", "transcript",
                     "events", "defects", "decisions", "runs", "settings"):  # fmt: skip
        assert operations.show(name, artifact).text.strip(), artifact
    assert "F1" in operations.show(name, "handoff", "F1").title
    with pytest.raises(MissionError) as refused:
        operations.show(name, "handoff", "F9")
    assert refused.value.code == "not_found"
    with pytest.raises(MissionError) as refused:
        operations.show(name, "packet")
    assert refused.value.code == "not_found"
    with pytest.raises(MissionError) as refused:
        operations.show(name, "everything")
    assert "transcript" in refused.value.next_step
    assert {row["verdict"] for row in operations.estimate_json(name)["actual"]} <= {
        "below",
        "within",
        "above",
    }
    assert KEY not in operations.show(name, "transcript", "F1").text

    with pytest.raises(MissionError) as refused:
        operations.delete(name, confirmed=True)
    assert refused.value.code == "repository"
    assert operations.finish(name).value == {
        "branch": "main", "merge": "not_asked", "command": f"git merge missions/{name}",
    }  # fmt: skip
    assert desk.user.git("branch", "--show-current") == "main"
    with pytest.raises(MissionError) as refused:
        operations.delete(name)
    assert (refused.value.code, refused.value.data["gates"]) == ("confirmation_needed", ["delete"])
    with pytest.raises(MissionError) as refused:
        operations.delete(name, confirmed=True)
    assert len(refused.value.data["commits"]) == 2

    with pytest.raises(MissionError) as refused:
        operations.clear()
    assert refused.value.code == "confirmation_needed"
    assert operations.clear(confirmed=True).value == {"cleared": [name], "left": []}
    assert operations.list()["missions"] == []
    assert len(operations.list(include_cleared=True)["missions"]) == 1

    assert operations.delete(name, force=True, confirmed=True).value == {
        "deleted": name, "branch": f"missions/{name}",
    }  # fmt: skip
    assert desk.store.mission_ids() == []
    assert f"missions/{name}" not in desk.user.git("branch")


def test_a_mission_runs_in_the_background_and_goes_on_after_an_answer(desk: Desk) -> None:
    plan = small_plan()
    service = desk.service(plan)
    try:
        name = desk.saved(plan)
        desk.asking(name)
        reply = desk.control().decide(name, "blue")
        assert reply.value is not None
        assert reply.value["resumed"] is True, reply.value
        until(lambda: desk.mission(name).status == "complete", 60)
        until(lambda: not desk.control().runner_alive(name))
    finally:
        service.stop()
    log = (desk.store.root / "logs" / f"{name}.log").read_text()
    assert "missions-runner-ended: 0 complete" in log
    assert KEY not in log


def test_without_a_sandbox_a_recorded_yes_holds_for_whichever_process_runs_the_mission(desk: Desk) -> None:
    programs = desk.folder / "programs"
    programs.mkdir()
    for name in ("git", "sh", "bash", "true", "test"):
        (programs / name).symlink_to(
            next(p for f in desk.environment["PATH"].split(":") if (p := Path(f, name)).exists())
        )
    plan = small_plan()
    service = desk.service(plan)
    desk.environment["PATH"] = str(programs)
    try:
        name = desk.saved(plan)
        refused = desk.missions("run", name, "--headless", "--yes", "--json")
        assert (refused.code, refused.json["error"]["data"]["gates"]) == (12, ["no-sandbox"])
        said = desk.missions("run", name, "--headless", "--yes", "--no-sandbox", "--detach")
        assert said.code == 0, said.err
        until(lambda: desk.mission(name).settings, 30)
        assert desk.mission(name).settings["sandbox"]["mode"] == "none"
        until(lambda: not desk.control().runner_alive(name), 60)
    finally:
        service.stop()
    assert desk.mission(name).status == "complete"
