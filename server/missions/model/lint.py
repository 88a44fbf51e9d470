"""Whether a plan may be accepted: the whole judgement, as findings with a place, a sentence and a way to mend it.

A plan with an error is refused as a whole; warnings and infos are shown. Pure: a plan is judged by itself, never
against the disk. The rules are listed in ``lint_rules.py``; revisions are judged in ``lint_revision.py``.
"""

from __future__ import annotations

from typing import Any, cast

from missions.model.contract import PlanDocument
from missions.model.errors import MissionError
from missions.model.lint_content import content
from missions.model.lint_revision import lint_revision
from missions.model.lint_rules import RULES, Finding, FindingSeverity, Rule, errors_of, ordered, rule_named
from missions.model.lint_salvage import salvaged
from missions.model.lint_shape import arranged, bounds, parse, shaped, texts
from missions.model.lint_structure import structure

__all__ = [
    "RULES",
    "Finding",
    "FindingSeverity",
    "Rule",
    "accepted_plan",
    "errors_of",
    "lint_plan",
    "lint_plan_text",
    "lint_revision",
    "refusal",
    "rule_named",
]


def lint_plan(raw: object) -> tuple[PlanDocument | None, list[Finding]]:
    """Judge a JSON value as a plan.

    The document is None when its shape is wrong; with a document there may still be errors (see :func:`errors_of`), which
    refuse it all the same.
    """
    found = bounds(raw)
    if found:
        return None, ordered(found)
    found = texts(raw)
    document, misplaced = arranged(cast("dict[str, Any]", raw))
    plan, shape = shaped(document)
    found += [*misplaced, *shape]
    found += [*structure(plan), *content(plan)] if plan is not None else salvaged(document)
    if errors_of(misplaced):
        plan = None
    return plan, ordered(found)


def lint_plan_text(text: bytes | str) -> tuple[PlanDocument | None, list[Finding]]:
    """Judge the text of a plan file; broken JSON and fields given twice are findings too."""
    raw, found = parse(text)
    return (None, found) if found else lint_plan(raw)


def accepted_plan(raw: object) -> tuple[PlanDocument, list[Finding]]:
    """The plan and its warnings, or ``plan_invalid`` with every finding in ``data["findings"]``."""
    plan, found = lint_plan(raw)
    if plan is None or errors_of(found):
        raise refusal(found)
    return plan, found


def refusal(findings: list[Finding]) -> MissionError:
    """The error that refuses a plan or a revision; ``data["findings"]`` holds every finding."""
    errors = errors_of(findings)
    first = errors[0].message if errors else "It could not be read."
    more = f" {len(errors) - 1} more errors are listed." if len(errors) > 1 else ""
    return MissionError(
        "plan_invalid",
        f"The plan cannot be accepted: {first}{more}",
        "Mend what the findings name; nothing was written.",
        findings=[f.as_json() for f in findings],
    )
