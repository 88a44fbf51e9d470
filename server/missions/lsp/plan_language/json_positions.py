"""Where each value of a JSON text stands, also in a text that is broken or half written.

Pure and forgiving: what cannot be read is passed over, and the first trouble is remembered. It is never used to decide
whether a plan is acceptable; that is the lint's reading.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

MAX_TEXT = 5_000_000
"""Characters; longer texts are not looked at."""
_MAX_NODES = 400_000
_MAX_DEPTH = 200

_TOKEN = re.compile(r'[{}\[\]:,]|"(?:[^"\\\n]++|\\[^\n])*+"?|[^\s{}\[\]:,"]++')

Kind = Literal["object", "array", "string", "other"]


@dataclass(slots=True, eq=False)
class Node:
    """One value; offsets of a string include its quotes."""

    kind: Kind
    start: int
    end: int
    name: str | int | None = None
    """The field or index in its parent."""
    name_span: tuple[int, int] | None = None
    value: str | None = None
    """Of a string."""
    parent: Node | None = None
    children: list[Node] = field(default_factory=list["Node"])

    def get(self, name: str | int) -> Node | None:
        """The child with this name; of fields given twice the last, as a reader of JSON takes it."""
        if self.kind == "array":
            return self.children[name] if isinstance(name, int) and 0 <= name < len(self.children) else None
        return next((child for child in reversed(self.children) if child.name == name), None)

    def items(self, name: str) -> list[Node]:
        """The entries of a list, or of the values of an object."""
        found = self.get(name)
        return found.children if found is not None and found.kind in ("array", "object") else []

    def text(self, name: str) -> str:
        """The string in a field; empty if there is none."""
        found = self.get(name)
        return found.value or "" if found is not None and found.kind == "string" else ""

    def path(self) -> tuple[str | int, ...]:
        """The names from the root."""
        names: list[str | int] = []
        node: Node | None = self
        while node is not None and node.name is not None:
            names.append(node.name)
            node = node.parent
        return tuple(reversed(names))

    def walk(self) -> Iterator[Node]:
        """This value and everything below it, in the order of the text."""
        stack: list[Node] = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))


@dataclass
class Tree:
    """What was found in a text."""

    root: Node | None = None
    trouble: tuple[int, str] | None = None
    """Offset and kind of the first thing that is not JSON."""

    def find(self, pointer: str) -> Node | None:
        """The value at a JSON pointer, or the nearest one above it that is there."""
        node = self.root
        for part in pointer.split("/")[1:]:
            if node is None:
                return None
            name = part.replace("~1", "/").replace("~0", "~")
            child = node.get(int(name) if node.kind == "array" and name.isdecimal() else name)
            if child is None:
                return node
            node = child
        return node

    def at(self, offset: int) -> Node | None:
        """The innermost value around an offset; the name of a field counts as its value."""
        node = self.root
        if node is None or not node.start <= offset <= node.end:
            return None
        while True:
            inner = next(
                (c for c in node.children if (c.name_span or (c.start, 0))[0] <= offset <= c.end), None
            )
            if inner is None:
                return node
            node = inner


def parse_positions(text: str) -> Tree:
    """The values of ``text`` with their places; an empty tree for a text that is too long."""
    tree = Tree()
    if len(text) > MAX_TEXT:
        tree.trouble = (0, "too long")
        return tree
    reader = _Reader(text, tree)
    for match in _TOKEN.finditer(text):
        if not reader.take(match.group(), match.start(), match.end()):
            break
    reader.close()
    return tree


class _Reader:
    """The state between two tokens."""

    def __init__(self, text: str, tree: Tree) -> None:
        self._text = text
        self._tree = tree
        self._open: list[Node] = []
        self._key: tuple[str, int, int] | None = None
        self._colon = False
        self._count = 0

    def take(self, token: str, start: int, end: int) -> bool:
        """Take one token; false when there is nothing more to gain."""
        first = token[0]
        if first in "{[":
            return self._begin("object" if first == "{" else "array", start)
        if first in "}]":
            self._end("object" if first == "}" else "array", start, end)
        elif first == ",":
            self._drop_key(start)
        elif first == ":":
            if self._key is None or self._colon:
                self._trouble(start, "unexpected colon")
            self._colon = self._key is not None
        elif first == '"' and self._open and self._open[-1].kind == "object" and not self._colon:
            self._drop_key(start)
            self._key = (_decoded(token), start, end)
        else:
            kind: Kind = "string" if first == '"' else "other"
            if first == '"' and (len(token) == 1 or not token.endswith('"')):
                self._trouble(start, "unterminated string")
            self._add(Node(kind, start, end, value=_decoded(token) if kind == "string" else None))
        return self._count < _MAX_NODES

    def close(self) -> None:
        """The end of the text."""
        if self._open:
            self._trouble(len(self._text), "unexpected end")
        for node in self._open:
            node.end = len(self._text)

    def _begin(self, kind: Kind, start: int) -> bool:
        node = Node(kind, start, start + 1)
        self._add(node)
        self._open.append(node)
        return len(self._open) <= _MAX_DEPTH

    def _end(self, kind: Kind, start: int, end: int) -> None:
        self._drop_key(start)
        if not any(node.kind == kind for node in self._open):
            self._trouble(start, "unexpected bracket")
            return
        while self._open:
            node = self._open.pop()
            node.end = end
            if node.kind == kind:
                return
            self._trouble(start, "wrong bracket")

    def _add(self, node: Node) -> None:
        self._count += 1
        parent = self._open[-1] if self._open else None
        if parent is None:
            if self._tree.root is not None:
                self._trouble(node.start, "text behind the end")
                return
            self._tree.root = node
        elif parent.kind == "array":
            node.name = len(parent.children)
        elif self._key is None or not self._colon:
            self._trouble(node.start, "value without a field")
            return
        else:
            name, start, end = self._key
            node.name, node.name_span = name, (start, end)
            self._key, self._colon = None, False
        node.parent = parent
        if parent is not None:
            parent.children.append(node)

    def _drop_key(self, at: int) -> None:
        if self._key is not None:
            self._trouble(at, "field without a value")
        self._key, self._colon = None, False

    def _trouble(self, at: int, what: str) -> None:
        if self._tree.trouble is None:
            self._tree.trouble = (at, what)


def _decoded(token: str) -> str:
    body = token[1:-1] if len(token) > 1 and token.endswith('"') else token[1:]
    if "\\" not in body:
        return body
    try:
        found: Any = json.loads(f'"{body}"', strict=False)
    except ValueError:
        return body
    return found if isinstance(found, str) else body
