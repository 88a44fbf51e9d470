"""Completion in plan files: ids in lists of dependencies and claims, allowed values, and names of fields.

Works in half-written JSON, from the items that are already there. It never proposes what the lint would refuse at once:
no feature of a later milestone, not the feature itself, no id twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lsprotocol import types
from pydantic import BaseModel

from missions.lsp.plan_language.json_positions import Node
from missions.lsp.plan_language.language import Language
from missions.lsp.plan_language.outline import Item, Outline
from missions.lsp.plan_language.sheets import Sheet
from missions.lsp.plan_language.sources import PLAN_FORMS
from missions.model import contract
from missions.model.plain_text import one_line

_STRING = re.compile(r'"(?:[^"\\]|\\.)*')
_VALUES: dict[str, tuple[str, ...]] = {
    "severity": ("critical", "major", "minor"),
    "category": ("functional", "interface", "regression", "performance", "security", "documentation"),
    "workspace": ("inPlace", "clone"),
    "effort": ("low", "medium", "high", "xhigh", "max"),
}
_FIELDS: tuple[tuple[tuple[str, ...], type[BaseModel]], ...] = (
    ((), contract.PlanDocument),
    (("milestones", "*"), contract.MilestonePlan),
    (("milestones", "*", "userTesting"), contract.UserTesting),
    (("milestones", "*", "features", "*"), contract.FeaturePlan),
    (("validationContract",), contract.ValidationContract),
    (("validationContract", "assertions", "*"), contract.Assertion),
    (("assertions", "*"), contract.Assertion),
    (("skills",), contract.Skills),
    (("budget",), contract.BudgetPlan),
    (("environment",), contract.Environment),
)
"""Path of an object to the model of its fields."""


@dataclass(frozen=True)
class _Offer:
    text: str
    detail: str = ""
    kind: types.CompletionItemKind = types.CompletionItemKind.Reference


def complete(language: Language, params: types.CompletionParams) -> types.CompletionList:
    """What fits at a position of a plan file."""
    sheet = language.sheet(params.text_document.uri)
    empty = types.CompletionList(is_incomplete=False, items=[])
    if sheet is None or sheet.form not in PLAN_FORMS:
        return empty
    offset = sheet.lines.offset(params.position)
    start, end, quoted = _typed(sheet, offset)
    where = types.Range(sheet.lines.position(start), sheet.lines.position(end))
    items: list[types.CompletionItem] = []
    for number, offer in enumerate(_offers(sheet, offset, start)):
        text = offer.text if quoted else f'"{offer.text}"'
        items.append(
            types.CompletionItem(
                label=offer.text,
                detail=offer.detail or None,
                kind=offer.kind,
                sort_text=f"{number:04}",
                filter_text=text,
                text_edit=types.TextEdit(where, text),
            )
        )
    return types.CompletionList(is_incomplete=False, items=items)


def _typed(sheet: Sheet, offset: int) -> tuple[int, int, bool]:
    """The part of the text that a completion replaces, and whether it stands inside quotes."""
    first, last = sheet.lines.span(sheet.lines.position(offset).line)
    for match in _STRING.finditer(sheet.text, first, last):
        closed = match.end() < last and sheet.text[match.end()] == '"'
        if match.start() < offset <= match.end():
            return match.start() + 1, match.end() if closed else offset, True
    return offset, offset, False


def _offers(sheet: Sheet, offset: int, start: int) -> Iterator[_Offer]:
    node = sheet.tree.at(start)
    if node is None:
        return
    holder = node.parent if node.kind == "string" and node.parent is not None else node
    is_key = node.kind == "string" and node.name_span is not None and offset <= node.name_span[1]
    if holder.kind == "array":
        yield from _of_list(sheet.outline, holder, node)
    elif node.kind == "string" and not is_key and isinstance(node.name, str):
        yield from (
            _Offer(value, kind=types.CompletionItemKind.EnumMember) for value in _VALUES.get(node.name, ())
        )
    elif holder.kind == "object":
        yield from _fields(sheet, holder)


def _of_list(outline: Outline, holder: Node, node: Node) -> Iterator[_Offer]:
    taken = {child.value for child in holder.children if child is not node}
    owner = next((item for item in outline.items if item.node is holder.parent), None)
    if holder.name == "dependencies":
        for item in _earlier(outline, owner):
            if item.id and item.id not in taken:
                yield _Offer(item.id, one_line(item.title, 80))
    elif holder.name == "claims":
        claimed = {mention.id for mention in outline.mentions if mention.kind == "assertion"}
        for item in sorted(outline.assertions, key=lambda item: item.id in claimed):
            if item.id and item.id not in taken:
                note = " (claimed already)" if item.id in claimed else ""
                yield _Offer(item.id, one_line(item.title, 80) + note)


def _earlier(outline: Outline, owner: Item | None) -> Iterator[Item]:
    """Features on which the owner may depend: its own milestone's and those before, nearest first."""
    found: list[Item] = []
    for milestone in outline.milestones:
        found += [item for item in milestone.children if item is not owner]
        if owner is not None and owner in milestone.children:
            break
    yield from reversed(found)


def _fields(sheet: Sheet, holder: Node) -> Iterator[_Offer]:
    path = tuple("*" if isinstance(name, int) else name for name in holder.path())
    if sheet.form == "contract" and not path:
        model: type[BaseModel] | None = contract.ValidationContract
    else:
        model = next((known for place, known in _FIELDS if place == path), None)
    if model is None:
        return
    taken = {child.name for child in holder.children}
    for name, field in model.model_fields.items():
        shown = field.alias or name
        if shown not in taken and shown != "$schema":
            detail = "required" if field.is_required() else "optional"
            yield _Offer(shown, detail, types.CompletionItemKind.Field)
