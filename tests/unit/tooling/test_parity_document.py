"""The page of weaknesses and invariants is complete, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = (ROOT / "docs" / "development" / "parity.md").read_text("utf-8")
ROW = re.compile(r"^\| ((?:W|PM-)\d+) \| (.*) \| (.*) \|$", re.M)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def _tests(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_weakness_and_every_invariant_has_its_row() -> None:
    found = [row[0] for row in ROW.findall(DOCUMENT)]
    assert found == [f"W{n:02}" for n in range(1, 47)] + [f"PM-{n:03}" for n in range(1, 126)]


def test_every_row_names_a_test_or_says_why_there_is_none() -> None:
    assert [row[0] for row in ROW.findall(DOCUMENT) if not row[1].strip() and not NAMED.search(row[2])] == []


def test_every_test_that_is_named_exists() -> None:
    known = {path: _tests(ROOT / path) for path, _ in NAMED.findall(DOCUMENT) if (ROOT / path).is_file()}
    assert [
        f"{path}::{name}" for path, name in NAMED.findall(DOCUMENT) if name not in known.get(path, set())
    ] == []
