"""What a word in a document stands for: a mission, milestone, feature, assertion, run, commit, defect or file.

One question answered for hover, navigation, links and completion alike. Reads the mission's state, its accepted plan and
its reports; a word that stands for nothing known is nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from missions.lsp.plan_language.outline import Outline
from missions.lsp.plan_language.sheets import Sheet
from missions.lsp.plan_language.stops import source_file
from missions.model.contract import PlanDocument
from missions.model.errors import MissionError
from missions.model.mission import Mission, Run
from missions.model.reports import Defect, ValidationReport
from missions.runner.applying import read_report
from missions.store.blobs import plan_of
from missions.store.layout import MissionDir

WordKind = Literal["mission", "milestone", "feature", "assertion", "run", "commit", "defect", "file"]

WORD = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_./+@-]*(?::[0-9]+)?")
_COMMIT = re.compile(r"[0-9a-f]{7,64}\Z")
_LONGEST = 300
_REPORTS = 40
"""Reports, from the newest, in which a defect is looked for."""


@dataclass(frozen=True)
class Word:
    """A word that stands for something, and where it stands in the text."""

    kind: WordKind
    id: str
    start: int
    end: int
    path: Path | None = None
    """Of a file."""
    line: int | None = None
    """In the file, from 1."""


class Knowledge:
    """What is known around one document."""

    def __init__(self, sheet: Sheet, mission: Mission | None, directory: MissionDir | None) -> None:
        self.sheet = sheet
        self.mission = mission
        self.directory = directory

    @cached_property
    def plan(self) -> PlanDocument | None:
        """The accepted plan of the document's mission."""
        if self.mission is None or self.directory is None or not self.mission.plan.version:
            return None
        try:
            return plan_of(self.directory)(self.mission.plan.blob)
        except MissionError:
            return None

    @property
    def outline(self) -> Outline:
        """The items of this document."""
        return self.sheet.outline

    @cached_property
    def reports(self) -> dict[str, ValidationReport]:
        """The newest validation reports by run, oldest first."""
        found: dict[str, ValidationReport] = {}
        if self.mission is None or self.directory is None:
            return found
        for run in [run for run in self.mission.runs if run.kind == "validator"][-_REPORTS:]:
            report = read_report(self.directory, run.runId)
            if report is not None:
                found[run.runId] = report
        return found

    @cached_property
    def _ids(self) -> dict[str, WordKind]:
        found: dict[str, WordKind] = {}
        plan = self.plan
        if plan is not None:
            found.update({a.id: "assertion" for a in plan.validationContract.assertions})
        if self.mission is not None:
            found.update({f.id: "feature" for f in self.mission.all_features()})
            found.update({m.id: "milestone" for m in self.mission.milestones})
            found.update({r.runId: "run" for r in self.mission.runs})
            found[self.mission.id] = "mission"
        found.update({item.id: item.kind for item in self.outline.items if item.id})
        return found

    def at(self, offset: int) -> Word | None:
        """What stands at an offset of the text."""
        lines = self.sheet.lines
        number = lines.position(offset).line
        start, end = lines.span(number)
        # Only the neighbourhood: a line of a transcript can be very long.
        begin = max(start, offset - _LONGEST)
        for match in WORD.finditer(self.sheet.text, begin, min(end, offset + _LONGEST)):
            if match.start() <= offset <= match.end():
                return self._word(match.group(), match.start())
        return None

    def all(self, most: int) -> Iterator[Word]:
        """Every word of the text that stands for something, at most ``most``."""
        count = 0
        known: dict[str, Word | None] = {}
        for match in WORD.finditer(self.sheet.text):
            text = match.group()
            if text not in known:
                if len(known) > 20_000:
                    return
                known[text] = self._word(text, 0)
            found = known[text]
            if found is not None:
                yield Word(
                    found.kind,
                    found.id,
                    match.start() + found.start,
                    match.start() + found.end,
                    found.path,
                    found.line,
                )
                count += 1
                if count >= most:
                    return

    def _word(self, text: str, start: int) -> Word | None:
        if len(text) > _LONGEST:
            return None
        bare = text.rstrip(".:,/")
        name, _, line = bare.partition(":")
        for candidate in (bare, name):
            kind = self._ids.get(candidate)
            if kind is not None:
                return Word(kind, candidate, start, start + len(candidate))
        if self.mission is None or self.directory is None:
            return None
        if self.defect(name) is not None:
            return Word("defect", name, start, start + len(name))
        if _COMMIT.match(name) and self.run_of_commit(name) is not None:
            return Word("commit", name, start, start + len(name))
        if "/" in name or "." in name.strip("."):
            path = source_file(self.mission, self.directory, name)
            if path is not None:
                number = int(line) if line.isdecimal() else None
                return Word("file", name, start, start + len(bare), path, number)
        return None

    def run(self, run_id: str) -> Run | None:
        """A run of the document's mission."""
        return self.mission.run(run_id) if self.mission is not None else None

    def run_of_commit(self, commit: str) -> Run | None:
        """The run that made a commit, or the first that began on it."""
        if self.mission is None:
            return None
        made = [r for r in self.mission.runs if r.kind == "worker" and (r.commit or "").startswith(commit)]
        begun = [r for r in self.mission.runs if (r.baseCommit or "").startswith(commit)]
        return made[-1] if made else begun[0] if begun else None

    def defect(self, defect_id: str) -> tuple[str, Defect] | None:
        """A defect with the run that found it: of this document's run, else the newest of that id."""
        own = self.sheet.source.run
        order = [run_id for run_id in (own, *reversed(self.reports)) if run_id in self.reports]
        for run_id in order:
            for defect in self.reports[run_id].defects:
                if defect.id == defect_id:
                    return run_id, defect
        return None
