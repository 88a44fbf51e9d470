"""The forms in which roles submit: tool descriptions and strict schemas of ``submit_*``.

Identical for every run of a role, because they are part of the cached prefix. What is accepted is decided elsewhere.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from missions.agent.tools.submit import strict_schema
from missions.model.recovery import RecoveryOutcome
from missions.model.reports import Handoff, ValidationReport

HANDOFF_DESCRIPTION = (
    "Hand the finished (or blocked) feature over; an accepted call ends the run. Cite commands by the run number that their result showed. "
    "`filesChanged` are exactly the paths of your commits, for a rename both names. Give an empty list where there is nothing. "
    "A refusal lists everything that does not hold; mend it and call again."
)
REPORT_DESCRIPTION = (
    "Submit your verdict on the milestone; an accepted call ends the run. Answer every assertion with evidence: "
    '{"kind": "command", "run": N} for a command you ran, {"kind": "file", "path", "startLine", "endLine"} for lines you read. '
    "Give an empty list where there is nothing. A refusal lists everything that does not hold; mend it and call again."
)
RECOVERY_DESCRIPTION = (
    "Choose what happens with the block; an accepted call ends your turn. `question` and `options` belong to ask-user. "
    "The outcome is applied by code after you have ended."
)


class OfferedOption(BaseModel):
    """An answer offered to the human."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")
    label: str
    consequence: str


class RecoverySubmission(BaseModel):
    """What ``submit_recovery`` takes."""

    outcome: RecoveryOutcome
    reason: str = Field(min_length=1)
    question: str | None
    options: list[OfferedOption] | None


HANDOFF_SCHEMA = strict_schema(Handoff)
REPORT_SCHEMA = strict_schema(ValidationReport)
RECOVERY_SCHEMA = strict_schema(RecoverySubmission)

SubmitTool = Literal[
    "submit_handoff", "submit_validation_report", "submit_user_testing_report", "submit_recovery"
]
