"""A plan as people review it: objective, features by milestone, assumptions, non-goals, the contract, limits.

Markdown that is also read unrendered. It shows; it judges nothing. The same text stands behind the planner's draft, ``missions show
plan`` and the history of a plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from missions.model.contract import Assertion, FeaturePlan, MilestonePlan, PlanDocument
from missions.model.lint_rules import Finding
from missions.model.plain_text import many_lines, one_line

_SHORT = 220
"""Columns of a feature's description in the short form."""
_LONG = 8000


def plan_text(plan: PlanDocument, *, short: bool = False) -> str:
    """The whole plan; with ``short`` descriptions are cut, so that it can be reviewed in a minute."""
    parts = [f"# {one_line(plan.title, 200)}", many_lines(plan.objective.strip(), _LONG)]
    parts += [_milestone(plan, milestone, short) for milestone in plan.milestones]
    parts += _bullets("Assumptions", plan.assumptions)
    parts += _bullets("Non-goals", plan.nonGoals)
    parts.append("\n".join(_contract(plan, short)))
    parts.append("\n".join(_limits(plan)))
    if not short:
        parts += [
            f"## Instructions for {who}\n\n{many_lines(text.strip(), _LONG)}"
            for who, text in (
                ("workers", plan.skills.worker),
                ("scrutiny", plan.skills.validatorScrutiny),
                ("user testing", plan.skills.validatorUserTesting),
            )
            if text and text.strip()
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


def findings_text(findings: Sequence[Finding]) -> list[str]:
    """One line per finding: where, what, how to mend it."""
    return [
        f"- {found.severity}: {one_line(found.path or '/', 120)}: {one_line(found.message, 300)} {one_line(found.fix, 300)}"
        for found in findings
    ]


def _milestone(plan: PlanDocument, milestone: MilestonePlan, short: bool) -> str:
    validated = "scrutiny, then user testing" if milestone.userTesting.required else "scrutiny"
    lines = [f"## {milestone.id} {one_line(milestone.title, 160)}", ""]
    if milestone.objective.strip():
        lines += [many_lines(milestone.objective.strip(), _LONG), ""]
    lines += [line for feature in milestone.features for line in _feature(feature, short)]
    checked = one_line(milestone.validation, _SHORT if short else 2000)
    lines.append("")
    lines.append(f"Validated by {validated}" + (f": {checked}" if checked else "."))
    own = plan.claimed_by(milestone)
    if own:
        lines.append(f"As a whole it claims {', '.join(a.id for a in own)}.")
    if milestone.userTesting.required and milestone.userTesting.instructions.strip() and not short:
        lines.append(f"User testing: {one_line(milestone.userTesting.instructions, 2000)}")
    return "\n".join(lines).rstrip()


def _feature(feature: FeaturePlan, short: bool) -> Iterator[str]:
    facts = [f"after {', '.join(feature.dependencies)}"] if feature.dependencies else []
    facts += [f"claims {', '.join(feature.claims)}"] if feature.claims else []
    yield f"- **{feature.id}** {one_line(feature.title, 160)}" + (f" ({'; '.join(facts)}):" if facts else ":")
    if short:
        yield f"  {one_line(feature.description, _SHORT)}"
    else:
        yield from (f"  {line}".rstrip() for line in many_lines(feature.description, _LONG).splitlines())


def _contract(plan: PlanDocument, short: bool) -> Iterator[str]:
    assertions = plan.validationContract.assertions
    grave = sum(a.severity == "critical" for a in assertions)
    yield f"## Contract: {len(assertions)} assertions" + (f", {grave} critical" if grave else "")
    yield ""
    claimed = {name: item.id for item in plan.milestones for name in item.claims}
    claimed |= {name: feature.id for _, feature in plan.features() for name in feature.claims}
    for assertion in assertions:
        yield from _assertion(assertion, claimed.get(assertion.id), short)


def _assertion(assertion: Assertion, claimant: str | None, short: bool) -> Iterator[str]:
    by = f", {claimant}" if claimant else ""
    yield f"- **{assertion.id}** ({assertion.severity}{by}) {one_line(assertion.assertion, _SHORT if short else 2000)}"
    if not short:
        yield f"  Seen by: {one_line(assertion.verification, 2000)}"


def _limits(plan: PlanDocument) -> Iterator[str]:
    place, budget = plan.environment, plan.budget
    limits = [
        f"${budget.usd:g}" if budget.usd is not None else "",
        f"{budget.tokens:,} tokens" if budget.tokens is not None else "",
        f"{budget.wallMinutes:g} min" if budget.wallMinutes is not None else "",
        f"{budget.runs} runs" if budget.runs is not None else "",
    ]
    yield "## Limits and surroundings"
    yield ""
    yield f"- Budget: {', '.join(limit for limit in limits if limit) or 'as the settings say'}"
    yield "- Works in " + ("a private clone" if place.workspace == "clone" else "your checkout")
    yield f"- Network of commands: {', '.join(one_line(host, 80) for host in place.network) or 'off'}"
    if place.setup:
        yield f"- Setup: `{one_line(place.setup, 200)}`"
    if place.checks:
        yield "- Checks of every worker: " + ", ".join(f"`{one_line(check, 120)}`" for check in place.checks)
    if place.copyPaths:
        yield f"- Copied into the clone: {', '.join(one_line(path, 120) for path in place.copyPaths)}"
    yield from (
        f"- Model of the {role}: {one_line(choice.model, 80)}" for role, choice in plan.models.items()
    )


def _bullets(title: str, entries: Sequence[str]) -> list[str]:
    return (
        [f"## {title}\n\n" + "\n".join(f"- {one_line(entry, 500)}" for entry in entries)] if entries else []
    )
