"""A mission directory of pi-missions 0.1.2 becomes a mission of ours: read, normalised, runnable, never written to."""

from __future__ import annotations

import hashlib
import json
import os
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from missions.control.bundle_import import Imported
from missions.control.doctor import doctor
from missions.control.pi_import import import_pi_mission
from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.mission import Mission
from missions.model.schedule import Unit, next_unit
from missions.runner.starting import prepare
from missions.settings import Settings
from missions.store.catalog import list_missions, view_mission
from missions.store.layout import Store
from missions.store.lock import Owner
from missions.store.mission_log import MissionLog
from support.repositories import Playground

FIXTURES = Path(__file__).parents[1] / "support" / "pi_missions"
WHO = Owner(face="test")


class Elsewhere:
    """One of the fixture directories as it would lie on a disk, with a repository that has the commit it names."""

    def __init__(self, folder: Path, name: str) -> None:
        self.ground = Playground(folder)
        self.commit = self.ground.git("rev-parse", "HEAD")
        self.store = Store(folder / "home")
        self.store.ensure()
        origin = next(path for path in (FIXTURES / name).iterdir() if path.is_dir())
        self.source = folder / "pi" / origin.name
        values = {"@CWD@": str(self.ground.root), "@COMMIT@": self.commit, "@SHORT@": self.commit[:10]}
        for path in origin.rglob("*"):
            if path.is_file():
                text = path.read_text("utf-8")
                for mark, value in values.items():
                    text = text.replace(mark, value)
                target = self.source / path.relative_to(origin)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, "utf-8")

    def take(self) -> tuple[Imported, Mission]:
        arrived = import_pi_mission(self.store, self.source)
        mission = view_mission(self.store, arrived.mission)
        assert isinstance(mission, Mission), mission
        return arrived, mission

    def state(self) -> dict[str, object]:
        return json.loads((self.source / "mission.json").read_text())

    def change(self, **fields: object) -> None:
        (self.source / "mission.json").write_text(json.dumps(self.state() | fields))


def _everything(folder: Path) -> dict[str, tuple[str, int, int]]:
    return {
        str(path): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
            path.stat().st_mode,
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


def _statuses(mission: Mission) -> dict[str, str]:
    return {feature.id: feature.status for feature in mission.all_features()}


def test_a_blocked_mission_arrives_paused_with_what_is_done(tmp_path: Path) -> None:
    there = Elsewhere(tmp_path, "blocked")
    before = _everything(there.source)

    arrived, mission = there.take()

    assert arrived.mission == there.source.name
    assert (arrived.status, mission.status, mission.title) == (
        "paused",
        "paused",
        "Teach the importer about dates",
    )
    assert _statuses(mission) == {"iso-dates": "complete", "local-dates": "pending", "report": "pending"}
    assert mission.all_features()[0].commit == there.commit
    assert mission.milestones[0].userTesting.required
    assert mission.failure_limit(mission.milestones[0]) == 4
    assert {role: choice.model for role, choice in mission.models.items()} == {
        "planner": "claude-opus-5-5",
        "orchestrator": "claude-opus-5-5",
    }
    assert any("openai/some-model" in note for note in arrived.notes)
    assert "blocked" in (mission.pauseReason or "")
    assert _everything(there.source) == before


def test_its_history_is_kept_as_it_was(tmp_path: Path) -> None:
    there = Elsewhere(tmp_path, "blocked")
    arrived, _ = there.take()
    directory = there.store.mission(arrived.mission)
    log = (there.source / "event-log.jsonl").read_bytes()
    assert (directory.path / "imported" / "event-log.jsonl").read_bytes() == log
    records = [json.loads(line) for line in directory.journal.read_text().splitlines()]
    assert [r["type"] for r in records[:3]] == [
        "mission_created",
        "interactive_plan_written",
        "mission_imported",
    ]
    assert records[0]["data"]["importedFrom"] == f"pi-missions:{there.source.name}"
    assert (directory.blobs / records[2]["data"]["history"]).read_bytes() == log
    kept = {
        p.relative_to(directory.path / "imported").as_posix()
        for p in (directory.path / "imported").rglob("*")
    }
    assert any(name.endswith("handoff.json") for name in kept)
    assert any(name.startswith("recovery-packets/") for name in kept)


def test_every_assertion_is_claimed_once_by_who_speaks_of_it(tmp_path: Path) -> None:
    arrived, mission = Elsewhere(tmp_path, "blocked").take()
    assert [f.claims for f in mission.all_features()] == [("VA-1",), ("VA-2",), ()]
    assert mission.milestones[-1].claims == ("VA-3",)
    assert any("VA-3" in note for note in arrived.notes)
    assert not [f for f in arrived.findings if f["severity"] == "error"]


def test_it_can_be_run_here(tmp_path: Path) -> None:
    there = Elsewhere(tmp_path, "blocked")
    arrived, _ = there.take()
    with MissionLog.acquire(there.store, arrived.mission, WHO) as log:
        assert log.recovered is None
        log.record(ev.MissionResumeRequested(source="test"))
        prepare(log, Settings(), ()).close()
        assert next_unit(log.mission) == Unit("worker", "local-dates", "reading")
        assert log.mission.branch == f"missions/{arrived.mission}"
    assert there.ground.git("branch", "--show-current") == f"missions/{arrived.mission}"
    assert [f for f in doctor(there.store, mission=arrived.mission).findings if f.severity == "error"] == []


def test_a_complete_mission_whose_reports_say_pass_stays_complete(tmp_path: Path) -> None:
    arrived, mission = Elsewhere(tmp_path, "complete").take()
    assert arrived.status == "complete"
    assert mission.milestones[0].status == "complete"
    assert _statuses(mission) == {"iso-dates": "complete", "local-dates": "skipped"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("validation-report.json", {"status": "fail"}),
        ("validation-report.json", {"status": "pass", "assertions": [{"status": "fail"}]}),
        ("validation-report.json", {"status": "pass", "defects": [{"severity": "critical"}]}),
        ("validation-report.json", "nonsense"),
        ("user-testing-report.json", {"status": "inconclusive"}),
    ],
)
def test_a_complete_mission_without_a_true_pass_is_validated_again(
    tmp_path: Path, name: str, content: object
) -> None:
    there = Elsewhere(tmp_path, "complete")
    next(there.source.rglob(name)).write_text(json.dumps(content))
    arrived, mission = there.take()
    assert arrived.status == "paused"
    assert mission.milestones[0].status == "validating"
    assert any("can be confirmed" in note for note in arrived.notes)


def test_a_complete_feature_without_its_commit_runs_again(tmp_path: Path) -> None:
    there = Elsewhere(tmp_path, "complete")
    text = (there.source / "mission.json").read_text().replace(there.commit, "0123456789abcdef")
    (there.source / "mission.json").write_text(text)
    arrived, mission = there.take()
    assert _statuses(mission)["iso-dates"] == "pending"
    assert "0123456789abcdef" in (mission.all_features()[0].reason or "")
    assert any("iso-dates runs again" in note for note in arrived.notes)


def test_commits_on_another_branch_count_and_are_named(tmp_path: Path) -> None:
    there = Elsewhere(tmp_path, "complete")
    there.ground.git("checkout", "-q", "--orphan", "fresh")
    there.ground.commit("fresh start")
    arrived, mission = there.take()
    assert _statuses(mission)["iso-dates"] == "complete"
    assert any("switch to the one that has them" in note for note in arrived.notes)


def test_what_nobody_checked_is_mended_and_said(tmp_path: Path) -> None:
    there = Elsewhere(tmp_path, "messy")
    arrived, mission = there.take()
    assert mission.id.startswith("mission-2")
    assert mission.status == "paused"
    assert mission.activeRun is None
    assert mission.title == "A messy mission"
    assert _statuses(mission) == {
        "same": "complete",
        "two-words": "pending",
        "later": "pending",
        "SAME-2": "pending",
    }
    assert [m.id for m in mission.milestones] == ["m-1", "M1"]
    assert mission.feature("two-words").dependencies == ("same",)  # type: ignore[union-attr]
    assert {role: choice.effort for role, choice in mission.models.items()} == {"worker": "low"}
    assert not [f for f in arrived.findings if f["severity"] == "error"], arrived.findings
    assert len(arrived.notes) > 8
    assert [path.name for path in there.store.root.iterdir()] == [mission.id]


def test_a_plan_that_no_rule_can_mend_arrives_in_planning_with_its_findings(tmp_path: Path) -> None:
    there = Elsewhere(tmp_path, "circle")
    arrived, mission = there.take()
    assert (arrived.status, mission.plan.version) == ("planning", 0)
    assert "dependency-cycle" in {f["rule"] for f in arrived.findings}
    assert mission.executionStartedAt is None


def test_a_taken_id_becomes_another_and_says_so(tmp_path: Path) -> None:
    there = Elsewhere(tmp_path, "blocked")
    there.take()
    arrived, _ = there.take()
    assert arrived.mission != there.source.name
    assert there.source.name in arrived.notes[0]
    assert len(list_missions(there.store)) == 2


def test_a_mission_that_runs_there_now_is_refused(tmp_path: Path) -> None:
    there = Elsewhere(tmp_path, "blocked")
    lock = json.loads((there.source / "runner-lock.json").read_text())
    lock |= {"status": "active", "heartbeatAt": datetime.now(UTC).isoformat()}
    (there.source / "runner-lock.json").write_text(json.dumps(lock))
    with pytest.raises(MissionError) as refused:
        there.take()
    assert refused.value.code == "locked"
    assert list_missions(there.store) == []


def test_another_repository_can_be_named_and_a_missing_one_is_asked_for(tmp_path: Path) -> None:
    there = Elsewhere(tmp_path, "blocked")
    there.change(cwd=str(tmp_path / "gone"))
    with pytest.raises(MissionError) as refused:
        there.take()
    assert "--cwd" in refused.value.next_step
    arrived = import_pi_mission(there.store, there.source, there.ground.root)
    assert arrived.cwd == os.path.realpath(there.ground.root)


def test_links_are_not_followed(tmp_path: Path) -> None:
    there = Elsewhere(tmp_path, "blocked")
    secret = tmp_path / "secret.txt"
    secret.write_text("secret words")
    (there.source / "runs" / "link").symlink_to(tmp_path)
    (there.source / "plan" / "objective.md").unlink()
    (there.source / "plan" / "objective.md").symlink_to(secret)
    arrived, mission = there.take()
    assert "secret words" not in mission.goal
    kept = there.store.mission(arrived.mission).path
    assert not any(b"secret words" in p.read_bytes() for p in kept.rglob("*") if p.is_file())
    assert any("not taken along" in note for note in arrived.notes)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"schemaVersion": 2, "status": "planned"}', "[" * 100_000]
)
def test_what_is_no_such_mission_is_refused(tmp_path: Path, content: str) -> None:
    there = Elsewhere(tmp_path, "blocked")
    (there.source / "mission.json").write_text(content)
    with pytest.raises(MissionError) as refused:
        there.take()
    assert refused.value.code == "store_corrupt"
    assert [path.name for path in there.store.root.iterdir()] == []


def test_a_mission_of_ours_is_not_taken_for_one(tmp_path: Path) -> None:
    there = Elsewhere(tmp_path, "blocked")
    arrived, _ = there.take()
    with MissionLog.acquire(there.store, arrived.mission, WHO):
        pass
    with pytest.raises(MissionError) as refused:
        import_pi_mission(there.store, there.store.mission(arrived.mission).path)
    assert refused.value.code == "bad_argument"


def test_fifty_states_with_wrong_values_give_missions_or_typed_errors(tmp_path: Path) -> None:
    there = Elsewhere(tmp_path, "blocked")
    good = there.state()
    dice = random.Random(11)
    odd = [None, -1, 2**70, "", "\0", "../..", [], {}, [[]], {"id": []}, True, 1.5, "é" * 300, ["x"], [None]]
    seen = 0
    for _ in range(50):
        state = json.loads(json.dumps(good))
        for _ in range(dice.randint(1, 3)):
            _spoil(state, dice, odd)
        (there.source / "mission.json").write_text(json.dumps(state))
        try:
            arrived, _ = there.take()
        except MissionError as error:
            assert error.code in ("store_corrupt", "repository"), error
        else:
            seen += 1
            assert arrived.status in ("paused", "planning", "planned")
    assert seen > 20


def _spoil(node: object, dice: random.Random, odd: list[object]) -> None:
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))  # type: ignore[arg-type]
        key = dice.choice(keys)
        child = node[key]  # type: ignore[index]
        if not isinstance(child, dict | list) or not child or dice.random() < 0.3:
            node[key] = dice.choice(odd)  # type: ignore[index]
            return
        node = child
