"""Workers and validators that lie: each is caught by code and led to its block, and never to a completed mission."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from missions.simulator.scripts import recovery_rule, repair_operation, validator_rule
from support.liars import CHECK, Ground, bash, commit_all, handoff, script, small_plan, work, write

_CLAIMS = {
    "missing-commit": ("handoff_rejected", "is not a commit of this repository"),
    "old-commit": ("handoff_rejected", "was not made in this run"),
    "lacks-files": ("handoff_rejected", "not changed by the commits of this run: work/imagined.txt"),
    "hides-files": ("handoff_rejected", "changed but not named: work/F1.txt"),
    "command-never-run": ("handoff_rejected", "run 40 did not run in this session"),
    "wrong-exit-code": ("handoff_rejected", "ended with exit code 3, not 0"),
    "stale-check": ("handoff_rejected", "after the last edit"),
    "skipped-check": ("handoff_rejected", "was not run"),
    "dirty-tree": ("dirty_worktree", "left-behind.txt"),
    "wrong-feature": ("handoff_rejected", "is F-other, but this run is about F1"),
    "open-leftovers": ("handoff_rejected", "complete is not possible while"),
    "history-rewritten": ("handoff_rejected", "history was rewritten"),
    "bad-shape": ("missing_handoff", "commandsRun"),
    "no-handoff": ("missing_handoff", "without submit_handoff"),
    "blocked": ("worker_reported_blocked", "A decision is missing."),
}


@pytest.mark.parametrize("lie", _CLAIMS)
async def test_a_worker_that_lies_is_led_to_its_block_and_leaves_nothing_behind(
    lie: str, tmp_path: Path
) -> None:
    ground = Ground(tmp_path)
    before = ground.user.contents()
    result = await ground.run(ground.playbook(deviations={"F1": lie}))
    category, words = _CLAIMS[lie]
    assert (ground.block, result.exit_code) == (category, 10)
    assert words in ground.message()
    assert ground.mission.feature("F1").status != "complete"
    assert ground.user.contents() == before
    assert ground.user.git("rev-parse", "HEAD") == ground.mission.baseCommit
    assert ground.simulator and not ground.simulator.unmatched


_VERDICTS = {
    "no-evidence": ("missing_validation_report", "has no evidence"),
    "evidence-never-run": ("missing_validation_report", "did not happen in this session"),
    "masked-evidence": ("missing_validation_report", "hides its exit status"),
    "missing-assertion": ("missing_validation_report", "A1 is not answered"),
    "pass-with-failed-assertion": ("missing_validation_report", "cannot pass while A1 is fail"),
    "pass-with-defect": ("missing_validation_report", "open major defect D1"),
    "edits-repository": ("missing_validation_report", "the repository was changed by this run: README.md"),
    "no-report": ("missing_validation_report", "without submit_validation_report"),
    "fail": ("validator_report_failed", "One assertion fails."),
    "inconclusive": ("validation_inconclusive", "The environment gave out."),
}


@pytest.mark.parametrize("lie", _VERDICTS)
async def test_a_verdict_that_code_cannot_confirm_does_not_pass_the_milestone(
    lie: str, tmp_path: Path
) -> None:
    ground = Ground(tmp_path)
    result = await ground.run(ground.playbook(deviations={"M1": lie}))
    category, words = _VERDICTS[lie]
    assert (ground.block, result.exit_code) == (category, 10)
    assert words in ground.message()
    assert ground.mission.milestones[0].status not in ("complete", "skipped")
    assert ground.user.git("status", "--porcelain") == ""
    assert (ground.root / "README.md").read_text() == "hello\n"


async def test_a_verdict_on_assertions_of_elsewhere_is_refused(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    foreign = validator_rule({"id": "M1", "mode": "scrutiny", "assertions": ["A1", "A77"]}, [CHECK])
    await ground.run(ground.playbook({**foreign, "repeatLast": True}))
    assert ground.block == "missing_validation_report"
    assert "A77 is not an assertion of milestone M1" in ground.message()


@pytest.mark.parametrize(
    "command", ["git commit -q --amend -m new", "git reset -q --hard HEAD~1", "git rebase -q --root --no-ff"]
)
async def test_rewriting_what_was_there_before_the_run_is_refused_and_undone(
    command: str, tmp_path: Path
) -> None:
    ground = Ground(tmp_path)
    before = ground.user.git("rev-parse", "HEAD")
    await ground.run(
        ground.playbook(work("F1", ["work/F1.txt"], command, "mkdir -p work && echo one > work/F1.txt"))
    )
    assert ground.block == "handoff_rejected"
    assert "history was rewritten" in ground.message()
    assert ground.user.git("rev-parse", "HEAD") == before
    assert ground.user.git("status", "--porcelain") == ""


async def test_a_worker_that_switches_the_branch_is_brought_back(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    before = ground.user.git("rev-parse", "HEAD")
    leave = "git switch -q -c elsewhere && mkdir -p work && echo one > work/F1.txt"
    await ground.run(ground.playbook(work("F1", ["work/F1.txt"], leave)))
    assert ground.block == "handoff_rejected"
    assert "another branch" in ground.message()
    assert ground.user.git("symbolic-ref", "--short", "HEAD") == ground.mission.branch
    assert ground.user.git("rev-parse", "HEAD") == before
    assert ground.user.git("status", "--porcelain") == ""


async def test_a_change_by_the_shell_after_the_check_makes_the_check_worthless(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    rule = script(
        "F1",
        [bash("mkdir -p work && echo one > work/F1.txt")],
        [bash(CHECK)],
        [bash(f"echo two >> work/F1.txt && {commit_all('F1')}")],
        [handoff("F1", ["work/F1.txt"])],
    )
    await ground.run(ground.playbook(rule))
    assert ground.block == "handoff_rejected"
    assert "files were changed after run 2 of the required check" in ground.message()


@pytest.mark.parametrize("disguise", [f"{CHECK} || true", f"{CHECK}; true", f"{CHECK} | cat"])
async def test_a_check_with_a_hidden_status_is_not_the_check(disguise: str, tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    rule = script(
        "F1",
        [write("work/F1.txt", "one\n")],
        [bash(disguise)],
        [bash(commit_all("F1"))],
        [handoff("F1", ["work/F1.txt"])],
    )
    await ground.run(ground.playbook(rule))
    assert ground.block == "handoff_rejected"
    assert "was not run (as it stands)" in ground.message()


async def test_a_failing_check_refuses_completion_unless_it_failed_before_the_mission(tmp_path: Path) -> None:
    plan = small_plan(checks=["test ! -e work/F1.txt", "test -e never-there"])
    ground = Ground(tmp_path, plan)
    rule = script(
        "F1",
        [write("work/F1.txt", "one\n")],
        [bash("test ! -e work/F1.txt"), bash("test -e never-there")],
        [bash(commit_all("F1"))],
        [handoff("F1", ["work/F1.txt"])],
    )
    await ground.run(ground.playbook(rule))
    assert ground.block == "handoff_rejected"
    assert "'test ! -e work/F1.txt' failed" in ground.message()
    assert "never-there" not in ground.message()


async def test_the_users_own_dirty_files_may_not_be_touched(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    ground.user.write("README.md", "hello, half done\n")
    await ground.run(
        ground.playbook(
            work(
                "F1",
                ["work/F1.txt", "README.md"],
                "mkdir -p work && echo 1 > work/F1.txt && echo mine > README.md",
            )
        )
    )
    assert ground.block == "handoff_rejected"
    assert "the user's own uncommitted files were changed: README.md" in ground.message()
    assert (ground.root / "README.md").read_text() == "hello, half done\n"
    assert ground.user.git("status", "--porcelain") == " M README.md"


async def test_a_background_process_cannot_change_the_tree_after_the_handoff(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    later = "(for i in $(seq 300); do sleep 0.02; echo $i > late.txt; done) & disown; sleep 600"
    rule = script(
        "F1",
        [write("work/F1.txt", "one\n")],
        [bash(CHECK)],
        [bash(commit_all("F1"))],
        [bash(f"sleep 1; {later}", background=True)],
        [handoff("F1", ["work/F1.txt"], commandsRun=[])],
    )
    result = await ground.run(ground.playbook(rule))
    assert result.exit_code == 0
    assert not (ground.root / "late.txt").exists()


async def test_a_handoff_after_the_budget_is_no_handoff(tmp_path: Path) -> None:
    plan = small_plan()
    plan["budget"] = {"usd": 0.09, "runs": 30}
    ground = Ground(tmp_path, plan)
    idle = [[bash(f"seq 1 2000 | tail -n 1800; echo {turn}")] for turn in range(30)]
    rule = script("F1", *idle, [handoff("F1", ["work/F1.txt"])])
    result = await ground.run(ground.playbook(rule))
    assert (ground.block, result.exit_code, ground.mission.status) == ("budget_reached", 13, "paused")
    assert ground.mission.feature("F1").status != "complete"
    assert not ground.events("worker_finished")


async def test_an_orchestrator_cannot_drop_the_failing_assertion_or_validate_until_it_passes(
    tmp_path: Path,
) -> None:
    ground = Ground(tmp_path)
    drop = {"op": "remove_assertion", "assertionId": "A1"}
    insisting = [
        {**recovery_rule("retry-repair", [drop]), "repeatLast": True},
    ]
    await ground.run(ground.playbook(deviations={"M1": "fail"}, recovery=insisting))
    assert ground.mission.status == "blocked"
    assert not ground.events("interactive_plan_revised")
    again = Ground(tmp_path / "again")
    await again.run(
        again.playbook(
            deviations={"M1": "fail"}, recovery=[{**recovery_rule("rerun-validation"), "repeatLast": True}]
        )
    )
    assert again.mission.status == "blocked"
    assert len(again.events("validator_started")) == 1


async def test_a_repaired_defect_carries_where_it_came_from(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    repair = recovery_rule("retry-repair", [repair_operation("M1", "F1-repair", depends_on=["F1"])])
    result = await ground.run(
        ground.playbook(deviations={"M1": "fail"}, recovery=[repair], every_attempt=False)
    )
    assert result.exit_code == 0
    origin = ground.mission.feature("F1-repair").origin
    failed = ground.events("milestone_validation_failed")[0]["data"]["runId"]
    assert (origin.kind, origin.runId, origin.defectId) == ("repair", failed, "D1")


async def test_the_sandbox_hides_the_store_from_a_worker(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    store = ground.store.root
    probe = f"test ! -e {store}/{ground.create()}/event-log.jsonl"
    await ground.run(
        ground.playbook(work("F1", ["work/F1.txt"], probe, "mkdir -p work && echo 1 > work/F1.txt"))
    )
    transcript = next((store / ground.id / "runs").glob("*-worker-F1/transcript.jsonl")).read_text()
    result = next(
        line
        for line in map(json.loads, transcript.splitlines())
        if probe in json.dumps(line) and line.get("type") == "tool_end"
    )
    assert (
        result["data"]["meta"]["command"]["exitCode"] == 0
        if "data" in result
        else result["meta"]["command"]["exitCode"] == 0
    )
