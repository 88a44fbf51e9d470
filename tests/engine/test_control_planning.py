"""Plans from outside become missions whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from missions.model.errors import MissionError
from support.desk import Desk
from support.liars import small_plan


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_plan_becomes_a_planned_mission_of_its_repository_and_touches_nothing_there(desk: Desk) -> None:
    before = desk.user.contents(), desk.user.git("for-each-ref")
    reply = desk.control().new_from_plan(small_plan(), desk.root / "src", goal="pieces")
    mission = desk.mission(reply.mission)
    assert (mission.status, mission.cwd, mission.goal) == ("planned", str(desk.root), "pieces")
    assert (mission.plan.version, mission.title) == (1, "Put the pieces in place")
    assert (desk.store.mission(mission.id).plan / "features.json").is_file()
    assert (desk.user.contents(), desk.user.git("for-each-ref")) == before
    assert not desk.control().runner_alive(mission.id)


def test_a_bad_plan_is_refused_with_every_finding_and_leaves_no_trace(desk: Desk) -> None:
    plan = small_plan(("F1", "F2"))
    plan["milestones"][0]["features"][0]["dependencies"] = ["F2"]
    plan["milestones"][0]["features"][1]["claims"] = []
    with pytest.raises(MissionError) as refused:
        desk.control().new_from_plan(plan, desk.root)
    assert refused.value.code == "plan_invalid"
    errors = [f for f in refused.value.data["findings"] if f["severity"] == "error"]
    assert len(errors) >= 2
    assert all(f["path"] and f["message"] and f["fix"] for f in errors)
    assert not desk.store.root.exists() or desk.store.mission_ids() == []


@pytest.mark.parametrize("plan", [None, [], "plan", 7, {}, {"title": "x"}])
def test_what_is_no_plan_is_refused(desk: Desk, plan: object) -> None:
    with pytest.raises(MissionError) as refused:
        desk.control().new_from_plan(plan, desk.root)
    assert refused.value.code == "plan_invalid"


def test_a_folder_without_a_repository_is_refused_before_anything_is_written(desk: Desk) -> None:
    with pytest.raises(MissionError) as refused:
        desk.control().new_from_plan(small_plan(), desk.folder)
    assert refused.value.code == "repository"
    assert not desk.store.root.exists()


def test_a_plan_is_replaced_while_it_is_planned_and_the_version_counts(desk: Desk) -> None:
    name = desk.saved()
    reply = desk.control().request("write-plan", name, {"plan": small_plan(("F1", "F2"))})
    assert reply.state == "applied"
    mission = desk.mission(name)
    assert (mission.plan.version, len(mission.all_features())) == (2, 2)


def test_a_file_is_judged_with_all_that_is_wrong_with_it(desk: Desk) -> None:
    path = desk.folder / "plan.json"
    path.write_text('{"title": "a", "title": "b"}')
    plan, found = desk.control().validate(None, path)
    assert plan is None
    assert "duplicate-key" in [f.rule for f in found]
    path.write_text(json.dumps(small_plan()))
    plan, found = desk.control().validate(None, path)
    assert plan is not None
    assert [f for f in found if f.severity == "error"] == []
    with pytest.raises(MissionError) as refused:
        desk.control().validate(None, desk.folder / "missing.json")
    assert refused.value.code == "bad_argument"


def test_an_estimate_is_a_range_by_role(desk: Desk) -> None:
    name = desk.saved(small_plan(("F1", "F2", "F3")))
    data = desk.control().estimate_json(name)
    assert data["runs"]["low"] == 4
    for key in ("runs", "minutes", "tokens", "costMicroUsd"):
        assert data[key]["low"] <= data[key]["likely"] <= data[key]["high"]
    assert data["actual"] == []
