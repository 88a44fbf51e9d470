"""Playbooks made from plans: honest runs claim what happened, and each lie is the lie it is named after."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from missions.model.reports import Handoff, ValidationReport
from missions.simulator.lies import VALIDATOR_LIES, WORKER_LIES
from missions.simulator.scripts import playbook_for, recovery_rule, repair_operation
from support.simulated import serving
from support.simulated_run import Played, play

CHECK = "test -f README.md"
PLAN: dict[str, Any] = {
    "title": "A plan",
    "milestones": [
        {
            "id": "M1",
            "title": "One",
            "claims": ["A2"],
            "features": [
                {"id": "F1", "title": "It's first", "claims": ["A1"]},
                {"id": "F2", "title": "Second"},
            ],
        }
    ],
    "environment": {"checks": [CHECK]},
}


def git(repository: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=repository, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "repository"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    git(path, "config", "user.name", "Somebody")
    git(path, "config", "user.email", "somebody@example.invalid")
    (path / "README.md").write_text("A repository.\n")
    git(path, "add", "--all")
    git(path, "commit", "-q", "-m", "Begin")
    return path


async def run(repository: Path, task: str, attempt: int = 1, more: str = "", **options: Any) -> Played:
    async with serving(playbook_for(PLAN, **options)) as (simulator, client):
        for number in range(1, attempt + 1):
            played = await play(client, repository, task, f"{number}-run", more)
        assert simulator.unmatched == []
    return played


def problems(played: Played, repository: Path, base: str) -> set[str]:
    """What is untrue about a worker's handoff."""
    if played.submission is None:
        return {"no handoff"}
    try:
        handoff = Handoff.model_validate(played.submission)
    except ValueError:
        return {"shape"}
    found: set[str] = set()
    if handoff.status == "blocked":
        return {"blocked"}
    if handoff.commit != git(repository, "rev-parse", "HEAD"):
        found.add("commit")
    if set(handoff.filesChanged) != set(git(repository, "diff", "--name-only", base, "HEAD").split()):
        found.add("files")
    ran = dict(enumerate(played.commands, 1))
    if any(ran.get(c.run or 0) != (c.command, c.exitCode) for c in handoff.commandsRun):
        found.add("commands")
    if CHECK not in [command for command, _ in played.commands]:
        found.add("check")
    if git(repository, "status", "--porcelain"):
        found.add("tree")
    if handoff.featureId != "F1":
        found.add("feature")
    if handoff.status == "complete" and handoff.leftUndone:
        found.add("left undone")
    if subprocess.run(
        ["git", "merge-base", "--is-ancestor", base, "HEAD"], cwd=repository, check=False
    ).returncode:
        found.add("history")
    return found


UNTRUE = {
    None: set[str](),
    "missing-commit": {"commit"},
    "old-commit": {"commit"},
    "lacks-files": {"files"},
    "hides-files": {"files"},
    "command-never-run": {"commands"},
    "wrong-exit-code": {"commands"},
    "stale-check": set[str](),
    "skipped-check": {"check"},
    "dirty-tree": {"tree"},
    "wrong-feature": {"feature"},
    "open-leftovers": {"left undone"},
    "history-rewritten": {"history"},
    "bad-shape": {"shape"},
    "no-handoff": {"no handoff"},
    "blocked": {"blocked"},
}


@pytest.mark.parametrize("lie", UNTRUE, ids=str)
async def test_a_worker_lies_about_exactly_one_thing(repository: Path, lie: str | None) -> None:
    base = git(repository, "rev-parse", "HEAD")
    played = await run(repository, "worker feature F1", deviations={"F1": lie} if lie else {})
    assert problems(played, repository, base) == UNTRUE[lie]


def test_every_lie_of_a_worker_is_covered_here() -> None:
    assert {lie for lie in UNTRUE if lie} == set(WORKER_LIES)


async def test_the_second_attempt_is_honest_unless_told_otherwise(repository: Path) -> None:
    again = await run(repository, "worker feature F1", attempt=2, deviations={"F1": "missing-commit"})
    assert again.submission is not None
    assert again.submission["commit"] == git(repository, "rev-parse", "HEAD")
    stubborn = await run(
        repository, "worker feature F2", attempt=2, deviations={"F2": "missing-commit"}, every_attempt=True
    )
    assert stubborn.submission is not None
    assert stubborn.submission["commit"] != git(repository, "rev-parse", "HEAD")


@pytest.mark.parametrize("mode", ["scrutiny", "user-testing"])
async def test_an_honest_validator_answers_every_assertion_with_a_command_that_ran(
    repository: Path, mode: str
) -> None:
    played = await run(repository, f"{mode} milestone M1")
    report = ValidationReport.model_validate(played.submission)
    assert {a.assertionId: a.evidence[0].run for a in report.assertions} == {"A1": 1, "A2": 1}
    assert report.status == "pass"
    assert bool(report.screens) is (mode == "user-testing")
    assert played.commands == [(CHECK, 0)]


@pytest.mark.parametrize("lie", VALIDATOR_LIES)
async def test_each_deviation_of_a_validator_shows_in_its_report(repository: Path, lie: str) -> None:
    played = await run(repository, "scrutiny milestone M1", deviations={"M1": lie})
    if lie == "no-report":
        assert played.submission is None
        return
    report = ValidationReport.model_validate(played.submission)
    runs = [e.run for a in report.assertions for e in a.evidence]
    shown = {
        "no-evidence": runs == [],
        "evidence-never-run": runs == [40, 40],
        "masked-evidence": (runs, played.commands[-1]) == ([2, 2], ("false || true", 0)),
        "missing-assertion": len(report.assertions) == 1,
        "pass-with-failed-assertion": (report.status, report.failed_assertions()) == ("pass", ["A2"]),
        "pass-with-defect": (report.status, [d.severity for d in report.defects]) == ("pass", ["major"]),
        "edits-repository": git(repository, "status", "--porcelain") != "",
        "fail": (report.status, played.commands[-1][1], report.recommendation) == ("fail", 1, "fix"),
        "inconclusive": report.status == "inconclusive",
    }
    assert shown[lie]


async def test_the_orchestrator_adds_a_repair_with_provenance_and_its_worker_is_honest(
    repository: Path,
) -> None:
    rule = recovery_rule("retry-repair", [repair_operation("M1", "F9", depends_on=["F1"])])
    packet = '{"block": {"runId": "1795400000000-validator-M1"}}'
    played = await run(repository, "recovery R1", more=packet, recovery=[rule])
    assert played.submission is not None
    assert played.submission["outcome"] == "retry-repair"
    assert played.revisions[0]["operations"][0]["repairs"] == {
        "runId": "1795400000000-validator-M1",
        "defectId": "D1",
    }
    repaired = await run(repository, "worker feature F9")
    assert repaired.submission is not None
    assert repaired.submission["featureId"] == "F9"
    assert repaired.submission["filesChanged"] == ["work/F9.txt"]
