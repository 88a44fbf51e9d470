"""Whether a changed plan may replace the accepted one: finished work stays, and nobody quietly lowers what is asked.

Compares two plans in the light of the mission's state. The new plan by itself is judged in ``lint.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from missions.model.contract import FeaturePlan, MilestonePlan, PlanDocument
from missions.model.lint_rules import Finding, finding, ordered, pointer
from missions.model.lint_structure import shown
from missions.model.mission import DONE, Mission

Author = Literal["user", "orchestrator"]

_SEVERITY = {"minor": 0, "major": 1, "critical": 2}


def lint_revision(current: Mission, old: PlanDocument, new: PlanDocument, by: Author) -> list[Finding]:
    """Findings on the step from ``old`` to ``new``; with an error the revision is refused as a whole."""
    change = _Change(current, old, new)
    if old == new:
        return [finding("revision-unchanged", "", "The new plan equals the accepted one.")]
    found = [*change.finished_work(), *change.finished_milestones(), *change.judged_assertions()]
    found += change.by_orchestrator() if by == "orchestrator" else change.by_user()
    return ordered(found)


class _Change:
    def __init__(self, mission: Mission, old: PlanDocument, new: PlanDocument) -> None:
        self.mission = mission
        self.old = old
        self.new = new
        self.old_features = {f.id: (m, f) for m, f in old.features()}
        self.new_features = {f.id: (m, f) for m, f in new.features()}
        self.new_milestones = {m.id: m for m in new.milestones}
        self.paths = {
            item.id: path
            for m, milestone in enumerate(new.milestones)
            for item, path in [
                (milestone, pointer("milestones", m)),
                *(
                    (feature, pointer("milestones", m, "features", f))
                    for f, feature in enumerate(milestone.features)
                ),
            ]
        }

    def running_feature(self) -> str | None:
        run = self.mission.activeRun
        if run is not None and run.kind == "worker":
            return run.itemId
        return next((f.id for f in self.mission.all_features() if f.status == "running"), None)

    def finished_work(self) -> Iterator[Finding]:
        running = self.running_feature()
        for feature in self.mission.all_features():
            if feature.id == running:
                rule, what = "revision-running-feature", "is running"
            elif feature.status == "complete":
                rule, what = "revision-finished-feature", "is complete"
            else:
                continue
            before, after = self.old_features.get(feature.id), self.new_features.get(feature.id)
            name = shown(feature.id)
            if before is None:
                continue
            if after is None:
                yield finding(rule, "/milestones", f"{name} {what} and would be removed.", feature.id)
            elif after[0].id != before[0].id:
                message = f"{name} {what} and would move to milestone {shown(after[0].id)}."
                yield finding(rule, self.paths[feature.id], message, feature.id)
            elif after[1] != before[1]:
                fields = ", ".join(_changed(before[1], after[1]))
                yield finding(
                    rule, self.paths[feature.id], f"{name} {what}; {fields} would change.", feature.id
                )

    def finished_milestones(self) -> Iterator[Finding]:
        for state in self.mission.milestones:
            before = next((m for m in self.old.milestones if m.id == state.id), None)
            if state.status != "complete" or before is None:
                continue
            after, name = self.new_milestones.get(state.id), shown(state.id)
            if after is None:
                message = f"Milestone {name} is complete and would be removed."
                yield finding("revision-finished-milestone", "/milestones", message, state.id)
                continue
            fields = [field for field in _changed(before, after) if field != "features"]
            if fields:
                message = f"Milestone {name} is complete; {', '.join(fields)} would change."
                yield finding("revision-finished-milestone", self.paths[state.id], message, state.id)
            known = {f.id for f in before.features}
            for feature in after.features:
                if feature.id not in known:
                    message = f"Milestone {name} is complete and would get the feature {shown(feature.id)}."
                    yield finding("revision-finished-milestone", self.paths[feature.id], message, feature.id)

    def judged_assertions(self) -> Iterator[Finding]:
        done = [m.id for m in self.mission.milestones if m.status == "complete"]
        judged = {a.id for milestone in done for a in self.old.milestone_assertions(milestone)}
        after = {a.id: a for a in self.new.validationContract.assertions}
        for assertion in self.old.validationContract.assertions:
            if assertion.id in judged and after.get(assertion.id) != assertion:
                what = "change" if assertion.id in after else "be removed"
                message = f"{shown(assertion.id)} belongs to a finished milestone and would {what}."
                yield finding(
                    "revision-finished-assertion", "/validationContract/assertions", message, assertion.id
                )

    # What only concerns one author

    def by_user(self) -> Iterator[Finding]:
        if self.mission.executionStartedAt is None:
            return
        for name, before, after in (
            ("environment", self.old.environment, self.new.environment),
            ("models", self.old.models, self.new.models),
            ("budget", self.old.budget, self.new.budget),
        ):
            if before != after:
                message = f"`{name}` was frozen when the mission started."
                yield finding("revision-frozen", pointer(name), message)

    def by_orchestrator(self) -> Iterator[Finding]:
        yield from self._untouchable()
        yield from self._milestones()
        yield from self._features()
        yield from self._contract()
        yield from self._instructions()

    def _untouchable(self) -> Iterator[Finding]:
        for name in ("title", "objective", "nonGoals", "assumptions", "budget", "environment", "models"):
            if getattr(self.old, name) != getattr(self.new, name):
                yield finding("revision-not-allowed", pointer(name), f"`{name}` would change.")

    def _milestones(self) -> Iterator[Finding]:
        before = [m.id for m in self.old.milestones]
        if before != [m.id for m in self.new.milestones]:
            message = "Milestones would be added, removed or put in another order."
            yield finding("revision-not-allowed", "/milestones", message)
        for old in self.old.milestones:
            new = self.new_milestones.get(old.id)
            if new is None:
                continue
            for field in ("title", "userTesting", "failureLimit"):
                if getattr(old, field) != getattr(new, field):
                    message = f"`{field}` of milestone {shown(old.id)} would change."
                    yield finding(
                        "revision-not-allowed", self.paths[old.id] + pointer(field), message, old.id
                    )

    def _features(self) -> Iterator[Finding]:
        """Features that are being worked on, or were, are judged above; here, what else may not be taken away."""
        for feature in self.mission.all_features():
            before, after = self.old_features.get(feature.id), self.new_features.get(feature.id)
            if before is None or after is None or feature.status not in DONE or feature.status == "complete":
                continue
            if before[1] != after[1] or before[0].id != after[0].id:
                message = f"{shown(feature.id)} was skipped by the human and would change."
                yield finding("revision-not-allowed", self.paths[feature.id], message, feature.id)

    def _contract(self) -> Iterator[Finding]:
        after = {a.id: a for a in self.new.validationContract.assertions}
        old_place, new_place = _milestone_by_assertion(self.old), _milestone_by_assertion(self.new)
        failed = self._failed_assertions()
        for assertion in self.old.validationContract.assertions:
            name, now = shown(assertion.id), after.get(assertion.id)
            where = "/validationContract/assertions"
            if now is None:
                message = f"{name} would be removed."
                yield finding("revision-contract-weakened", where, message, assertion.id)
                continue
            if _SEVERITY[now.severity] < _SEVERITY[assertion.severity]:
                message = f"The severity of {name} would fall from {assertion.severity} to {now.severity}."
                yield finding("revision-contract-weakened", where, message, assertion.id)
            if (now.assertion, now.verification, now.category) != (
                assertion.assertion,
                assertion.verification,
                assertion.category,
            ):
                message = f"The text of {name} would change."
                yield finding("revision-contract-weakened", where, message, assertion.id)
            if assertion.id not in old_place:
                continue
            if assertion.id not in new_place:
                yield finding(
                    "revision-contract-weakened", where, f"Nobody would claim {name}.", assertion.id
                )
            elif assertion.id in failed and new_place[assertion.id] > old_place[assertion.id]:
                message = f"{name} failed and would be judged with a later milestone."
                yield finding("revision-assertion-postponed", where, message, assertion.id)

    def _failed_assertions(self) -> set[str]:
        block = self.mission.latestBlock
        failed = set(block.failedAssertions) if block is not None else set[str]()
        for milestone in self.mission.milestones:
            if milestone.validationState.failureCount and milestone.status != "complete":
                failed |= {a.id for a in self.old.milestone_assertions(milestone.id)}
        return failed

    def _instructions(self) -> Iterator[Finding]:
        block = self.mission.latestBlock
        failed = block is not None and block.reasonCategory == "validator_report_failed"
        # After a failed validation, new words for the validators would only buy a better verdict.
        rule = "revision-not-allowed" if failed else "revision-validator-instructions"
        for name in ("validatorScrutiny", "validatorUserTesting"):
            if getattr(self.old.skills, name) != getattr(self.new.skills, name):
                message = f"The skill {name} would change."
                yield finding(rule, pointer("skills", name), message)
        for old in self.old.milestones:
            new = self.new_milestones.get(old.id)
            if new is not None and new.validation != old.validation:
                message = f"The validation of milestone {shown(old.id)} would change."
                path = self.paths[old.id] + "/validation"
                yield finding(rule, path, message, old.id)


def _changed(before: FeaturePlan | MilestonePlan, after: FeaturePlan | MilestonePlan) -> list[str]:
    return [name for name in type(before).model_fields if getattr(before, name) != getattr(after, name)]


def _milestone_by_assertion(plan: PlanDocument) -> dict[str, int]:
    found: dict[str, int] = {}
    for number, milestone in enumerate(plan.milestones):
        for claim in [*milestone.claims, *(c for f in milestone.features for c in f.claims)]:
            found.setdefault(claim, number)
    return found
