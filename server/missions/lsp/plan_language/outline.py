"""The items of a plan file with their places: milestones, features, assertions, and who mentions them.

Made from a tree of positions, so it also works while a file is being edited. It judges nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from missions.lsp.plan_language.json_positions import Node, Tree
from missions.lsp.plan_language.sources import Form

ItemKind = Literal["milestone", "feature", "assertion"]
Role = Literal["dependency", "claim"]


@dataclass(frozen=True)
class Item:
    """One definition. ``node`` is the object, ``name`` the string with its id (or the object if it has none)."""

    kind: ItemKind
    id: str
    title: str
    node: Node
    name: Node
    milestone: str | None = None
    children: tuple[Item, ...] = ()


@dataclass(frozen=True)
class Mention:
    """An id that stands in a list of another item."""

    kind: ItemKind
    id: str
    role: Role
    node: Node
    by: str


@dataclass
class Outline:
    """All items and mentions of one file, in the order of the text."""

    milestones: list[Item] = field(default_factory=list[Item])
    assertions: list[Item] = field(default_factory=list[Item])
    mentions: list[Mention] = field(default_factory=list[Mention])

    @property
    def features(self) -> list[Item]:
        return [feature for milestone in self.milestones for feature in milestone.children]

    @property
    def items(self) -> list[Item]:
        return [*self.milestones, *self.features, *self.assertions]

    def item(self, item_id: str) -> Item | None:
        """The definition of an id."""
        return next((item for item in self.items if item.id == item_id), None)

    def of(self, item_id: str) -> list[Mention]:
        """Where an id is mentioned."""
        return [mention for mention in self.mentions if mention.id == item_id]

    def named_at(self, offset: int) -> Item | Mention | None:
        """The id whose string stands at an offset."""
        for found in (*self.items, *self.mentions):
            node = found.name if isinstance(found, Item) else found.node
            if node.kind == "string" and node.start <= offset <= node.end:
                return found
        return None


def outline_of(tree: Tree, form: Form) -> Outline:
    """The outline of a plan file; empty for other documents."""
    outline = Outline()
    root = tree.root
    if root is None or root.kind != "object":
        return outline
    if form in ("plan", "features"):
        for node in root.items("milestones"):
            if node.kind == "object":
                outline.milestones.append(_milestone(node, outline))
    if form in ("plan", "contract"):
        contract = root if form == "contract" else root.get("validationContract")
        entries = contract.children if contract is not None and contract.kind == "array" else []
        if contract is not None and contract.kind == "object":
            entries = contract.items("assertions")
        outline.assertions += [
            _item("assertion", node, "assertion") for node in entries if node.kind == "object"
        ]
    return outline


def _milestone(node: Node, outline: Outline) -> Item:
    own = node.text("id")
    _mentions(outline, node, own, "claims", "assertion", "claim")
    features: list[Item] = []
    for child in node.items("features"):
        if child.kind != "object":
            continue
        feature = _item("feature", child, "title", own)
        features.append(feature)
        _mentions(outline, child, feature.id, "dependencies", "feature", "dependency")
        _mentions(outline, child, feature.id, "claims", "assertion", "claim")
    found = _item("milestone", node, "title")
    return Item(found.kind, found.id, found.title, node, found.name, None, tuple(features))


def _item(kind: ItemKind, node: Node, title: str, milestone: str | None = None) -> Item:
    return Item(kind, node.text("id"), node.text(title), node, node.get("id") or node, milestone)


def _mentions(outline: Outline, node: Node, by: str, field_name: str, kind: ItemKind, role: Role) -> None:
    for entry in node.items(field_name):
        if entry.kind == "string" and entry.value:
            outline.mentions.append(Mention(kind, entry.value, role, entry, by))
