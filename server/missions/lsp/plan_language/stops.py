"""What stops a mission, as diagnostics: the block at the plan's lines, and the defects on the lines of the source.

Derived from the mission's state and its reports, each time anew; what the state no longer says is not shown. Words of
models are cleaned, and a place outside the repository is never named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsprotocol import types

from missions.control.proposals import FEATURES
from missions.lsp.plan_language.findings import SOURCE
from missions.lsp.plan_language.sheets import Sheets
from missions.model.mission import Feature, Milestone, Mission, Run
from missions.model.next_action import orchestrator_at_work
from missions.model.plain_text import many_lines, one_line
from missions.model.recovery import CATEGORIES
from missions.model.reports import Defect
from missions.model.view import current_block, run_title
from missions.runner.applying import read_report
from missions.store.layout import MissionDir

MOST_DEFECTS = 200
"""Defects of one mission that are shown."""

Marks = dict[Path, list[types.Diagnostic]]


@dataclass(frozen=True)
class StandingDefect:
    """A defect that the mission has not dealt with yet. ``repair`` is the feature that is to mend it."""

    milestone: Milestone
    run: Run
    defect: Defect
    repair: Feature | None


def standing_defects(directory: MissionDir, mission: Mission) -> Iterator[StandingDefect]:
    """The defects of each milestone's last failed validation, without those that were waived."""
    if mission.status in ("planning", "planned", "complete", "failed"):
        return
    for run in failed_validations(mission):
        milestone = mission.milestone(run.milestoneId)
        report = read_report(directory, run.runId)
        if milestone is None or report is None:
            continue
        waived = {(w.runId, w.defectId) for w in milestone.validationState.waived}
        for defect in report.defects:
            if (run.runId, defect.id) not in waived:
                yield StandingDefect(milestone, run, defect, repair_of(mission, run.runId, defect.id))


def failed_validations(mission: Mission) -> list[Run]:
    """For each milestone that is not done and each way of validating, the last verdict if it is ``fail``."""
    last: dict[tuple[str, str], Run] = {}
    for run in mission.runs:
        if run.kind == "validator" and run.status in ("pass", "fail", "inconclusive"):
            last[(run.milestoneId or run.itemId, run.validatorMode or "scrutiny")] = run
    return [
        run
        for (item, _), run in last.items()
        if run.status == "fail"
        and (milestone := mission.milestone(item)) is not None
        and milestone.status not in ("complete", "skipped")
    ]


def repair_of(mission: Mission, run_id: str, defect_id: str) -> Feature | None:
    """The feature that was added to repair a defect."""
    return next(
        (
            feature
            for feature in mission.all_features()
            if feature.origin.kind == "repair"
            and feature.origin.runId == run_id
            and feature.origin.defectId == defect_id
        ),
        None,
    )


def places_of(directory: MissionDir, mission: Mission, runs: int = 20) -> set[Path]:
    """Files on which an earlier server may have left diagnostics of this mission."""
    found = {directory.path / FEATURES}
    validations = [run for run in mission.runs if run.kind == "validator" and run.status == "fail"]
    for run in validations[-runs:]:
        report = read_report(directory, run.runId)
        for defect in report.defects if report is not None else ():
            for location in defect.locations or ():
                path = source_file(mission, directory, location.path)
                if path is not None:
                    found.add(path)
    return found


def source_file(mission: Mission, directory: MissionDir, name: str) -> Path | None:
    """A file of the mission's repository, in the checkout or else in its clone; None if it is outside or gone."""
    if "\0" in name:
        return None
    for root in (Path(mission.cwd), directory.git / "tree"):
        try:
            path = (root / name).resolve()
            if path.is_relative_to(root.resolve()) and path.is_file():
                return root / path.relative_to(root.resolve())
        except (OSError, ValueError, RuntimeError):
            continue
    return None


class Stops:
    """Makes the diagnostics of missions."""

    def __init__(self, sheets: Sheets, related: bool) -> None:
        self._sheets = sheets
        self._related = related

    def of(self, directory: MissionDir, mission: Mission) -> Marks:
        """All diagnostics of one mission, by file."""
        marks: Marks = {}
        block = self._block(directory, mission)
        if block is not None:
            marks.setdefault(directory.path / FEATURES, []).append(block)
        for number, standing in enumerate(standing_defects(directory, mission)):
            if number >= MOST_DEFECTS:
                break
            for path, diagnostic in self._defect(directory, mission, standing):
                marks.setdefault(path, []).append(diagnostic)
        return marks

    def _block(self, directory: MissionDir, mission: Mission) -> types.Diagnostic | None:
        if mission.status not in ("blocked", "failed"):
            return None
        block = current_block(mission)
        title = one_line(mission.title, 80)
        data: dict[str, Any] = {"kind": "block", "mission": mission.id}
        if mission.status == "failed" or block is None:
            reason = one_line(mission.pauseReason or "", 400)
            word = "was given up" if mission.status == "failed" else "is blocked"
            return self._at_item(
                directory,
                mission.currentFeatureId,
                f"Mission “{title}” {word}. {reason}".strip(),
                "abandoned" if mission.status == "failed" else "blocked",
                types.DiagnosticSeverity.Warning,
                data,
                [],
            )
        given = {
            "category": block.reasonCategory,
            "milestone": block.milestoneId,
            "feature": block.featureId,
            "run": block.runId,
            "mode": block.validatorMode,
        }
        data.update({name: value for name, value in given.items() if value is not None})
        handled = " The orchestrator is looking at it." if orchestrator_at_work(mission) else ""
        said = one_line(f"{CATEGORIES[block.reasonCategory].shown} {block.message}", 700)
        return self._at_item(
            directory,
            block.featureId or block.milestoneId or block.failedItemId,
            f"Mission “{title}” is blocked. {said}{handled}",
            block.reasonCategory,
            types.DiagnosticSeverity.Warning if handled else types.DiagnosticSeverity.Error,
            data,
            self._places(directory, mission, block.runId, with_packet=True),
        )

    def _defect(
        self, directory: MissionDir, mission: Mission, standing: StandingDefect
    ) -> Iterator[tuple[Path, types.Diagnostic]]:
        defect, run = standing.defect, standing.run
        data: dict[str, Any] = {
            "kind": "defect",
            "mission": mission.id,
            "milestone": standing.milestone.id,
            "run": run.runId,
            "defect": defect.id,
            "severity": defect.severity,
        }
        parts = [
            f"{one_line(defect.title, 200)} ({defect.severity} defect {one_line(defect.id, 40)})",
            many_lines(defect.description, 600),
            f"Reproduce: {one_line(defect.reproduction, 300)}",
        ]
        severity = types.DiagnosticSeverity.Error
        if defect.severity == "minor":
            severity = types.DiagnosticSeverity.Warning
        if standing.repair is not None:
            data["repair"] = standing.repair.id
            severity = types.DiagnosticSeverity.Information
            parts.append(f"Feature {one_line(standing.repair.id, 40)} is to repair it.")
        related = self._places(directory, mission, run.runId, with_packet=False)
        found = False
        for location in defect.locations or ():
            path = source_file(mission, directory, location.path)
            if path is None:
                continue
            found = True
            lines = self._sheets.sheet_of(path).lines
            where = lines.lines_range(location.startLine - 1, (location.endLine or location.startLine) - 1)
            yield path, self._made(where, "\n".join(parts), "defect", severity, data, related)
        if not found:
            place = directory.path / FEATURES
            text = "\n".join(parts)
            yield (
                place,
                self._at_item(directory, standing.milestone.id, text, "defect", severity, data, related),
            )

    def _at_item(
        self,
        directory: MissionDir,
        item_id: str | None,
        text: str,
        code: str,
        severity: types.DiagnosticSeverity,
        data: dict[str, Any],
        related: list[types.DiagnosticRelatedInformation],
    ) -> types.Diagnostic:
        sheet = self._sheets.sheet_of(directory.path / FEATURES)
        item = sheet.outline.item(item_id) if item_id else None
        if item is None:
            where = sheet.lines.lines_range(0, 0)
        else:
            # From the item's name to the line of its title: what a reader takes for its head.
            title = item.node.get("title")
            end = title.end if title is not None and title.start > item.name.start else item.name.end
            where = sheet.lines.range(item.name.start, end)
        return self._made(where, text, code, severity, data, related)

    def _made(
        self,
        where: types.Range,
        text: str,
        code: str,
        severity: types.DiagnosticSeverity,
        data: dict[str, Any],
        related: list[types.DiagnosticRelatedInformation],
    ) -> types.Diagnostic:
        return types.Diagnostic(
            range=where,
            message=text,
            severity=severity,
            code=code,
            source=SOURCE,
            data=data,
            related_information=related if self._related and related else None,
        )

    def _places(
        self, directory: MissionDir, mission: Mission, run_id: str | None, *, with_packet: bool
    ) -> list[types.DiagnosticRelatedInformation]:
        found: list[types.DiagnosticRelatedInformation] = []
        run = mission.run(run_id)
        if run is not None:
            place = readable_of_run(directory, run)
            if place is not None:
                found.append(_related(place, f"What {run_title(mission, run)} left"))
        packet = packet_of(directory, run_id) if with_packet else None
        if packet is not None:
            found.append(_related(packet, "The recovery packet"))
        return found


def readable_of_run(directory: MissionDir, run: Run) -> Path | None:
    """The file that a person reads first of a run: its report or handoff."""
    place = directory.run(run.runId)
    candidates = [place.handoff_text]
    if run.kind == "validator":
        candidates = [place.report(run.validatorMode or "scrutiny").with_suffix(".md")]
    candidates += [place.handoff, place.stderr, place.transcript]
    return next((path for path in candidates if path.is_file()), None)


def packet_of(directory: MissionDir, run_id: str | None) -> Path | None:
    """The readable packet about a run, or the newest one."""
    try:
        packets = sorted(directory.packets.glob("*.md"))
    except OSError:
        return None
    about = [path for path in packets if run_id and run_id in path.name]
    found = about or packets
    return found[-1] if found else None


def _related(path: Path, text: str) -> types.DiagnosticRelatedInformation:
    start = types.Position(0, 0)
    where = types.Location(path.as_uri(), types.Range(start, start))
    return types.DiagnosticRelatedInformation(where, one_line(text, 200))
