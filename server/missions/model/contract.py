"""The plan document: what is approved before any code is written.

The same document is taken by ``missions new --from``, by the planner's ``mission_write_plan`` and kept as the accepted
blob. It holds shape only; whether a plan makes sense is judged in ``lint.py``. It never holds run state.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from missions.model.usage import ModelChoice

Severity = Literal["critical", "major", "minor"]
Role = Literal["planner", "worker", "validator", "orchestrator"]
ROLES: tuple[Role, ...] = ("planner", "worker", "validator", "orchestrator")


class PlanPart(BaseModel):
    """Base of everything in a plan: unknown fields are findings, not silently dropped."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, defer_build=True)


class Assertion(PlanPart):
    """One line of the validation contract, claimed by exactly one feature or milestone."""

    id: str
    category: str = "functional"
    severity: Severity = "major"
    assertion: str
    """What must be true when the work is done."""
    verification: str
    """How a validator that never saw the implementation can check it."""


class ValidationContract(PlanPart):
    """The assertions the mission is judged by."""

    assertions: tuple[Assertion, ...] = ()


class FeaturePlan(PlanPart):
    """One unit of work for one worker run."""

    id: str
    title: str
    description: str
    dependencies: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()


class UserTesting(PlanPart):
    """Whether a milestone is also judged from a user's point of view."""

    required: bool = False
    instructions: str = ""


def _user_testing(value: object) -> object:
    return {"required": value} if isinstance(value, bool) else value


class MilestonePlan(PlanPart):
    """A group of features that is validated together."""

    id: str
    title: str
    objective: str = ""
    validation: str = ""
    userTesting: Annotated[UserTesting, BeforeValidator(_user_testing)] = UserTesting()
    failureLimit: int | None = Field(default=None, ge=1, le=100)
    claims: tuple[str, ...] = ()
    features: tuple[FeaturePlan, ...] = ()


class Skills(PlanPart):
    """Mission-specific instructions (markdown) that travel with each run of a role."""

    worker: str
    validatorScrutiny: str
    validatorUserTesting: str | None = None


class BudgetPlan(PlanPart):
    """Limits of the whole mission. Reaching one pauses with a decision, never fails."""

    usd: float | None = Field(default=None, gt=0, le=1_000_000)
    tokens: int | None = Field(default=None, gt=0)
    wallMinutes: float | None = Field(default=None, gt=0)
    runs: int | None = Field(default=None, gt=0)


class Environment(PlanPart):
    """Where and with what the mission works."""

    workspace: Literal["inPlace", "clone"] = "inPlace"
    network: tuple[str, ...] = ()
    """Host names the commands of workers and validators may reach; ``*`` is any. Empty: no network."""
    setup: str | None = None
    """Shell command that prepares a private clone."""
    checks: tuple[str, ...] = ()
    """Shell commands run before the first unit (baseline) and required of workers."""
    copyPaths: tuple[str, ...] = Field(default=(), alias="copy")
    """Ignored paths copied into a private clone (``.env`` and the like)."""


class PlanDocument(PlanPart):
    """The whole plan; see the class fields. ``$schema`` is allowed for editors and ignored."""

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    title: str
    objective: str
    nonGoals: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    milestones: tuple[MilestonePlan, ...]
    validationContract: ValidationContract
    skills: Skills
    budget: BudgetPlan = BudgetPlan()
    environment: Environment = Environment()
    models: dict[Role, ModelChoice] = {}

    def features(self) -> list[tuple[MilestonePlan, FeaturePlan]]:
        """Every feature with its milestone, in the order of work."""
        return [(milestone, feature) for milestone in self.milestones for feature in milestone.features]

    def as_bytes(self) -> bytes:
        """The canonical JSON of the plan (2-space indent, trailing newline); equal plans give equal bytes."""
        return (self.model_dump_json(by_alias=True, exclude_none=True, indent=2) + "\n").encode()

    def claimed_by(self, item: MilestonePlan | FeaturePlan) -> list[Assertion]:
        """The assertions an item claims, in contract order."""
        return [a for a in self.validationContract.assertions if a.id in item.claims]

    def milestone_assertions(self, milestone_id: str) -> list[Assertion]:
        """The assertions a milestone is validated against: its own claims and its features'."""
        for milestone in self.milestones:
            if milestone.id == milestone_id:
                wanted = set(milestone.claims).union(*(f.claims for f in milestone.features))
                return [a for a in self.validationContract.assertions if a.id in wanted]
        return []


def plan_schema() -> dict[str, Any]:
    """The JSON Schema of the plan document (draft 2020-12)."""
    schema = PlanDocument.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Missions plan"
    return schema
