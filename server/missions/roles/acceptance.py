"""Acceptance: what code checks before a worker's "done" or a validator's verdict counts.

Takes the submission and facts that the engine gathered itself (commits, changed paths, tree, ledger of commands) and
returns every reason against it at once. It runs nothing, reads no file and believes nothing. Rules: design 03
"Acceptance" and 08 "Handoff and report".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from missions.agent.ledger import CommandLedger
from missions.model.contract import Assertion
from missions.model.reports import CommandRun, Handoff, Issue, ValidationReport, shape_issues

HandoffCategory = Literal["handoff_rejected", "dirty_worktree", "repository_changed"]


@dataclass(frozen=True)
class WorkerFacts:
    """What the engine knows about a worker run at the moment of its submission."""

    feature_id: str
    base: str
    head: str
    on_branch: bool
    """HEAD is on the branch of the mission (or detached where it was at start)."""
    base_is_ancestor: bool
    """The base of the run is an ancestor of HEAD: history was not rewritten."""
    commits: tuple[str, ...]
    """``base..HEAD``."""
    foreign_commits: tuple[str, ...]
    """Commits among them that this run did not make."""
    changed_paths: tuple[str, ...]
    """Paths of the diff ``base..HEAD``; for a rename both names."""
    uncommitted: tuple[str, ...]
    """Paths that differ from the state at run start without being committed."""
    protected_touched: tuple[str, ...]
    """The user's own uncommitted files that the run changed."""
    resolve: Callable[[str], str | None]
    """Full id of a commit name, ``None`` if there is no such commit."""
    required_checks: tuple[str, ...] = ()
    known_failures: Mapping[str, int | None] | None = None
    tampered: tuple[str, ...] = ()
    """Git configuration or hooks that changed during the run."""
    strangers: tuple[str, ...] = ()
    """Paths that somebody else changed during the run."""
    stale_checks: tuple[str, ...] = ()
    """Required checks after which a command changed committed files."""
    switched_by_stranger: bool = False
    """HEAD is on another branch, and the run did not put it there."""


@dataclass(frozen=True)
class HandoffVerdict:
    """The parsed handoff, if its shape is right, and everything against it."""

    handoff: Handoff | None
    issues: tuple[Issue, ...]
    category: HandoffCategory | None


def check_handoff(raw: Mapping[str, Any], facts: WorkerFacts, ledger: CommandLedger) -> HandoffVerdict:
    """Judge a worker's submission. No issues means that it is accepted (with whatever ``status`` it honestly has)."""
    try:
        handoff = Handoff.model_validate(dict(raw))
    except ValidationError as error:
        return HandoffVerdict(None, tuple(shape_issues(error)), "handoff_rejected")
    issues: list[Issue] = []
    category: HandoffCategory | None = None
    if handoff.featureId != facts.feature_id:
        issues.append(
            Issue(
                path="/featureId", message=f"is {handoff.featureId}, but this run is about {facts.feature_id}"
            )
        )
    issues += _history_issues(facts)
    if facts.strangers and handoff.status == "complete":
        issues.append(
            Issue(
                path="/filesChanged",
                message=f"somebody else changed {_listed(facts.strangers)} during this run; leave them as they are and hand over as blocked",
            )
        )
    if facts.strangers or facts.switched_by_stranger or facts.tampered:
        category = "repository_changed"
    if facts.foreign_commits:
        issues.append(
            Issue(
                path="/commit",
                message=f"commits that this run did not make are on the branch: {_listed(facts.foreign_commits)}",
            )
        )
        category = "repository_changed"
    if handoff.status == "complete":
        issues += _commit_issues(handoff, facts) + _undone_issues(handoff) + _check_issues(facts, ledger)
    elif handoff.commit.strip() and facts.commits:
        issues += _commit_issues(handoff, facts)
    issues += _command_issues("/commandsRun", handoff.commandsRun, ledger, evidence_needed=False)
    if facts.protected_touched:
        issues.append(
            Issue(
                path="/filesChanged",
                message=f"the user's own uncommitted files were changed: {_listed(facts.protected_touched)}; put them back",
            )
        )
    uncommitted = [path for path in facts.uncommitted if path not in facts.strangers]
    if uncommitted and handoff.status == "complete":
        issues.append(
            Issue(
                path="/",
                message=f"uncommitted changes: {_listed(uncommitted)}; commit what belongs to the feature and remove the rest",
            )
        )
        category = category or "dirty_worktree"
    if issues and (category is None or any(i.path != "/" for i in issues)):
        category = category if category == "repository_changed" else _worst(issues, category)
    return HandoffVerdict(handoff, tuple(issues), category if issues else None)


def _worst(issues: Sequence[Issue], category: HandoffCategory | None) -> HandoffCategory:
    """Everything about the content is ``handoff_rejected``; only uncommitted changes alone are ``dirty_worktree``."""
    if category == "dirty_worktree" and all(i.path in ("/", "/filesChanged") for i in issues):
        return "dirty_worktree"
    return "handoff_rejected"


def _history_issues(facts: WorkerFacts) -> list[Issue]:
    issues: list[Issue] = []
    if not facts.base_is_ancestor:
        issues.append(
            Issue(
                path="/commit",
                message=f"history was rewritten: {facts.base[:12]}, where this run began, is no longer an ancestor; restore it",
            )
        )
    if not facts.on_branch:
        issues.append(
            Issue(
                path="/commit", message="the repository is on another branch than the mission's; switch back"
            )
        )
    if facts.tampered:
        issues.append(
            Issue(
                path="/",
                message=f"git configuration or hooks were changed: {_listed(facts.tampered)}; put them back",
            )
        )
    return issues


def _commit_issues(handoff: Handoff, facts: WorkerFacts) -> list[Issue]:
    issues: list[Issue] = []
    full = facts.resolve(handoff.commit) if handoff.commit.strip() else None
    if full is None:
        issues.append(
            Issue(path="/commit", message=f"{handoff.commit or '(empty)'} is not a commit of this repository")
        )
    elif full == facts.base or full not in facts.commits:
        issues.append(
            Issue(
                path="/commit",
                message=f"{handoff.commit} was not made in this run; commits of this run: {_listed(facts.commits) or 'none'}",
            )
        )
    elif full != facts.head:
        issues.append(
            Issue(
                path="/commit",
                message=f"{handoff.commit} is not the last commit of the branch, which is {facts.head}",
            )
        )
    claimed, real = set(handoff.filesChanged), set(facts.changed_paths)
    if claimed - real:
        issues.append(
            Issue(
                path="/filesChanged",
                message=f"not changed by the commits of this run: {_listed(sorted(claimed - real))}",
            )
        )
    if real - claimed:
        issues.append(
            Issue(path="/filesChanged", message=f"changed but not named: {_listed(sorted(real - claimed))}")
        )
    return issues


def _undone_issues(handoff: Handoff) -> list[Issue]:
    return [
        Issue(
            path=f"/leftUndone/{i}",
            message=f"complete is not possible while {item.item!r} is open; do it, or give dismissedBecause, or hand over as blocked",
        )
        for i, item in enumerate(handoff.leftUndone)
        if not (item.dismissedBecause or "").strip()
    ]


def _command_issues(
    path: str, claimed: Sequence[CommandRun], ledger: CommandLedger, evidence_needed: bool
) -> list[Issue]:
    issues: list[Issue] = []
    for i, item in enumerate(claimed):
        where = f"{path}/{i}"
        entry = (
            ledger.get(item.run)
            if item.run is not None
            else next((e for e in reversed(ledger.entries) if _same(e.command, item.command)), None)
        )
        if entry is None:
            named = f"run {item.run}" if item.run is not None else f"{item.command!r}"
            issues.append(Issue(path=where, message=f"{named} did not run in this session"))
            continue
        if not _same(entry.command, item.command):
            issues.append(
                Issue(
                    path=f"{where}/command",
                    message=f"run {entry.run} was {_short(entry.command)!r}, not this command",
                )
            )
        if item.exitCode is not None and item.exitCode != entry.exitCode:
            issues.append(
                Issue(
                    path=f"{where}/exitCode",
                    message=f"run {entry.run} ended with {_code(entry.exitCode)}, not {item.exitCode}",
                )
            )
        if evidence_needed and entry.masked:
            issues.append(
                Issue(path=where, message=f"run {entry.run} hides its exit status and is no evidence")
            )
    return issues


def _check_issues(facts: WorkerFacts, ledger: CommandLedger) -> list[Issue]:
    """Each required check ran after the last edit and passed, unless it failed before the mission too."""
    issues: list[Issue] = []
    for check in facts.required_checks:
        runs = [e for e in ledger.entries if _same(e.command, check) and ledger.after_last_edit(e)]
        if not runs:
            issues.append(
                Issue(
                    path="/commandsRun",
                    message=f"the required check {check!r} was not run (as it stands) after the last edit",
                )
            )
        elif check in facts.stale_checks:
            issues.append(
                Issue(
                    path="/commandsRun",
                    message=f"files were changed after run {runs[-1].run} of the required check {check!r}; run it again",
                )
            )
        elif runs[-1].exitCode != 0 and check not in (facts.known_failures or {}):
            issues.append(
                Issue(
                    path="/commandsRun",
                    message=f"the required check {check!r} failed in run {runs[-1].run} with {_code(runs[-1].exitCode)}",
                )
            )
    return issues


@dataclass(frozen=True)
class ValidatorFacts:
    """What the engine knows about a validator run at the moment of its submission."""

    mode: Literal["scrutiny", "user-testing"]
    milestone_id: str
    assertions: tuple[Assertion, ...]
    waived: frozenset[str]
    """Ids of defects of this milestone that the user accepted."""
    changed: tuple[str, ...]
    """Paths of the repository (or refs) that the run changed."""
    line_count: Callable[[str], int | None]
    """Lines of a file of the repository, ``None`` if there is no such file."""


@dataclass(frozen=True)
class ReportVerdict:
    report: ValidationReport | None
    issues: tuple[Issue, ...]


def check_report(raw: Mapping[str, Any], facts: ValidatorFacts, ledger: CommandLedger) -> ReportVerdict:
    """Judge a validator's submission; ``fail`` and ``inconclusive`` must be as well founded as ``pass``."""
    try:
        report = ValidationReport.model_validate(dict(raw))
    except ValidationError as error:
        return ReportVerdict(None, tuple(shape_issues(error)))
    issues: list[Issue] = []
    named = report.milestoneId or report.featureId
    if named and named != facts.milestone_id:
        issues.append(
            Issue(path="/milestoneId", message=f"is {named}, but this run is about {facts.milestone_id}")
        )
    issues += _assertion_issues(report, facts, ledger)
    issues += _command_issues("/commandsRun", report.commandsRun, ledger, evidence_needed=False)
    issues += _location_issues(report, facts)
    if report.status == "pass":
        for i, defect in enumerate(report.defects):
            if defect.severity != "minor" and defect.id not in facts.waived:
                issues.append(
                    Issue(
                        path=f"/defects/{i}",
                        message=f"pass is not possible with the open {defect.severity} defect {defect.id}",
                    )
                )
    if (
        report.status == "fail"
        and not report.failed_assertions()
        and not any(d.severity != "minor" for d in report.defects)
    ):
        issues.append(
            Issue(path="/status", message="fail needs a failed assertion or a critical or major defect")
        )
    if facts.mode == "user-testing" and report.status == "pass" and not report.screens:
        issues.append(
            Issue(path="/screens", message="user testing needs the steps that were taken and what was seen")
        )
    if facts.changed:
        issues.append(
            Issue(
                path="/",
                message=f"the repository was changed by this run: {_listed(facts.changed)}; put it back before you submit",
            )
        )
    return ReportVerdict(report, tuple(issues))


def _assertion_issues(report: ValidationReport, facts: ValidatorFacts, ledger: CommandLedger) -> list[Issue]:
    issues: list[Issue] = []
    wanted = {a.id for a in facts.assertions}
    answered: set[str] = set()
    for i, result in enumerate(report.assertions):
        where = f"/assertions/{i}"
        if result.assertionId not in wanted:
            issues.append(
                Issue(
                    path=f"{where}/assertionId",
                    message=f"{result.assertionId} is not an assertion of milestone {facts.milestone_id}",
                )
            )
        elif result.assertionId in answered:
            issues.append(
                Issue(path=f"{where}/assertionId", message=f"{result.assertionId} is answered twice")
            )
        answered.add(result.assertionId)
        if result.status != "pass" and report.status == "pass":
            issues.append(
                Issue(
                    path=f"{where}/status",
                    message=f"the report cannot pass while {result.assertionId} is {result.status}",
                )
            )
        if not result.evidence:
            issues.append(Issue(path=f"{where}/evidence", message=f"{result.assertionId} has no evidence"))
        for j, item in enumerate(result.evidence):
            problem = _evidence_problem(
                item.kind, item.run, item.path, item.startLine, item.endLine, ledger, facts
            )
            if problem:
                issues.append(Issue(path=f"{where}/evidence/{j}", message=problem))
    issues += [
        Issue(path="/assertions", message=f"{missing} is not answered")
        for missing in sorted(wanted - answered)
    ]
    return issues


def _evidence_problem(
    kind: str,
    run: int | None,
    path: str | None,
    start: int | None,
    end: int | None,
    ledger: CommandLedger,
    facts: ValidatorFacts,
) -> str | None:
    if kind == "command":
        entry = ledger.get(run) if run is not None else None
        if entry is None:
            return (
                f"run {run} did not happen in this session"
                if run is not None
                else "a command needs the number of its run"
            )
        return f"run {run} hides its exit status and is no evidence" if entry.masked else None
    if not path:
        return "a file needs its path"
    lines = facts.line_count(path)
    if lines is None:
        return f"there is no file {path} in the repository"
    last = end or start or 1
    if last > max(lines, 1) or (start is not None and end is not None and end < start):
        return f"{path} has {lines} lines, not {start}–{last}"
    return None


def _location_issues(report: ValidationReport, facts: ValidatorFacts) -> list[Issue]:
    issues: list[Issue] = []
    for i, defect in enumerate(report.defects):
        for j, location in enumerate(defect.locations or ()):
            lines = facts.line_count(location.path)
            if lines is None:
                issues.append(
                    Issue(
                        path=f"/defects/{i}/locations/{j}/path",
                        message=f"there is no file {location.path} in the repository",
                    )
                )
            elif location.startLine > max(lines, 1):
                issues.append(
                    Issue(
                        path=f"/defects/{i}/locations/{j}/startLine",
                        message=f"{location.path} has {lines} lines",
                    )
                )
    return issues


def _same(ran: str, claimed: str) -> bool:
    return " ".join(ran.split()) == " ".join(claimed.split())


def _code(code: int | None) -> str:
    return "no exit code (it did not end by itself)" if code is None else f"exit code {code}"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 80 else flat[:79] + "…"


def _listed(items: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(items[:most])
    return shown + (f" and {len(items) - most} more" if len(items) > most else "")
