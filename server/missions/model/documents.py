"""Readable forms of what a mission leaves: handoff, validation report, recovery packet, final report (markdown).

Pure functions from values to text; the same value gives the same text. Words from models and repositories are shown as
text: escape sequences and HTML never survive. Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from missions.model.figures import duration_text, money_text
from missions.model.mission import Milestone, Mission
from missions.model.plain_text import many_lines, one_line
from missions.model.recovery import CATEGORIES, RecoveryPacket
from missions.model.reports import Evidence, Handoff, ValidationReport


def handoff_markdown(handoff: Handoff, title: str = "", changes: str | None = None) -> str:
    """``handoff.md``; on a page that shows ``changes``, the commit is short and a link to them."""
    commit = f"`{_code(handoff.commit) or 'none'}`"
    if changes is not None and handoff.commit:
        commit = f"[`{_code(handoff.commit[:12])}`]({changes})"
    lines = [
        f"# Handoff {_text(handoff.featureId)}{' — ' + _text(title) if title else ''}",
        "",
        f"Status: **{handoff.status}** · commit {commit}",
        "",
    ]
    lines += [_block(handoff.summary), ""]
    lines += _bullets("Implemented", handoff.implemented)
    lines += _bullets(
        "Left undone",
        [
            f"{u.item}" + (f" (dismissed: {u.dismissedBecause})" if u.dismissedBecause else "")
            for u in handoff.leftUndone
        ],
    )
    lines += _bullets("Files changed", [f"`{_code(p)}`" for p in handoff.filesChanged], raw=True)
    lines += _commands([(c.run, c.command, c.exitCode) for c in handoff.commandsRun])
    lines += _bullets("Issues discovered", handoff.issuesDiscovered)
    lines += _bullets("Risks", handoff.risks)
    return _page(lines)


def report_markdown(report: ValidationReport, title: str, findings: Sequence[str] = ()) -> str:
    """``validation-report.md`` and ``user-testing-report.md``; ``findings`` are the engine's own remarks."""
    lines = [
        f"# {_text(title)}",
        "",
        f"Verdict: **{report.status}** · recommendation: {report.recommendation}",
        "",
        _block(report.summary),
        "",
    ]
    if report.assertions:
        lines += ["## Assertions", "", "| Assertion | Status | Evidence |", "|---|---|---|"]
        lines += [
            f"| {_cell(a.assertionId)} | {a.status} | {_cell('; '.join(_evidence(e) for e in a.evidence))} |"
            for a in report.assertions
        ]
        lines.append("")
    for defect in report.defects:
        lines += [
            f"## Defect {_text(defect.id)} ({defect.severity}): {_text(defect.title)}",
            "",
            _block(defect.description),
            "",
        ]
        lines += [f"- at `{_code(place.path)}:{place.startLine}`" for place in defect.locations or ()]
        lines += ["", "Reproduction:", "", _fenced(defect.reproduction), ""]
        if defect.suggestedFix:
            lines += [f"Suggested: {_text(defect.suggestedFix)}", ""]
    lines += _bullets("Steps and what was seen", [f"{s.name}: {s.observed}" for s in report.screens or ()])
    lines += _bullets(
        "Procedure", [f"{f.title} ({f.severity}): {f.description}" for f in report.procedureFindings]
    )
    lines += _bullets("Noted by the engine", findings)
    lines += _commands([(c.run, c.command, c.exitCode) for c in report.commandsRun])
    return _page(lines)


def packet_markdown(packet: RecoveryPacket) -> str:
    """The recovery packet for people."""
    block = packet.block
    lines = [
        f"# {_text(packet.missionTitle)}: {CATEGORIES[block.reasonCategory].shown}",
        "",
        f"- Category: `{block.reasonCategory}`",
        f"- Unit: {block.kind}{' (' + block.validatorMode + ')' if block.validatorMode else ''} {_text(block.failedItemId)} — {_text(block.failedItemTitle)}",
        f"- Run: {_text(block.runId or 'none')}",
        f"- Time: {block.timestamp}",
        "",
        _block(block.message),
        "",
    ]
    lines += _bullets("Failed assertions", block.failedAssertions)
    lines += _bullets("Defects", [_defect(defect) for defect in block.defects], raw=True)
    lines += _bullets("Artifacts", [f"`{_code(p)}`" for p in block.artifactPaths], raw=True)
    if block.dirty:
        lines += ["## Uncommitted changes", "", _fenced(block.dirty), ""]
    lines += _bullets(
        "What may happen",
        [f"{o.outcome}: {o.description} Safe when: {o.safeWhen}" for o in packet.allowedOutcomes],
    )
    return _page(lines)


def _defect(defect: Mapping[str, Any]) -> str:
    """One defect of a block: which, how bad, what, where."""
    places = ", ".join(
        f"`{_code(str(place.get('path', '')))}`"
        + (f":{place['startLine']}" if place.get("startLine") else "")
        for place in defect.get("locations") or ()
    )
    said = f"{_text(str(defect.get('id', '')))} ({_text(str(defect.get('severity', '')))}): {_text(str(defect.get('title', '')))}"
    return said + (f" — {places}" if places else "")


def mission_report_markdown(
    mission: Mission,
    objective: str,
    handoffs: Mapping[str, Handoff],
    reports: Mapping[str, ValidationReport],
    estimate: str = "",
) -> str:
    """``report.md``: what was built, with commits and evidence, validations and repairs, deviations, cost and time.

    ``handoffs`` and ``reports`` are by run id.
    """
    lines = [
        f"# {_text(mission.title)}",
        "",
        f"Mission `{mission.id}`{' (simulated model)' if mission.demo else ''} · {mission.status} · branch `{_code(mission.branch or '')}`",
        "",
    ]
    lines += ["## Objective", "", _block(objective), "", "## What was built", ""]
    for milestone in mission.milestones:
        lines += [f"### {_text(milestone.id)} {_text(milestone.title)} — {milestone.status}", ""]
        for feature in milestone.features:
            origin = (
                f" (repairs {_text(feature.origin.defectId or '')} of run {feature.origin.runId})"
                if feature.origin.kind == "repair" and feature.origin.runId
                else ""
            )
            commit = f", commit `{feature.commit[:12]}`" if feature.commit else ""
            lines.append(
                f"- **{_text(feature.id)}** {_text(feature.title)}: {feature.status}{commit}{origin}"
            )
            handoff = handoffs.get(feature.runId or "")
            if handoff is not None:
                lines.append(f"  - {_text(handoff.summary)}")
                lines += [
                    f"  - checked by run {c.run}: `{_code(c.command)}` → {c.exitCode}"
                    for c in handoff.commandsRun[:6]
                ]
            if feature.status == "skipped" and feature.reason:
                lines.append(f"  - skipped: {_text(feature.reason)}")
        lines += ["", *_validations(mission, milestone, reports)]
    lines += _deviations(mission, handoffs)
    lines += _cost(mission, estimate)
    lines += [
        "## What to do next",
        "",
        f"Review the branch, then `missions finish {mission.id} --merge`, or merge it yourself: `git merge {mission.branch or ''}`.",
        "",
    ]
    return _page(lines)


def _validations(
    mission: Mission, milestone: Milestone, reports: Mapping[str, ValidationReport]
) -> list[str]:
    runs = [r for r in mission.runs if r.kind == "validator" and r.milestoneId == milestone.id]
    if not runs:
        return []
    lines = ["Validations:", ""]
    for run in runs:
        report = reports.get(run.runId)
        failed = (
            f"; failed: {', '.join(report.failed_assertions())}"
            if report and report.failed_assertions()
            else ""
        )
        defects = (
            "".join(f"\n  - {d.id} ({d.severity}): {_text(d.title)}" for d in report.defects)
            if report
            else ""
        )
        lines.append(
            f"- {run.validatorMode} attempt {run.attempt}: **{run.status}**{failed} (run {run.runId}){defects}"
        )
    return [*lines, ""]


def _deviations(mission: Mission, handoffs: Mapping[str, Handoff]) -> list[str]:
    found: list[str] = []
    for feature in mission.all_features():
        handoff = handoffs.get(feature.runId or "")
        if handoff is not None:
            found += [f"{feature.id}: left out {u.item} ({u.dismissedBecause})" for u in handoff.leftUndone]
            found += [f"{feature.id}: risk: {r}" for r in handoff.risks]
    for milestone in mission.milestones:
        found += [
            f"{milestone.id}: defect {w.defectId} waived: {w.reason}"
            for w in milestone.validationState.waived
        ]
    found += [
        f"check failed before the mission: {k.command} (exit code {k.exitCode})"
        for k in mission.baseline or []
    ]
    return _bullets("Deviations and risks", found)


def _cost(mission: Mission, estimate: str) -> list[str]:
    usage, time = mission.usage, mission.time
    lines = [
        "## Cost and time",
        "",
        "| Role | Requests | Tokens in | From cache | Tokens out | Cost |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for role, used in sorted(mission.usageByRole.items()):
        lines.append(
            f"| {role} | {used.requests} | {used.prompt_tokens:,} | {used.cache_share:.0%} | {used.outputTokens:,} | {money_text(used.costMicroUsd, used.estimated)} |"
        )
    lines.append(
        f"| all | {usage.requests} | {usage.prompt_tokens:,} | {usage.cache_share:.0%} | {usage.outputTokens:,} | {money_text(usage.costMicroUsd, usage.estimated)} |"
    )
    lines += [
        "",
        f"Working {duration_text(time.working)}, validating {duration_text(time.validating)}, waiting for the human {duration_text(time.waitingHuman)}, waiting for the provider {duration_text(time.waitingProvider)}; {len(mission.runs)} runs.",
    ]
    if estimate:
        lines.append(f"Estimated before: {estimate}.")
    return [*lines, ""]


def _evidence(item: Evidence) -> str:
    if item.kind == "command":
        return f"run {item.run}" + (f" ({item.note})" if item.note else "")
    lines = f":{item.startLine}" + (f"-{item.endLine}" if item.endLine else "") if item.startLine else ""
    return f"{item.path}{lines}" + (f" ({item.note})" if item.note else "")


def _commands(commands: Sequence[tuple[int | None, str, int | None]]) -> list[str]:
    if not commands:
        return []
    rows = [
        f"| {'' if run is None else run} | `{_code(command).replace('|', chr(92) + '|')}` | {'' if code is None else code} |"
        for run, command, code in commands
    ]
    return ["## Commands", "", "| Run | Command | Exit code |", "|---:|---|---:|", *rows, ""]


def _bullets(title: str, items: Sequence[str], raw: bool = False) -> list[str]:
    return [f"## {title}", "", *(f"- {item if raw else _text(item)}" for item in items), ""] if items else []


def _text(value: str) -> str:
    """Foreign words on one line, with markdown's and HTML's own characters made harmless."""
    flat = one_line(value, 2000)
    for mark in ("\\", "`", "*", "_", "[", "]", "<", ">"):
        flat = flat.replace(mark, "\\" + mark)
    return flat


def _code(value: str) -> str:
    return one_line(value, 2000).replace("`", "'")


def _cell(value: str) -> str:
    return _text(value).replace("|", "\\|")


def _block(value: str) -> str:
    """Foreign markdown of several lines: links and HTML shown as text."""
    return many_lines(value).replace("<", "\\<").replace("](", "]\\(")


def _fenced(value: str) -> str:
    return "```text\n" + many_lines(value).replace("```", "'''") + "\n```"


def _page(lines: Sequence[str]) -> str:
    text = "\n".join(lines)
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip() + "\n"
