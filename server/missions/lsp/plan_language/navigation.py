"""Where things are: definition, references and links of the ids in plans and in what missions leave.

A place is always a file or a document that exists; nothing outside the store and the mission's repository is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lsprotocol import types

from missions.control.proposals import CONTRACT, FEATURES
from missions.lsp import document_uris as uris
from missions.lsp.plan_language.knowledge import Knowledge, Word
from missions.lsp.plan_language.language import Language
from missions.lsp.plan_language.outline import Item
from missions.lsp.plan_language.sheets import Sheet
from missions.lsp.plan_language.sources import PLAN_FORMS
from missions.lsp.plan_language.stops import readable_of_run, source_file
from missions.model.mission import Mission

_START = types.Range(types.Position(0, 0), types.Position(0, 0))
MOST = 200
"""References or links of one answer."""


def definition(language: Language, params: types.DefinitionParams) -> list[types.Location]:
    """Where the id at a position is defined."""
    knowledge = language.knowledge(params.text_document.uri)
    word = knowledge.at(knowledge.sheet.lines.offset(params.position)) if knowledge else None
    return list(_places(language, knowledge, word)) if knowledge and word else []


def references(language: Language, params: types.ReferenceParams) -> list[types.Location]:
    """Where the id at a position is mentioned: in the plan, in handoffs and in reports."""
    knowledge = language.knowledge(params.text_document.uri)
    word = knowledge.at(knowledge.sheet.lines.offset(params.position)) if knowledge else None
    if knowledge is None or word is None:
        return []
    found: list[types.Location] = []
    if params.context.include_declaration:
        found += _places(language, knowledge, word)
    for sheet in _sheets(language, knowledge):
        for location in _mentions(sheet, word.id):
            if location not in found:
                found.append(location)
            if len(found) >= MOST:
                return found
    return found


def links(language: Language, params: types.DocumentLinkParams) -> list[types.DocumentLink]:
    """Runs, commits, missions and files named in a document."""
    knowledge = language.knowledge(params.text_document.uri)
    if knowledge is None or knowledge.mission is None:
        return []
    found: list[types.DocumentLink] = []
    for word in knowledge.all(MOST * 5):
        if word.kind not in ("run", "commit", "file", "mission", "defect"):
            continue
        place = next(iter(_places(language, knowledge, word)), None)
        if place is None:
            continue
        line = place.range.start.line
        target = place.uri + (f"#L{line + 1}" if line and place.uri.startswith("file:") else "")
        where = knowledge.sheet.lines.range(word.start, word.end)
        found.append(types.DocumentLink(range=where, target=target))
        if len(found) >= MOST:
            break
    return found


def _places(language: Language, knowledge: Knowledge, word: Word) -> Iterator[types.Location]:
    if word.kind in ("milestone", "feature", "assertion"):
        yield from _item(language, knowledge, word)
        return
    mission, directory = knowledge.mission, knowledge.directory
    if mission is None or directory is None:
        return
    match word.kind:
        case "mission":
            yield _document(language, uris.control_uri(mission.id), directory.path / FEATURES)
        case "run" | "commit":
            run = knowledge.run(word.id) if word.kind == "run" else knowledge.run_of_commit(word.id)
            if run is not None:
                yield _document(
                    language, uris.review_uri(mission.id, run.runId), readable_of_run(directory, run)
                )
        case "defect":
            yield from _defect(language, knowledge, mission, word)
        case _:
            if word.path is not None:
                sheet = language.sheets.sheet_of(word.path)
                line = (word.line or 1) - 1
                yield types.Location(sheet.uri, sheet.lines.lines_range(line, line) if word.line else _START)


def _item(language: Language, knowledge: Knowledge, word: Word) -> Iterator[types.Location]:
    here = knowledge.outline.item(word.id)
    if here is not None:
        yield _of_item(knowledge.sheet, here)
        return
    if knowledge.directory is not None:
        name = CONTRACT if word.kind == "assertion" else FEATURES
        sheet = language.sheets.sheet_of(knowledge.directory.path / name)
        item = sheet.outline.item(word.id)
        if item is not None:
            yield _of_item(sheet, item)


def _of_item(sheet: Sheet, item: Item) -> types.Location:
    return types.Location(sheet.uri, sheet.lines.range(item.name.start, item.name.end))


def _defect(
    language: Language, knowledge: Knowledge, mission: Mission, word: Word
) -> Iterator[types.Location]:
    found = knowledge.defect(word.id)
    if found is None or knowledge.directory is None:
        return
    run_id, defect = found
    for place in defect.locations or ():
        path = source_file(mission, knowledge.directory, place.path)
        if path is not None:
            sheet = language.sheets.sheet_of(path)
            last = (place.endLine or place.startLine) - 1
            yield types.Location(sheet.uri, sheet.lines.lines_range(place.startLine - 1, last))
    run = knowledge.run(run_id)
    if not defect.locations and run is not None:
        yield _document(
            language, uris.review_uri(mission.id, run_id), readable_of_run(knowledge.directory, run)
        )


def _document(language: Language, uri: str, otherwise: Path | None) -> types.Location:
    """A `missions:` document for clients that can read one, else the file that holds the same facts."""
    if language.readable or otherwise is None:
        return types.Location(uri, _START)
    return types.Location(otherwise.as_uri(), _START)


def _sheets(language: Language, knowledge: Knowledge) -> Iterator[Sheet]:
    """This document, the plan's files, and what the runs left, newest first."""
    yield knowledge.sheet
    mission, directory = knowledge.mission, knowledge.directory
    if mission is None or directory is None:
        return
    places = [directory.path / FEATURES, directory.path / CONTRACT]
    for run in reversed(mission.runs[-MOST:]):
        path = readable_of_run(directory, run)
        if path is not None and path.suffix in (".md", ".json"):
            places.append(path)
    for path in places:
        if path != knowledge.sheet.source.path and path.is_file():
            yield language.sheets.sheet_of(path)


def _mentions(sheet: Sheet, name: str) -> Iterator[types.Location]:
    if sheet.form in PLAN_FORMS and (sheet.outline.items or sheet.outline.mentions):
        for mention in sheet.outline.of(name):
            yield types.Location(sheet.uri, sheet.lines.range(mention.node.start, mention.node.end))
        return
    whole = re.compile(rf"(?<![A-Za-z0-9_.-]){re.escape(name)}(?![A-Za-z0-9_-]|\.[A-Za-z0-9])")
    for match in whole.finditer(sheet.text):
        yield types.Location(sheet.uri, sheet.lines.range(match.start(), match.end()))
