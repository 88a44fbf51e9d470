"""What the code does to the disk and to git, read from its source: the list that the kill sweep is measured by.

It reads sources and never runs them.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import missions
from missions.repo.failpoints import FAILPOINTS as REPO
from missions.store.files import FAILPOINTS as STORE

_SOURCES = Path(missions.__file__).parent
_OS = {
    *(
        "write",
        "pwrite",
        "fsync",
        "fdatasync",
        "truncate",
        "ftruncate",
        "rename",
        "replace",
        "unlink",
        "remove",
    ),
    *("rmdir", "mkdir", "makedirs", "link", "symlink"),
}
_METHODS = {
    "write_bytes",
    "write_text",
    "unlink",
    "rename",
    "rmdir",
    "mkdir",
    "symlink_to",
    "hardlink_to",
    "touch",
}
_SHUTIL = {"rmtree", "move", "copy", "copy2", "copyfile", "copytree"}


@dataclass(frozen=True)
class Operation:
    """A call that changes the disk."""

    module: str
    function: str
    call: str
    announced: bool
    """Its function hits a fail point."""


def registered() -> frozenset[str]:
    """Every name under which an operation announces itself."""
    literal = {name for path in _files() for name in _announced(ast.parse(path.read_text()))}
    return frozenset({*STORE, *REPO, *literal})


def operations() -> list[Operation]:
    """Every call of the product that changes the disk; the simulator and the editor's server are no part of it."""
    return [found for path in _files() for found in _operations(path)]


def _files() -> list[Path]:
    left_out = ("simulator", "lsp")
    return [p for p in sorted(_SOURCES.rglob("*.py")) if p.relative_to(_SOURCES).parts[0] not in left_out]


def _operations(path: Path) -> list[Operation]:
    module = ".".join(path.relative_to(_SOURCES).with_suffix("").parts)
    tree = ast.parse(path.read_text())
    found: list[Operation] = []
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        announced = any(_hits(node) for node in ast.walk(function))
        for node in ast.walk(function):
            call = _writes(node)
            if call:
                found.append(Operation(module, function.name, call, announced))
    return found


def _writes(node: ast.AST) -> str:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return ""
    owner, name = node.func.value, node.func.attr
    if isinstance(owner, ast.Name) and owner.id == "os":
        return f"os.{name}" if name in _OS else ""
    if isinstance(owner, ast.Name) and owner.id == "shutil":
        return f"shutil.{name}" if name in _SHUTIL else ""
    # Path.replace takes one argument, str.replace two.
    if name in _METHODS or (name == "replace" and len(node.args) == 1 and not node.keywords):
        return f".{name}"
    return ""


def _hits(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("hit", "announce")


def _announced(tree: ast.AST) -> set[str]:
    return {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and _hits(node)
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }
