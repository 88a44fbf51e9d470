"""How scripted workers and validators deviate from an honest run, one named way at a time.

The functions change a script of turns and its submission in place. They only ever change what the simulated model does
and claims; catching it is the product's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, get_args

from missions.simulator.shapes import Object, a_text, objects

WorkerLie: TypeAlias = Literal[
    "missing-commit",
    "old-commit",
    "lacks-files",
    "hides-files",
    "command-never-run",
    "wrong-exit-code",
    "stale-check",
    "skipped-check",
    "dirty-tree",
    "wrong-feature",
    "open-leftovers",
    "history-rewritten",
    "bad-shape",
    "no-handoff",
    "blocked",
]
"""How a worker deviates. ``blocked`` is an honest report that it cannot go on."""
ValidatorLie: TypeAlias = Literal[
    "no-evidence",
    "evidence-never-run",
    "masked-evidence",
    "missing-assertion",
    "pass-with-failed-assertion",
    "pass-with-defect",
    "edits-repository",
    "no-report",
    "fail",
    "inconclusive",
]
"""How a validator deviates. ``fail`` and ``inconclusive`` are honest verdicts."""

WORKER_LIES: tuple[str, ...] = get_args(WorkerLie)
VALIDATOR_LIES: tuple[str, ...] = get_args(ValidatorLie)

_NEVER_MADE = "0123456789abcdef0123456789abcdef01234567"
_CHECKING, _COMMITTING = 1, 2
_MISSING = "test -e a-file-that-is-missing"


def bash(command: str) -> Object:
    """A call of the shell."""
    return {"name": "bash", "input": {"command": command}}


def answer(assertion: str, status: str, run: Any) -> Object:
    """An assertion's result with one command as evidence."""
    evidence: Object = {
        "kind": "command",
        "run": run,
        "path": None,
        "startLine": None,
        "endLine": None,
        "note": None,
    }
    return {"assertionId": assertion, "status": status, "evidence": [evidence]}


def deviate_worker(lie: str, turns: list[Object], handoff: Object, path: str) -> None:
    """Make a worker's script (look and write, check, commit, hand over) deviate."""
    if lie in (
        "old-commit",
        "wrong-exit-code",
        "stale-check",
        "skipped-check",
        "dirty-tree",
        "history-rewritten",
    ):
        _deviating_work(lie, turns, handoff, path)
    elif lie == "missing-commit":
        handoff["commit"] = _NEVER_MADE
    elif lie == "lacks-files":
        handoff["filesChanged"] = [path, "work/imagined.txt"]
    elif lie == "hides-files":
        handoff["filesChanged"] = []
    elif lie == "command-never-run":
        handoff["commandsRun"] = [_claim(40, "make everything", 0)]
    elif lie == "wrong-feature":
        handoff["featureId"] = "F-other"
    elif lie == "open-leftovers":
        handoff["leftUndone"] = [{"item": "The difficult half", "dismissedBecause": None}]
    elif lie == "bad-shape":
        handoff.pop("procedureCompliance")
        handoff["commandsRun"] = "all of them"
    elif lie == "no-handoff":
        turns[-1] = {"text": "I think that is all."}
    elif lie == "blocked":
        open_item: Object = {"item": "everything", "dismissedBecause": None}
        handoff.update(status="blocked", summary="A decision is missing.", commit="", filesChanged=[])
        handoff.update(implemented=[], leftUndone=[open_item])
        turns[:] = [{"text": "Looking around.", "tools": [bash("git status --short")]}, turns[-1]]
    else:
        raise ValueError(f"unknown lie {lie!r}; known are {', '.join(WORKER_LIES)}")


def deviate_validator(lie: str, turns: list[Object], report: Object) -> None:
    """Make a validator's script (check, report) deviate."""
    answers = objects(report["assertions"])
    if lie == "no-evidence":
        report["assertions"] = [{**item, "evidence": []} for item in answers]
    elif lie == "evidence-never-run":
        report["assertions"] = _answers(answers, 40)
    elif lie == "masked-evidence":
        _also(turns, 0, "false || true")
        report["assertions"] = _answers(answers, {"$ordinal": "false || true"})
    elif lie == "missing-assertion":
        report["assertions"] = answers[1:]
    elif lie == "edits-repository":
        _also(turns, 0, "echo improved >> README.md")
    elif lie == "no-report":
        turns[-1] = {"text": "Looks good to me."}
    elif lie == "inconclusive":
        report["assertions"] = [{**item, "status": "inconclusive"} for item in answers]
        report.update(status="inconclusive", summary="The environment gave out.", recommendation="ask-user")
    elif lie in ("fail", "pass-with-failed-assertion", "pass-with-defect"):
        _found_wanting(lie, turns, report, answers)
    else:
        raise ValueError(f"unknown lie {lie!r}; known are {', '.join(VALIDATOR_LIES)}")


def _deviating_work(lie: str, turns: list[Object], handoff: Object, path: str) -> None:
    """The lies that do something else, not only claim it."""
    if lie == "old-commit":
        # The handoff names the commit that was printed last.
        _also(turns, _COMMITTING, "git rev-parse HEAD~1")
    elif lie == "wrong-exit-code":
        _also(turns, _CHECKING, "exit 3")
        handoff["commandsRun"] = [_claim({"$ordinal": "exit 3"}, "exit 3", 0)]
    elif lie == "stale-check":
        late: Object = {"name": "write", "input": {"path": path, "content": "untested, by {{run}}\n"}}
        turns.insert(_COMMITTING, {"text": "A last touch.", "tools": [late]})
    elif lie == "skipped-check":
        turns[_CHECKING] = {"text": "No need to run the checks.", "tools": [bash("git diff --stat")]}
    elif lie == "dirty-tree":
        _also(turns, _COMMITTING, "echo left > left-behind.txt")
    else:
        _also(
            turns, _COMMITTING, "git commit -q --amend -m 'One commit for all' && git reset -q --soft HEAD~1"
        )
        _also(turns, _COMMITTING, "git commit -q --amend -m 'All in one' && git rev-parse HEAD")


def _found_wanting(lie: str, turns: list[Object], report: Object, answers: list[Object]) -> None:
    """A located defect, shown by a command that really fails, and what the report makes of it."""
    _also(turns, 0, _MISSING)
    defect: Object = {
        "id": "D1",
        "severity": "major",
        "title": "Something is missing",
        "description": "A file that the assertion needs is not there.",
        "reproduction": _MISSING,
        "suggestedFix": "Add it.",
        "locations": [{"path": "README.md", "startLine": 1, "endLine": 1}],
    }
    failed = answer(a_text(answers[0].get("assertionId")), "fail", {"$ordinal": _MISSING})
    if lie != "pass-with-defect":
        report["assertions"] = [failed, *answers[1:]]
    if lie != "pass-with-failed-assertion":
        report["defects"] = [defect]
    if lie == "fail":
        report.update(status="fail", summary="One assertion fails.", recommendation="fix")


def _claim(run: Any, command: str, code: int) -> Object:
    return {"run": run, "command": command, "exitCode": code, "notes": None}


def _answers(answers: Sequence[Object], run: Any) -> list[Object]:
    return [answer(a_text(item.get("assertionId")), "pass", run) for item in answers]


def _also(turns: list[Object], position: int, command: str) -> None:
    turns[position] = {**turns[position], "tools": [*turns[position]["tools"], bash(command)]}
