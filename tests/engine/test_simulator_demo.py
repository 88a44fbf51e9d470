"""The demonstration's playbook does real work in a real repository, and its claims are true."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from missions.model.lint import errors_of, lint_plan
from missions.model.reports import Handoff, ValidationReport
from missions.simulator.demo import demo_plan, demo_playbook, make_repository
from support.simulated import serving
from support.simulated_run import Played, play

SCRUTINY_RUN = "1795400000000-validator-M1"


def git(repository: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=repository, check=True, capture_output=True, text=True
    ).stdout.strip()


def shell(repository: Path, command: str) -> str:
    """What a command says on standard error."""
    return subprocess.run(
        ["bash", "-c", command], cwd=repository, capture_output=True, text=True, check=False
    ).stderr


def test_the_repository_is_small_clean_and_its_tests_pass(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "tally")
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "rev-list", "--count", "HEAD") == "1"
    subprocess.run(["python3", "-m", "unittest", "-q"], cwd=repository, check=True, capture_output=True)
    assert git(repository, "status", "--porcelain") == ""


def test_the_plan_is_accepted_without_an_error() -> None:
    plan, findings = lint_plan(demo_plan())
    assert plan is not None
    assert errors_of(findings) == []
    assert len(plan.milestones) >= 2
    assert len(plan.features()) >= 5
    assert len(plan.validationContract.assertions) >= 6
    assert [m.id for m in plan.milestones if m.userTesting.required] == ["M2"]


def claims_are_true(played: Played, submission: dict[str, Any]) -> None:
    for claim in submission["commandsRun"]:
        assert played.commands[claim["run"] - 1] == (claim["command"], claim["exitCode"])


async def worker(client: Any, repository: Path, feature: str) -> Played:
    base = git(repository, "rev-parse", "HEAD")
    played = await play(client, repository, f"worker feature {feature}", f"1-worker-{feature}")
    assert played.errors == []
    assert played.submission is not None, played.words
    handoff = Handoff.model_validate(played.submission)
    assert handoff.status == "complete"
    assert handoff.featureId == feature
    assert handoff.commit == git(repository, "rev-parse", "HEAD") != base
    assert list(handoff.filesChanged) == git(repository, "diff", "--name-only", base, "HEAD").splitlines()
    assert git(repository, "status", "--porcelain") == ""
    assert feature in git(repository, "log", "-1", "--format=%s")
    # The required check ran, with success, after the last edit.
    assert ("python3 -m unittest -q", 0) in played.commands[-3:]
    claims_are_true(played, played.submission)
    return played


async def validator(
    client: Any, repository: Path, task: str, run: str, assertions: list[str]
) -> ValidationReport:
    before = git(repository, "rev-parse", "HEAD")
    played = await play(client, repository, task, run)
    assert played.submission is not None, played.words
    report = ValidationReport.model_validate(played.submission)
    claims_are_true(played, played.submission)
    assert [a.assertionId for a in report.assertions] == assertions
    for answer in report.assertions:
        for evidence in answer.evidence:
            if evidence.kind == "command" and evidence.run is not None:
                code = played.commands[evidence.run - 1][1]
                assert (code == 0) is (answer.status == "pass"), played.commands[evidence.run - 1]
    assert git(repository, "rev-parse", "HEAD") == before
    assert git(repository, "status", "--porcelain") == ""
    return report


async def test_the_whole_demonstration_finds_and_repairs_its_own_bug(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "tally")
    async with serving(demo_playbook()) as (simulator, client):
        for feature in ("F1", "F2", "F3"):
            await worker(client, repository, feature)

        failed = await validator(
            client, repository, "scrutiny milestone M1", SCRUTINY_RUN, ["A1", "A2", "A3"]
        )
        assert failed.status == "fail"
        assert failed.failed_assertions() == ["A3"]
        defect = failed.defects[0]
        place = defect.locations[0]
        lines = (repository / place.path).read_text().splitlines()
        assert "findall" in lines[place.startLine - 1]
        reproduced = shell(repository, defect.reproduction)
        assert "expected 2 sentences, got 5" in reproduced

        packet = f'{{"block": {{"runId": "{SCRUTINY_RUN}", "defects": [{{"id": "D1"}}]}}}}'
        recovery = await play(
            client, repository, "recovery R1", "2-recovery-1", packet, model="claude-opus-5-5"
        )
        assert recovery.submission is not None
        assert recovery.submission["outcome"] == "retry-repair"
        operation = recovery.revisions[0]["operations"][0]
        assert operation["op"] == "add_feature"
        assert operation["repairs"] == {"runId": SCRUTINY_RUN, "defectId": "D1"}

        await worker(client, repository, operation["feature"]["id"])
        passed = await validator(
            client, repository, "scrutiny milestone M1", "3-validator-M1", ["A1", "A2", "A3"]
        )
        assert passed.status == "pass"

        for feature in ("F4", "F5", "F6"):
            await worker(client, repository, feature)
        wanted = ["A4", "A5", "A6", "A7"]
        second = await validator(client, repository, "scrutiny milestone M2", "4-validator-M2", wanted)
        tested = await validator(client, repository, "user-testing milestone M2", "5-user-testing-M2", wanted)
        assert (second.status, tested.status) == ("pass", "pass")
        assert tested.featureId == "M2"
        assert len(tested.screens) == 3
        assert simulator.unmatched == []
        # At the demonstration's pace of about a second a reply, this is 45 to 90 seconds of watching.
        assert 45 <= len(simulator.exchanges) <= 80
