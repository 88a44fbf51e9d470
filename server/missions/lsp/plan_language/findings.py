"""Lint findings on plan files as diagnostics at their places, and "differs from the accepted plan".

A mission's plan stands in several files; a finding is shown in the file that holds its place. The judgement itself is
``missions.model.lint``; nothing here has an opinion on plans.
"""

from __future__ import annotations

import json
from typing import Any

from lsprotocol import types

from missions.control.proposals import CONTRACT, FEATURES, PLAN, Proposal, proposal_of
from missions.lsp.plan_language.sheets import Sheet
from missions.model.errors import MissionError
from missions.model.lint import Finding, lint_plan, lint_plan_text, lint_revision
from missions.model.lint_rules import finding
from missions.model.mission import Mission
from missions.model.plain_text import one_line
from missions.store.layout import MissionDir

SOURCE = "missions"
"""Source of all our diagnostics."""

_SEVERITY = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "info": types.DiagnosticSeverity.Information,
}
_CONTRACT = "/validationContract"


def of_plan(sheet: Sheet) -> list[types.Diagnostic]:
    """The findings on a whole plan document that belongs to no mission."""
    if sheet.too_large:
        found = [finding("plan-too-large", "", f"The plan has {sheet.size} characters.")]
    else:
        found = lint_plan_text(sheet.text)[1]
    return [_diagnostic(sheet, one, one.path) for one in found]


def of_mission_file(
    sheet: Sheet, directory: MissionDir, mission: Mission, text_counts: bool
) -> list[types.Diagnostic]:
    """The findings on one plan file of a mission; ``text_counts``: the sheet is newer than the file."""
    name = sheet.source.relative
    if sheet.too_large:
        trouble = finding("plan-too-large", "", f"The plan has {sheet.size} characters.")
        return [_diagnostic(sheet, trouble, "")]
    try:
        proposal = proposal_of(directory, mission, {name: sheet.text} if text_counts else None)
    except MissionError as error:
        return [_note(sheet, "plan-unreadable", error.message, types.DiagnosticSeverity.Warning, mission.id)]
    if proposal is None:
        return []
    shown = [*_broken(sheet, proposal), *_differences(sheet, proposal, mission)]
    if proposal.raw is not None:
        for one in _judged(directory, mission, proposal):
            path = _path_in(name, one.path)
            if path is not None:
                shown.append(_diagnostic(sheet, one, path))
    return shown


def _judged(directory: MissionDir, mission: Mission, proposal: Proposal) -> list[Finding]:
    from missions.store.blobs import plan_of

    plan, found = lint_plan(proposal.raw)
    if plan is None or not mission.executionStartedAt:
        return found
    accepted = plan_of(directory)(mission.plan.blob)
    if plan == accepted:
        return found
    return [*found, *lint_revision(mission, accepted, plan, "user")]


def _path_in(name: str, path: str) -> str | None:
    """The place of a finding in one of the plan's files, or None if it belongs to another one."""
    if name == PLAN:
        return path
    if name == FEATURES:
        return path if path.startswith(("/milestones", "/title")) else None
    if name == CONTRACT and path.startswith(_CONTRACT):
        return path[len(_CONTRACT) :]
    return None


def _broken(sheet: Sheet, proposal: Proposal) -> list[types.Diagnostic]:
    if sheet.source.relative not in proposal.broken:
        return []
    try:
        json.loads(sheet.text)
        message = f"{sheet.source.relative} is not a JSON object."
    except json.JSONDecodeError as error:
        message = f"The JSON is broken at line {error.lineno}, column {error.colno}: {error.msg}."
    except (ValueError, RecursionError):
        message = "The JSON cannot be read."
    return [_diagnostic(sheet, finding("not-json", "", message), "")]


def _differences(sheet: Sheet, proposal: Proposal, mission: Mission) -> list[types.Diagnostic]:
    name = sheet.source.relative
    if name in proposal.edited:
        text = (
            f"This file differs from the accepted plan (version {mission.plan.version}). "
            "It has no effect until it is applied as a revision."
        )
        return [_note(sheet, "plan-differs", text, types.DiagnosticSeverity.Warning, mission.id)]
    if name in proposal.ignored:
        text = "Changes in this file have no effect: it only shows what plan/features.json and its neighbours say."
        return [_note(sheet, "plan-copy", text, types.DiagnosticSeverity.Information, mission.id)]
    return []


def _note(
    sheet: Sheet, code: str, text: str, severity: types.DiagnosticSeverity, mission_id: str
) -> types.Diagnostic:
    data: dict[str, Any] = {"kind": "proposal", "mission": mission_id}
    where = sheet.lines.lines_range(0, 0)
    return types.Diagnostic(range=where, message=text, severity=severity, code=code, source=SOURCE, data=data)


def _diagnostic(sheet: Sheet, one: Finding, path: str) -> types.Diagnostic:
    data: dict[str, Any] = {"kind": "finding", "rule": one.rule, "path": one.path}
    if sheet.source.mission:
        data["mission"] = sheet.source.mission
    return types.Diagnostic(
        range=_place(sheet, one, path),
        message=one_line(f"{one.message} {one.fix}", 1000),
        severity=_SEVERITY[one.severity],
        code=one.rule,
        source=SOURCE,
        data=data,
    )


def _place(sheet: Sheet, one: Finding, path: str) -> types.Range:
    if one.rule == "not-json" and sheet.text:
        try:
            json.loads(sheet.text)
        except json.JSONDecodeError as error:
            return sheet.lines.range(error.pos, error.pos + 1)
        except (ValueError, RecursionError):
            pass
    node = sheet.tree.find(path) if path else None
    if node is None or node is sheet.tree.root:
        return sheet.lines.lines_range(0, 0)
    return sheet.lines.range(*sheet.mark_of(node))
