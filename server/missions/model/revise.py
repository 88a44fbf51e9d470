"""Changes to an accepted plan, as a list of small operations, and the plan that results.

What the orchestrator's and the chat's ``mission_revise_plan`` takes. It never looks at a mission: whether the step is
allowed while work is done is judged in ``lint_revision.py``.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from missions.model.contract import FeaturePlan, MilestonePlan, PlanDocument
from missions.model.lint import lint_plan
from missions.model.lint_rules import Finding, finding, ordered, pointer
from missions.model.lint_structure import shown
from missions.model.reports import shape_issues

MAX_OPERATIONS = 100

_KIND = re.compile(r"^(/\d+)/[a-z_]+")
"""The kind of an operation in a path of pydantic, which is no part of the document."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Repairs(_Part):
    """Provenance of a repair feature: the defect, and the run that found it."""

    runId: str
    defectId: str


class AddFeature(_Part):
    """Add a feature to a milestone: at its end, or before or after another feature of it."""

    op: Literal["add_feature"]
    milestoneId: str
    before: str | None = None
    after: str | None = None
    feature: FeaturePlan
    repairs: Repairs | None = None


class EditFeature(_Part):
    """Change what is given of a feature that has not been worked on."""

    op: Literal["edit_feature"]
    featureId: str
    title: str | None = None
    description: str | None = None
    dependencies: tuple[str, ...] | None = None
    claims: tuple[str, ...] | None = None


class MoveFeature(_Part):
    """Put a feature before or after another one, or at the end of a milestone."""

    op: Literal["move_feature"]
    featureId: str
    milestoneId: str | None = None
    before: str | None = None
    after: str | None = None


class DropFeature(_Part):
    """Remove a feature; its claims must be taken over by another item in the same revision."""

    op: Literal["drop_feature"]
    featureId: str
    reason: str


class EditSkill(_Part):
    """Replace the mission's instructions for a role."""

    op: Literal["edit_skill"]
    role: Literal["worker", "validatorScrutiny", "validatorUserTesting"]
    text: str


class EditMilestone(_Part):
    """Change what is given of a milestone that is not finished."""

    op: Literal["edit_milestone"]
    milestoneId: str
    objective: str | None = None
    validation: str | None = None
    claims: tuple[str, ...] | None = None


Operation = Annotated[
    AddFeature | EditFeature | MoveFeature | DropFeature | EditSkill | EditMilestone,
    Field(discriminator="op"),
]

_OPERATIONS: TypeAdapter[tuple[Operation, ...]] = TypeAdapter(tuple[Operation, ...])


class Revised(NamedTuple):
    """A changed plan. With an error among ``findings`` it must not be accepted."""

    plan: PlanDocument
    repairs: list[tuple[str, str, str]]
    """``(featureId, runId, defectId)`` of each repair feature that was added."""
    findings: list[Finding]


def parse_operations(raw: object) -> tuple[tuple[Operation, ...], list[Finding]]:
    """The operations of a JSON list, or findings that say what is wrong with it (paths start at ``/operations``)."""
    if isinstance(raw, list | tuple) and len(raw) > MAX_OPERATIONS:  # pyright: ignore[reportUnknownArgumentType]
        message = f"A revision takes at most {MAX_OPERATIONS} operations."
        return (), [finding("revision-operation", "/operations", message)]
    try:
        return _OPERATIONS.validate_python(raw), []
    except ValidationError as error:
        return (), [
            finding(
                "revision-operation", "/operations" + _KIND.sub(r"\1", issue.path).rstrip("/"), issue.message
            )
            for issue in shape_issues(error)
        ]


def revise(plan: PlanDocument, raw: object) -> Revised:
    """The plan after the operations of a JSON list, in order, and what speaks against it.

    An operation that does not fit is a finding and is passed over. Warnings that ``plan`` had already are left out. Whether
    this author may change it so while the mission runs is judged by ``lint_revision``.
    """
    operations, found = parse_operations(raw)
    if found:
        return Revised(plan, [], found)
    draft = _Draft(plan)
    for number, operation in enumerate(operations):
        trouble = draft.apply(operation)
        if trouble:
            found.append(finding("revision-operation", pointer("operations", number), trouble))
    return Revised(draft.plan, draft.repairs, ordered([*found, *fresh_findings(plan, draft.plan)]))


def fresh_findings(old: PlanDocument, new: PlanDocument) -> list[Finding]:
    """The findings of ``new``: every error, and the warnings that ``old`` did not have."""
    known = {(f.rule, f.itemId, f.message) for f in _own_findings(old) if f.severity != "error"}
    return [f for f in _own_findings(new) if (f.rule, f.itemId, f.message) not in known]


def _own_findings(plan: PlanDocument) -> list[Finding]:
    return lint_plan(plan.model_dump(mode="json", by_alias=True, exclude_none=True))[1]


class _Draft:
    """A plan that is being changed; every operation either takes effect whole or says why not."""

    def __init__(self, plan: PlanDocument) -> None:
        self.plan = plan
        self.repairs: list[tuple[str, str, str]] = []

    def apply(self, operation: Operation) -> str | None:
        match operation:
            case AddFeature():
                return self._add(operation)
            case EditFeature():
                return self._edit_feature(operation)
            case MoveFeature():
                return self._move(operation)
            case DropFeature():
                return self._drop(operation)
            case EditSkill():
                skills = self.plan.skills.model_copy(update={operation.role: operation.text})
                self.plan = self.plan.model_copy(update={"skills": skills})
                return None
            case EditMilestone():
                return self._edit_milestone(operation)

    def _add(self, operation: AddFeature) -> str | None:
        feature = operation.feature
        if self._place(feature.id) is not None:
            return f"There is already a feature {shown(feature.id)}."
        trouble = self._insert(feature, operation.milestoneId, operation.before, operation.after)
        if trouble is None and operation.repairs is not None:
            self.repairs.append((feature.id, operation.repairs.runId, operation.repairs.defectId))
        return trouble

    def _edit_feature(self, operation: EditFeature) -> str | None:
        place = self._place(operation.featureId)
        if place is None:
            return f"There is no feature {shown(operation.featureId)}."
        milestone, number = place
        update = operation.model_dump(exclude={"op", "featureId"}, exclude_none=True)
        if not update:
            return "Nothing is given to change."
        changed = milestone.features[number].model_copy(update=update)
        self._replace(milestone, [*milestone.features[:number], changed, *milestone.features[number + 1 :]])
        return None

    def _move(self, operation: MoveFeature) -> str | None:
        place = self._place(operation.featureId)
        if place is None:
            return f"There is no feature {shown(operation.featureId)}."
        if operation.featureId in (operation.before, operation.after):
            return "A feature cannot stand before or after itself."
        milestone, number = place
        anchor = self._place(operation.before or operation.after or "")
        target = operation.milestoneId or (anchor[0].id if anchor else milestone.id)
        before, feature = self.plan, milestone.features[number]
        self._replace(milestone, [*milestone.features[:number], *milestone.features[number + 1 :]])
        trouble = self._insert(feature, target, operation.before, operation.after)
        if trouble is not None:
            self.plan = before
        return trouble

    def _drop(self, operation: DropFeature) -> str | None:
        place = self._place(operation.featureId)
        if place is None:
            return f"There is no feature {shown(operation.featureId)}."
        if not operation.reason.strip():
            return "A reason must be given."
        milestone, number = place
        self._replace(milestone, [*milestone.features[:number], *milestone.features[number + 1 :]])
        self.repairs = [repair for repair in self.repairs if repair[0] != operation.featureId]
        return None

    def _edit_milestone(self, operation: EditMilestone) -> str | None:
        milestone = next((m for m in self.plan.milestones if m.id == operation.milestoneId), None)
        if milestone is None:
            return f"There is no milestone {shown(operation.milestoneId)}."
        update = operation.model_dump(exclude={"op", "milestoneId"}, exclude_none=True)
        if not update:
            return "Nothing is given to change."
        self._swap(milestone, milestone.model_copy(update=update))
        return None

    def _insert(
        self, feature: FeaturePlan, milestone_id: str, before: str | None, after: str | None
    ) -> str | None:
        milestone = next((m for m in self.plan.milestones if m.id == milestone_id), None)
        if milestone is None:
            return f"There is no milestone {shown(milestone_id)}."
        if before is not None and after is not None:
            return "Give either `before` or `after`, not both."
        features = list(milestone.features)
        anchor = before if before is not None else after
        number = len(features)
        if anchor is not None:
            found = next((n for n, f in enumerate(features) if f.id == anchor), None)
            if found is None:
                return f"Milestone {shown(milestone_id)} has no feature {shown(anchor)}."
            number = found + (before is None)
        features.insert(number, feature)
        self._replace(milestone, features)
        return None

    def _place(self, feature_id: str) -> tuple[MilestonePlan, int] | None:
        return next(
            ((m, n) for m in self.plan.milestones for n, f in enumerate(m.features) if f.id == feature_id),
            None,
        )

    def _replace(self, milestone: MilestonePlan, features: list[FeaturePlan]) -> None:
        self._swap(milestone, milestone.model_copy(update={"features": tuple(features)}))

    def _swap(self, old: MilestonePlan, new: MilestonePlan) -> None:
        milestones = tuple(new if m is old else m for m in self.plan.milestones)
        self.plan = self.plan.model_copy(update={"milestones": milestones})


def _object_schema(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def operations_schema() -> dict[str, Any]:
    """JSON Schema of the operations list for a tool: one flat object, no references or unions, so that strict mode takes it.

    Which fields belong to which ``op`` stands in the descriptions and is checked by :func:`parse_operations`.
    """
    text: dict[str, Any] = {"type": "string"}
    texts: dict[str, Any] = {"type": "array", "items": text}
    feature = _object_schema(
        {"id": text, "title": text, "description": text, "dependencies": texts, "claims": texts},
        ["id", "title", "description", "dependencies", "claims"],
    )
    operation = _object_schema(
        {
            "op": {
                "type": "string",
                "enum": [
                    "add_feature",
                    "edit_feature",
                    "move_feature",
                    "drop_feature",
                    "edit_skill",
                    "edit_milestone",
                ],
            },
            "milestoneId": {"type": "string", "description": "add_feature, move_feature, edit_milestone"},
            "featureId": {"type": "string", "description": "edit_feature, move_feature, drop_feature"},
            "before": {"type": "string", "description": "add_feature, move_feature: id of a feature"},
            "after": {"type": "string", "description": "add_feature, move_feature: id of a feature"},
            "feature": {**feature, "description": "add_feature"},
            "repairs": {
                **_object_schema({"runId": text, "defectId": text}, ["runId", "defectId"]),
                "description": "add_feature: the defect that it repairs",
            },
            "title": {"type": "string", "description": "edit_feature"},
            "description": {"type": "string", "description": "edit_feature"},
            "dependencies": {**texts, "description": "edit_feature"},
            "claims": {**texts, "description": "edit_feature, edit_milestone: assertion ids"},
            "reason": {"type": "string", "description": "drop_feature"},
            "role": {
                "type": "string",
                "enum": ["worker", "validatorScrutiny", "validatorUserTesting"],
                "description": "edit_skill",
            },
            "text": {"type": "string", "description": "edit_skill: the whole new text"},
            "objective": {"type": "string", "description": "edit_milestone"},
            "validation": {"type": "string", "description": "edit_milestone"},
        },
        ["op"],
    )
    return {"type": "array", "items": operation}
