"""The nodes of the Mission Control tree, made from lines of the list and from whole missions.

Values only: ids, labels, icons and severities, the same for the same state. All foreign text is made harmless here. It
knows neither what is visible nor what changed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from missions.lsp import document_uris as uris
from missions.lsp.markdown import code, escape, shorten
from missions.lsp.protocol import TreeCommand, TreeNode
from missions.lsp.store_watch import Row
from missions.model.detail import FeatureLine, MilestoneLine, outline
from missions.model.figures import duration_text, money_text
from missions.model.mission import Decision, Mission, Run
from missions.model.plain_text import one_line
from missions.model.recovery import CATEGORIES
from missions.model.view import (
    SECTIONS,
    SectionId,
    current_block,
    icon,
    mission_icon,
    mission_severity,
    place,
    run_result,
    run_title,
    section_of,
)
from missions.store.catalog import DamagedMission, MissionSummary
from missions.store.layout import MissionDir

PAGE = 200
"""Missions that one node shows; the rest stands behind a node of its own."""
RUNS_SHOWN = 50
"""Runs of one item, the latest."""


def section_node(section: SectionId, count: int) -> TreeNode:
    """One of the five sections; also without missions."""
    title = next(title for known, title, _ in SECTIONS if known == section)
    return TreeNode(
        id=f"section:{section}",
        label=title,
        description=str(count),
        context_value=f"section.{section}",
        collapsible="none" if not count else "collapsed" if section == "completed" else "expanded",
        accessibility_label=f"{title}, {count} missions",
    )


def more_node(section: SectionId, start: int, left: int) -> TreeNode:
    """The rest of a long section."""
    return TreeNode(
        id=f"section:{section}:{start}",
        label=f"{left} more…",
        icon="ellipsis",
        context_value="more",
        collapsible="collapsed",
        accessibility_label=f"{left} more missions",
    )


def mission_node(row: Row) -> TreeNode:
    """A mission as one line."""
    if isinstance(row, DamagedMission):
        return TreeNode(
            id=f"mission:{row.id}",
            label=row.id,
            description="cannot be read",
            tooltip=f"{escape(row.problem)}\n\n{escape(row.next_step)}",
            icon="warning",
            context_value="mission.damaged",
            severity="error",
            accessibility_label=f"{row.id}, cannot be read: {one_line(row.problem, 200)}",
        )
    title = one_line(row.title, 120) or row.id
    waits = f"waits for {row.waitsFor}" if row.waitsFor and row.needsYou else one_line(row.currentTask, 120)
    done = f"{row.featuresDone}/{row.features}"
    demo = "demo · " if row.demo else ""
    return TreeNode(
        id=f"mission:{row.id}",
        label=title,
        description=f"{demo}{done} · {_in_short(row)}",
        tooltip=_mission_tooltip(row),
        icon=mission_icon(row.status, row.needsYou),
        context_value=f"mission.{row.status}",
        severity=mission_severity(row.status, row.needsYou),
        collapsible="collapsed",
        command=_open("Open in Mission Control", row.id, "control"),
        accessibility_label=f"{title}, {row.status}, {done} features done, {shorten(waits, 200)}",
    )


def _in_short(row: MissionSummary) -> str:
    """What a mission is at, in a word or two: a side bar is narrow, and the rows below and the tooltip say the rest."""
    if row.waitsFor and row.needsYou:
        return "needs you"
    task = one_line(row.currentTask, 120)
    # "worker F2 — Reading time" while a run works, "F2: Reading time" for what would be next.
    found = re.match(r"(.*?)( — |: )", task)
    if found is None:
        return task
    return found[1] if found[2] == " — " else f"next {found[1]}"


def _mission_tooltip(row: MissionSummary) -> str:
    lines = [f"**{escape(shorten(row.title, 120))}**", f"{code(row.id)} · {row.status}"]
    where = place(row.cwd)
    lines.append(f"{escape(where.location)} ({code(where.cwd)})")
    lines.append(
        f"Features {row.featuresDone}/{row.features}, milestones {row.milestonesDone}/{row.milestones}"
    )
    if row.currentTask:
        lines.append(escape(row.currentTask))
    if row.waitsFor:
        lines.append(f"Waits for {escape(row.waitsFor)}")
    if row.status in ("blocked", "failed") and row.blockMessage:
        lines.append(f"{code(row.blockCategory or '')}: {escape(shorten(row.blockMessage, 300))}")
    if row.runs:
        lines.append(f"{row.runs} runs, {escape(money_text(row.costMicroUsd, row.costEstimated))}")
    return "  \n".join(lines)


def children_of_mission(mission: Mission, directory: MissionDir) -> list[TreeNode]:
    """Questions and the block first, then the milestones, then what was written."""
    nodes = [_decision_node(mission, decision) for decision in mission.decisions]
    block = current_block(mission)
    if block is not None:
        nodes.append(
            TreeNode(
                id=f"mission:{mission.id}/block",
                label=CATEGORIES[block.reasonCategory].shown.rstrip("."),
                description=shorten(one_line(block.message, 200), 160),
                tooltip=escape(shorten(block.message, 1000)),
                icon="error",
                context_value=f"block.{block.reasonCategory}",
                severity=mission_severity(mission.status, True),
                command=_open("Open the recovery packet", mission.id, "packet"),
                accessibility_label=(
                    f"Blocked: {CATEGORIES[block.reasonCategory].shown} {one_line(block.message, 200)}"
                ),
            )
        )
    nodes += [_milestone_node(mission.id, line) for line in outline(mission)]
    recoveries = [run for run in mission.runs if run.kind == "recovery"]
    if recoveries:
        nodes.append(
            TreeNode(
                id=f"mission:{mission.id}/recoveries",
                label="Recoveries",
                description=str(len(recoveries)),
                icon="tools",
                context_value="recoveries",
                collapsible="collapsed",
                accessibility_label=f"Recoveries, {len(recoveries)} runs",
            )
        )
    if _documents(mission, directory):
        nodes.append(
            TreeNode(
                id=f"mission:{mission.id}/documents",
                label="Documents",
                icon="files",
                context_value="documents",
                collapsible="collapsed",
                accessibility_label=f"Documents of {one_line(mission.title, 120)}",
            )
        )
    return nodes


def _decision_node(mission: Mission, decision: Decision) -> TreeNode:
    question = one_line(decision.question, 300)
    options = "\n".join(
        f"- **{escape(shorten(option.label, 80))}** ({code(option.id)}): {escape(shorten(option.consequence, 200))}"
        for option in decision.options
    )
    return TreeNode(
        id=f"mission:{mission.id}/decision:{decision.id}",
        label=shorten(question, 160),
        description=" / ".join(one_line(option.label, 40) for option in decision.options),
        tooltip=f"{escape(shorten(decision.question, 1000))}\n\n{options}".strip(),
        icon="question",
        context_value=f"decision.{decision.kind}",
        severity="warning",
        command=_open("Open in Mission Control", mission.id, "control"),
        accessibility_label=f"Question: {question}",
    )


def _milestone_node(mission: str, line: MilestoneLine) -> TreeNode:
    done = f"{line.progress.completed}/{line.progress.total}"
    often = f" {line.failures} ×" if line.failures > 1 else ""
    failed = f"validation failed{often}" if line.failures else ""
    # Why a milestone failed stands for the word: more would not fit the side bar.
    state = [failed] if failed and line.status == "failed" else [line.status, *([failed] if failed else [])]
    return TreeNode(
        id=f"mission:{mission}/milestone:{line.id}",
        label=f"{line.id} {line.title}",
        description=" · ".join([done, *state]),
        tooltip=f"**{escape(line.title)}**  \n{line.status}, {done} features done{f' · {failed}' if failed else ''}",
        icon=line.icon,
        context_value=f"milestone.{line.status}",
        severity="error" if line.status == "failed" else None,
        collapsible="expanded" if line.current and line.status != "complete" else "collapsed",
        accessibility_label=f"Milestone {line.id}, {line.title}, {line.status}, {done} features done",
    )


def children_of_milestone(mission: Mission, milestone_id: str) -> list[TreeNode]:
    """Its features in order, then its validations."""
    line = next((line for line in outline(mission) if line.id == milestone_id), None)
    if line is None:
        return []
    validations = [run for run in mission.runs if run.kind == "validator" and run.milestoneId == milestone_id]
    return [_feature_node(mission, feature) for feature in line.features] + run_nodes(mission, validations)


def _feature_node(mission: Mission, line: FeatureLine) -> TreeNode:
    repair = "repair · " if line.origin == "repair" else ""
    commit = f" · {one_line(line.commit, 40)[:8]}" if line.commit else ""
    return TreeNode(
        id=f"mission:{mission.id}/feature:{line.id}",
        label=f"{line.id} {line.title}",
        description=f"{repair}{line.status}{commit}",
        tooltip=f"**{escape(line.title)}**  \n{line.status}"
        + (f"  \nCommit {code(line.commit)}" if line.commit else ""),
        icon=line.icon,
        context_value=f"feature.{line.status}",
        severity="error" if line.status == "failed" else None,
        collapsible="collapsed" if any(_is_of(run, line.id) for run in mission.runs) else "none",
        command=_open("Open the latest run", mission.id, "review", line.runId) if line.runId else None,
        accessibility_label=f"Feature {line.id}, {line.title}, {line.status}",
    )


def children_of_feature(mission: Mission, feature_id: str) -> list[TreeNode]:
    """Its runs."""
    return run_nodes(mission, [run for run in mission.runs if _is_of(run, feature_id)])


def _is_of(run: Run, feature_id: str) -> bool:
    return run.kind == "worker" and run.itemId == feature_id


def children_of_recoveries(mission: Mission) -> list[TreeNode]:
    """Runs of the orchestrator."""
    return run_nodes(mission, [run for run in mission.runs if run.kind == "recovery"])


def run_nodes(mission: Mission, runs: Sequence[Run]) -> list[TreeNode]:
    """The latest runs, oldest first."""
    return [_run_node(mission, run) for run in runs[-RUNS_SHOWN:]]


def _run_node(mission: Mission, run: Run) -> TreeNode:
    title = run_title(mission, run)
    facts = [run_result(run)]
    if run.durationMs:
        facts.append(duration_text(run.durationMs))
    if run.usage.requests:
        facts.append(money_text(run.usage.costMicroUsd, run.usage.estimated))
    return TreeNode(
        id=f"mission:{mission.id}/run:{run.runId}",
        label=f"{run.validatorMode or run.kind}, attempt {run.attempt}",
        description=" · ".join(one_line(fact, 60) for fact in facts),
        tooltip=f"**{escape(title)}**  \n{code(run.runId)}  \n{escape(' · '.join(facts))}",
        icon=icon(run.status),
        context_value=f"run.{run.kind}.{run.status}",
        severity="error" if run.status in ("failed", "fail") else None,
        command=_open("Open the run", mission.id, "review", run.runId),
        accessibility_label=f"{title}, attempt {run.attempt}, {', '.join(facts)}",
    )


def children_of_documents(mission: Mission, directory: MissionDir) -> list[TreeNode]:
    """What can be opened of a mission besides its runs."""
    return [
        TreeNode(
            id=f"mission:{mission.id}/document:{name}",
            label=label,
            icon="markdown" if uri.endswith(".md") else "json",
            context_value=f"document.{name}",
            command=TreeCommand(title=f"Open {label}", command="open", arguments=[uri]),
            accessibility_label=f"Document: {label}",
        )
        for name, label, uri in _documents(mission, directory)
    ]


def _documents(mission: Mission, directory: MissionDir) -> list[tuple[str, str, str]]:
    found = [("control", "Mission Control", uris.control_uri(mission.id))]
    if mission.report is not None:
        found.append(("report", "Report", uris.report_uri(mission.id)))
    if mission.plan.version:
        # Not asked whether they are there: they are written a moment after the event that this list follows.
        plan = directory.plan
        found += [
            ("objective", "Objective", uris.file_uri(plan / "objective.md")),
            ("features", "Plan", uris.file_uri(plan / "features.json")),
            ("contract", "Validation contract", uris.file_uri(plan / "validation-contract.md")),
        ]
    return found


def _open(title: str, mission: str, document: str, run: str | None = None) -> TreeCommand:
    arguments = {"mission": mission, "document": document, **({"run": run} if run else {})}
    return TreeCommand(title=title, command="missions.open", arguments=[arguments])


def sorted_ids(rows: Sequence[Row]) -> dict[SectionId, list[str]]:
    """The ids of each section in the order to show: newest first, what cannot be read before all others.

    Completed missions that were hidden are left out.
    """
    found: dict[SectionId, list[str]] = {section: [] for section, _, _ in SECTIONS}
    good = [row for row in rows if isinstance(row, MissionSummary)]
    good = [row for row in good if not (row.cleared and row.status == "complete")]
    good.sort(key=lambda row: (row.title, row.id))
    good.sort(key=lambda row: row.updatedAt, reverse=True)
    found["blockedFailed"] += sorted(row.id for row in rows if isinstance(row, DamagedMission))
    for row in good:
        found[section_of(row.status)].append(row.id)
    return found
