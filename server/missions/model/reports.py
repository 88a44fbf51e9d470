"""What workers and validators hand over: the shapes of handoff and reports.

Shape only, with every issue reported as a JSON-pointer-like path. Whether a claim is true is decided by the
acceptance checks of ``roles/``. Extra fields are accepted and kept.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from missions.model.contract import Severity


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value


Text = Annotated[str, AfterValidator(_not_blank)]
Verdict = Literal["pass", "fail", "inconclusive"]
ValidatorMode = Literal["scrutiny", "user-testing"]


class Part(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)


class CommandRun(Part):
    """A command the author claims to have run; ``run`` is the ordinal that the bash result showed."""

    run: int | None = None
    command: Text
    exitCode: int | None = None
    notes: str | None = None


class LeftUndone(Part):
    """Something not done; an item without ``dismissedBecause`` refuses ``complete``."""

    item: Text
    dismissedBecause: str | None = None


def _left_undone(value: object) -> object:
    return {"item": value} if isinstance(value, str) else value


class ProcedureCompliance(Part):
    readMissionContext: bool
    checkedGitStatusBeforeWork: bool
    ranRequiredValidation: bool
    committedChanges: bool
    updatedHandoff: bool


class Handoff(Part):
    """The worker's report. ``commit`` is the tip; the unit's commits are ``base..tip``."""

    featureId: Text
    status: Literal["complete", "blocked", "failed"]
    summary: Text
    commit: str
    implemented: tuple[str, ...]
    leftUndone: tuple[Annotated[LeftUndone, BeforeValidator(_left_undone)], ...]
    filesChanged: tuple[str, ...]
    issuesDiscovered: tuple[str, ...]
    risks: tuple[str, ...]
    commandsRun: tuple[CommandRun, ...]
    procedureCompliance: ProcedureCompliance


class Evidence(Part):
    """Why an assertion has its status: a command that really ran, or lines of a file."""

    kind: Literal["command", "file"]
    run: int | None = None
    path: str | None = None
    startLine: int | None = Field(default=None, ge=1)
    endLine: int | None = Field(default=None, ge=1)
    note: str | None = None


class AssertionResult(Part):
    assertionId: Text
    status: Verdict
    evidence: tuple[Evidence, ...]


class Location(Part):
    path: Text
    startLine: int = Field(ge=1)
    endLine: int | None = Field(default=None, ge=1)


class Defect(Part):
    id: Text
    severity: Severity
    title: Text
    description: Text
    reproduction: Text
    suggestedFix: str | None = None
    locations: tuple[Location, ...] | None = None


class ProcedureFinding(Part):
    id: Text
    severity: Severity
    title: Text
    description: Text
    evidence: Text


class Screen(Part):
    """A step of user testing: what was done and what was seen."""

    name: Text
    observed: Text


class ValidationReport(Part):
    """The validator's report, for both modes; ``featureId`` is accepted and, for user testing, holds the milestone."""

    status: Verdict
    summary: Text
    commandsRun: tuple[CommandRun, ...]
    assertions: tuple[AssertionResult, ...]
    defects: tuple[Defect, ...]
    procedureFindings: tuple[ProcedureFinding, ...]
    recommendation: Literal["accept", "fix", "replan", "ask-user"]
    milestoneId: str | None = None
    featureId: str | None = None
    screens: tuple[Screen, ...] | None = None

    def failed_assertions(self) -> list[str]:
        return [a.assertionId for a in self.assertions if a.status != "pass"]


class Issue(BaseModel):
    """One thing wrong with a submission: where (``/commandsRun/0/exitCode``) and what."""

    path: str
    message: str


def shape_issues(error: ValidationError) -> list[Issue]:
    """The findings of pydantic as paths and sentences."""
    found: list[Issue] = []
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        where = "".join(f"/{part}" for part in detail["loc"] if not str(part).startswith("function-"))
        found.append(Issue(path=where or "/", message=detail["msg"].removeprefix("Value error, ")))
    return found


def report_schema() -> dict[str, Any]:
    """JSON Schema of both reports."""
    return ValidationReport.model_json_schema()
