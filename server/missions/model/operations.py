"""The operations: one table of names, arguments and meanings that every face is generated from.

Command line, workspace commands, editor palettes, chat tools and the inbox all speak of an operation by its kebab-case
name and one typed argument object. Which operation is legal when is judged in ``requests.py``; this module never
applies anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from missions.model.errors import MissionError
from missions.model.reports import ValidatorMode, shape_issues

Target = Literal["mission", "store", "none"]


class Arguments(BaseModel):
    """Base of the arguments of an operation; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class OnMission(Arguments):
    mission: str | None = Field(
        default=None, description="Mission id; without it the mission of this workspace folder."
    )


class New(Arguments):
    goal: str = Field(default="", description="What is to be achieved; starts a planning conversation.")
    plan: dict[str, Any] | None = Field(default=None, description="A whole plan document; saves it at once.")
    planPath: str | None = Field(default=None, description="A file that holds a plan document.")
    cwd: str | None = Field(default=None, description="Repository folder.")
    template: str | None = Field(default=None, description="Name of a plan template.")
    demo: bool = False


class Run(OnMission):
    accept: tuple[Literal["plan", "dirty", "network", "no-sandbox"], ...] = Field(
        default=(),
        description="Gates already answered with yes: the plan and its budget, a dirty tree, network, no sandbox.",
    )
    planVersion: int | None = Field(default=None, description="The plan version the gates were shown for.")
    host: Literal["process", "server", "here"] | None = None


class Pause(OnMission):
    now: bool = Field(
        default=False, description="Stop the current run at once (resumable) instead of after it."
    )


class Reason(OnMission):
    reason: str | None = Field(default=None, max_length=4000)


class Unblock(Reason):
    adopt: bool = Field(
        default=False, description="Keep what someone else changed in the repository and go on from there."
    )


class Retry(OnMission):
    feature: str | None = Field(default=None, description="Feature id; without it the feature that blocks.")
    note: str | None = Field(default=None, max_length=4000, description="What the next attempt must know.")


class RerunValidation(OnMission):
    milestone: str | None = Field(
        default=None, description="Milestone id; without it the milestone that blocks."
    )
    mode: ValidatorMode | None = None
    reason: str | None = Field(default=None, max_length=4000)


class Skip(OnMission):
    feature: str
    reason: str = Field(min_length=1, max_length=4000)


class Waive(OnMission):
    defect: str = Field(description="Defect id.")
    run: str | None = Field(
        default=None, description="Run id of the report; without it the latest report with that defect."
    )
    reason: str = Field(min_length=1, max_length=4000)
    confirmed: bool = Field(default=False, description="A critical defect needs an explicit yes.")


class Steer(OnMission):
    text: str = Field(min_length=1, max_length=8000)


class Decide(OnMission):
    decision: str | None = Field(default=None, description="Decision id; without it the only open one.")
    answer: str = Field(
        description="Id of an option, or free text where the question allows it.", max_length=8000
    )
    text: str | None = Field(default=None, max_length=8000)


class RequestConfirmation(OnMission):
    op: str = Field(description="The operation that a yes applies.")
    args: dict[str, Any] = {}
    question: str = Field(min_length=1, max_length=2000)
    details: tuple[str, ...] = Field(default=(), max_length=100)


class Comment(OnMission):
    path: str = Field(
        default="/", description="Where in the plan, as a JSON pointer or an id.", max_length=400
    )
    text: str = Field(min_length=1, max_length=4000)


class AnswerComment(OnMission):
    comment: str
    answer: str = Field(min_length=1, max_length=4000, description="What was changed, or why nothing was.")


class WritePlan(OnMission):
    plan: dict[str, Any]
    cwd: str | None = None
    goal: str = ""
    reason: str | None = None
    baseVersion: int | None = Field(
        default=None, description="The plan version this revises; another one in force is a conflict."
    )


class RevisePlan(OnMission):
    reason: str = Field(min_length=1, max_length=4000)
    operations: tuple[dict[str, Any], ...] = Field(min_length=1, max_length=100)
    baseVersion: int | None = None


class Finish(OnMission):
    merge: bool = Field(default=False, description="Fast-forward the user's branch if that is possible.")


class Delete(OnMission):
    force: bool = False
    confirmed: bool = False


class SetBudget(OnMission):
    usd: float | None = Field(default=None, gt=0)
    tokens: int | None = Field(default=None, gt=0)
    wallMinutes: float | None = Field(default=None, gt=0)
    runs: int | None = Field(default=None, gt=0)
    unitUsd: float | None = Field(default=None, gt=0)
    unitMinutes: float | None = Field(default=None, gt=0)
    unitTurns: int | None = Field(default=None, gt=0)
    reason: str | None = None


class ListMissions(Arguments):
    all: bool = Field(default=False, description="Cleared missions too.")
    cwd: str | None = None


class Clear(Arguments):
    missions: tuple[str, ...] = ()
    confirmed: bool = False


class Models(Arguments):
    role: str | None = None
    model: str | None = None
    effort: str | None = None
    fallback: str | None = None


class Validate(OnMission):
    planPath: str | None = None
    plan: dict[str, Any] | None = None


class Show(OnMission):
    artifact: str = "status"
    run: str | None = None


class Restore(OnMission):
    snapshot: str | None = Field(default=None, description="Snapshot name; without it the newest one.")
    paths: tuple[str, ...] = Field(default=(), description="Only these files and folders.")
    list: bool = Field(default=False, description="Only show the snapshots there are.")
    confirmed: bool = Field(default=False, description="Also replace files that were edited since.")


class Gc(Arguments):
    olderThanDays: int = Field(default=30, ge=0, le=36500, description="Only what ended longer ago.")
    dryRun: bool = Field(default=False, description="Only say what would go.")


class Doctor(Arguments):
    mission: str | None = Field(default=None, description="Only this mission.")
    fix: bool = Field(default=False, description="Mend what can be mended without loss.")


class Export(OnMission):
    output: str | None = Field(default=None, description="The file to write; without it <id>.tar.gz here.")
    redact: bool = Field(default=False, description="Take secrets out, and files that are not text.")
    withRepository: bool = Field(default=False, description="With the commits of the mission's branch.")
    transcripts: bool = Field(default=True, description="With the transcripts of runs and chats.")


class Import(Arguments):
    path: str = Field(description="An exported file, or a mission directory of pi-missions.")
    cwd: str | None = Field(default=None, description="The repository it shall work in from now on.")


@dataclass(frozen=True)
class Operation:
    """One row: ``inbox`` says whether it travels as a request to the mission's owner."""

    name: str
    title: str
    meaning: str
    arguments: type[Arguments]
    inbox: bool = True
    confirm: bool = False
    """Asks before it acts."""


OPERATIONS: tuple[Operation, ...] = (
    Operation("new", "New Mission", "Start planning, or save a whole plan.", New, inbox=False),
    Operation("write-plan", "Write Plan", "Save or replace the plan of a mission.", WritePlan),
    Operation("revise-plan", "Revise Plan", "Change pending work by operations.", RevisePlan),
    Operation(
        "comment",
        "Comment on the Plan",
        "Leave a remark on the plan; the planner answers it by a change or a reason.",
        Comment,
    ),
    Operation(
        "answer-comment", "Answer a Comment", "Say what became of a remark on the plan.", AnswerComment
    ),
    Operation("run", "Run Mission", "Start a planned mission, or resume it.", Run, confirm=True),
    Operation("resume", "Resume Mission", "Resume a paused or unblocked mission.", Run, confirm=True),
    Operation("pause", "Pause Mission", "Pause after the current unit, or at once; resumable.", Pause),
    Operation("cancel", "Cancel Current Run", "End the current run; the mission pauses.", Reason),
    Operation("retry", "Retry Feature", "Let a failed feature run again.", Retry),
    Operation("rerun-validation", "Rerun Validation", "Validate a milestone again.", RerunValidation),
    Operation("skip", "Skip Feature", "Leave a feature out, with a reason.", Skip),
    Operation("waive", "Waive Defect", "Accept a defect, with a reason.", Waive),
    Operation("block", "Block Mission", "Stop a mission by hand.", Reason),
    Operation("unblock", "Unblock Mission", "Take a block away; the mission is then paused.", Unblock),
    Operation("steer", "Steer", "Say something to the running unit; delivered with its next turn.", Steer),
    Operation("decide", "Answer Decision", "Answer a waiting question.", Decide),
    Operation(
        "request-confirmation",
        "Ask for Confirmation",
        "Put an operation before the human; it is applied by a yes only.",
        RequestConfirmation,
    ),
    Operation("budget", "Change Budget", "Change the limits in force.", SetBudget),
    Operation(
        "finish",
        "Finish Mission",
        "Go back to your branch; with merge, fast-forward it.",
        Finish,
        inbox=False,
    ),
    Operation("abandon", "Abandon Mission", "Give a mission up; its branch is kept.", Reason),
    Operation("delete", "Delete Mission", "Remove a mission's records.", Delete, inbox=False, confirm=True),
    Operation("status", "Status", "What is going on.", OnMission, inbox=False),
    Operation("list", "List Missions", "Every mission, newest first.", ListMissions, inbox=False),
    Operation("show", "Show Artifact", "A handoff, report, packet, transcript or plan.", Show, inbox=False),
    Operation(
        "clear",
        "Clear Completed",
        "Hide completed missions from the default views.",
        Clear,
        inbox=False,
        confirm=True,
    ),
    Operation("models", "Models", "Show or set the model of a role.", Models, inbox=False),
    Operation("validate", "Validate Plan", "Lint a plan file or a mission.", Validate, inbox=False),
    Operation("estimate", "Estimate", "Runs, time and cost to expect.", Validate, inbox=False),
    Operation(
        "restore", "Restore Files", "Put files back from a snapshot.", Restore, inbox=False, confirm=True
    ),
    Operation("export", "Export Mission", "Write a mission to one file.", Export, inbox=False),
    Operation("import", "Import Mission", "Take a mission from a file or directory.", Import, inbox=False),
    Operation("doctor", "Doctor", "Check the store and the machine.", Doctor, inbox=False),
    Operation("gc", "Collect Garbage", "Remove what finished missions do not need.", Gc, inbox=False),
)
"""Every operation, in the order faces list them."""

BY_NAME: dict[str, Operation] = {operation.name: operation for operation in OPERATIONS}


def parse_arguments(name: str, args: object) -> Arguments:
    """The typed arguments of operation ``name``; ``bad_argument`` names each field that is wrong."""
    operation = BY_NAME.get(name)
    if operation is None:
        raise MissionError(
            "bad_argument",
            f"There is no operation {name!r}.",
            "Known operations: " + ", ".join(BY_NAME) + ".",
        )
    try:
        return operation.arguments.model_validate({} if args is None else args)
    except ValidationError as error:
        issues = shape_issues(error)
        what = "; ".join(f"{issue.path.lstrip('/') or 'arguments'}: {issue.message}" for issue in issues)
        raise MissionError(
            "bad_argument",
            f"The arguments of {name} are not right: {what}.",
            f"See `missions {name} --help`.",
            issues=[i.model_dump() for i in issues],
        ) from None
