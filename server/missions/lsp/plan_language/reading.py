"""Hover, document symbols, folding and inlay hints: what helps to read a plan, a handoff, a report or a transcript."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lsprotocol import types

from missions.lsp.plan_language.explanations import explanation, verdict_of
from missions.lsp.plan_language.knowledge import Knowledge
from missions.lsp.plan_language.language import Language
from missions.lsp.plan_language.outline import Item
from missions.lsp.plan_language.sheets import Sheet
from missions.lsp.plan_language.sources import PLAN_FORMS
from missions.model.costs import costs
from missions.model.figures import duration_text, money_text
from missions.model.mission import Mission
from missions.model.plain_text import one_line
from missions.model.view import mark

_HEADING = re.compile(r"(#{1,6}) +(.*?)\s*\Z")
_ESCAPED = re.compile(r"\\([^A-Za-z0-9\s])")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_KINDS = {
    "milestone": types.SymbolKind.Module,
    "feature": types.SymbolKind.Function,
    "assertion": types.SymbolKind.Property,
}


def hover(language: Language, params: types.HoverParams) -> types.Hover | None:
    """What the word at a position stands for."""
    knowledge = language.knowledge(params.text_document.uri)
    word = knowledge.at(knowledge.sheet.lines.offset(params.position)) if knowledge else None
    if knowledge is None or word is None:
        return None
    text = explanation(knowledge, word)
    if not text:
        return None
    content = types.MarkupContent(types.MarkupKind.Markdown, text)
    return types.Hover(content, knowledge.sheet.lines.range(word.start, word.end))


def symbols(language: Language, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
    """The outline of a plan, or of a page by its headings."""
    sheet = language.sheet(params.text_document.uri)
    if sheet is None:
        return []
    if sheet.form in PLAN_FORMS:
        return [_symbol(sheet, item) for item in (*sheet.outline.milestones, *sheet.outline.assertions)]
    return _headings_tree(sheet, list(_sections(sheet)))


def _symbol(sheet: Sheet, item: Item) -> types.DocumentSymbol:
    return types.DocumentSymbol(
        name=item.id or "(no id)",
        detail=one_line(item.title, 120),
        kind=_KINDS[item.kind],
        range=sheet.lines.range(item.node.start, item.node.end),
        selection_range=sheet.lines.range(*_within(item)),
        children=[_symbol(sheet, child) for child in item.children],
    )


def _within(item: Item) -> tuple[int, int]:
    return item.name.start, item.name.end


@dataclass(frozen=True)
class _Section:
    """A heading and the lines below it."""

    level: int
    title: str
    first: int
    last: int


def _sections(sheet: Sheet) -> Iterator[_Section]:
    if not _is_markdown(sheet):
        return
    heads: list[tuple[int, str, int]] = []
    fence: str | None = None
    for number in range(len(sheet.lines)):
        line = sheet.lines.line(number)
        mark_ = _FENCE.match(line)
        if mark_ is not None:
            if fence is None:
                fence = mark_.group(1)
            elif mark_.group(1).startswith(fence):
                fence = None
            continue
        found = _HEADING.match(line) if fence is None else None
        if found is not None:
            heads.append((len(found.group(1)), _ESCAPED.sub(r"\1", found.group(2)), number))
    for index, (level, title, first) in enumerate(heads):
        following = (n for deeper, _, n in heads[index + 1 :] if deeper <= level)
        yield _Section(level, title, first, next(following, len(sheet.lines)) - 1)


def _is_markdown(sheet: Sheet) -> bool:
    return sheet.uri.split("?")[0].split("#")[0].endswith(".md")


def _headings_tree(sheet: Sheet, sections: list[_Section]) -> list[types.DocumentSymbol]:
    roots: list[types.DocumentSymbol] = []
    path: list[tuple[int, types.DocumentSymbol]] = []
    for section in sections:
        start, end = sheet.lines.span(section.first)
        made = types.DocumentSymbol(
            name=one_line(section.title, 120) or "(empty)",
            kind=types.SymbolKind.String,
            range=sheet.lines.range(start, sheet.lines.span(section.last)[1]),
            selection_range=sheet.lines.range(start, end),
            children=[],
        )
        while path and path[-1][0] >= section.level:
            path.pop()
        siblings = roots if not path else list(path[-1][1].children or [])
        siblings.append(made)
        if path:
            path[-1][1].children = siblings
        path.append((section.level, made))
    return roots


def folding(language: Language, params: types.FoldingRangeParams) -> list[types.FoldingRange]:
    """Milestones, features and assertions; sections and blocks of pages."""
    sheet = language.sheet(params.text_document.uri)
    if sheet is None:
        return []
    spans: list[tuple[int, int]] = []
    if sheet.form in PLAN_FORMS:
        for node in sheet.tree.root.walk() if sheet.tree.root is not None else ():
            if node.kind in ("object", "array"):
                first = sheet.lines.position(node.start).line
                spans.append((first, sheet.lines.position(node.end).line - 1))
    else:
        spans += [(section.first, section.last) for section in _sections(sheet)]
        spans += _blocks(sheet)
    return [types.FoldingRange(first, last) for first, last in sorted(set(spans)) if last > first]


def _blocks(sheet: Sheet) -> Iterator[tuple[int, int]]:
    begun: tuple[int, str] | None = None
    for number in range(len(sheet.lines) if _is_markdown(sheet) else 0):
        found = _FENCE.match(sheet.lines.line(number))
        if found is None:
            continue
        if begun is None:
            begun = (number, found.group(1))
        elif found.group(1).startswith(begun[1]):
            yield begun[0], number
            begun = None


def hints(language: Language, params: types.InlayHintParams) -> list[types.InlayHint]:
    """States, costs and times behind the ids of a mission's plan; titles behind the ids that are mentioned."""
    knowledge = language.knowledge(params.text_document.uri)
    if knowledge is None or knowledge.sheet.form not in PLAN_FORMS:
        return []
    lines = knowledge.sheet.lines
    first, last = lines.offset(params.range.start), lines.offset(params.range.end)
    found = [*_states(language, knowledge), *_titles(knowledge)]
    return [
        types.InlayHint(position=lines.position(offset), label=label, padding_left=True)
        for offset, label in found
        if first <= offset <= last
    ]


def _states(language: Language, knowledge: Knowledge) -> Iterator[tuple[int, str]]:
    outline, mission = knowledge.outline, knowledge.mission
    root = knowledge.sheet.tree.root
    title = root.get("title") if root is not None else None
    estimate = language.estimate(knowledge) if title is not None else None
    if title is not None and estimate:
        yield title.end, estimate
    if mission is None:
        return
    for item in outline.milestones:
        milestone = mission.milestone(item.id)
        if milestone is not None:
            yield (
                item.name.end,
                f"{mark(milestone.status)} {milestone.status}{_cost_of_milestone(mission, item.id)}",
            )
    for item in outline.features:
        feature = mission.feature(item.id)
        if feature is not None:
            yield (
                item.name.end,
                f"{mark(feature.status)} {feature.status}{_cost_of_feature(mission, item.id)}",
            )
    for item in outline.assertions:
        verdict = verdict_of(knowledge, item.id)
        if verdict is not None:
            yield item.name.end, f"{mark(verdict)} {verdict}"


def _cost_of_milestone(mission: Mission, milestone_id: str) -> str:
    spent = next((m for m in costs(mission).milestones if m.id == milestone_id), None)
    if spent is None or not spent.runs:
        return ""
    return _figures(spent.runs, spent.usage.costMicroUsd, spent.usage.estimated, spent.durationMs)


def _cost_of_feature(mission: Mission, feature_id: str) -> str:
    runs = [run for run in mission.runs if run.kind == "worker" and run.itemId == feature_id]
    if not runs:
        return ""
    cost = sum(run.usage.costMicroUsd for run in runs)
    estimated = any(run.usage.estimated for run in runs)
    return _figures(len(runs), cost, estimated, sum(run.durationMs for run in runs))


def _figures(runs: int, cost: int, estimated: bool, milliseconds: int) -> str:
    many = f"{runs} runs" if runs != 1 else "1 run"
    return f", {many}, {money_text(cost, estimated)}, {duration_text(milliseconds)}"


def _titles(knowledge: Knowledge) -> Iterator[tuple[int, str]]:
    plan = knowledge.plan
    known = {a.id: a.assertion for a in plan.validationContract.assertions} if plan is not None else {}
    if knowledge.mission is not None:
        known.update({f.id: f.title for f in knowledge.mission.all_features()})
    known.update({item.id: item.title for item in knowledge.outline.items})
    for mention in knowledge.outline.mentions:
        title = known.get(mention.id)
        if title:
            yield mention.node.end, one_line(title, 48)
