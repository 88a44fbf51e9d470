"""The fault matrix is complete, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = (ROOT / "docs" / "reliability.md").read_text("utf-8")
ROW = re.compile(r"^\| (\d+) \| .* \| (.*) \|$", re.M)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def _tests(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_fault_has_its_row_with_a_test() -> None:
    rows = ROW.findall(DOCUMENT)
    assert [int(number) for number, _ in rows] == list(range(1, 40))
    assert [number for number, shown in rows if not NAMED.search(shown)] == []


def test_every_test_that_the_matrix_names_exists() -> None:
    known = {path: _tests(ROOT / path) for path, _ in NAMED.findall(DOCUMENT) if (ROOT / path).is_file()}
    assert [
        f"{path}::{name}" for path, name in NAMED.findall(DOCUMENT) if name not in known.get(path, set())
    ] == []


def test_every_file_that_the_pages_about_reliability_and_security_name_exists() -> None:
    pages = DOCUMENT + (ROOT / "docs" / "security.md").read_text("utf-8")
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", pages))
    assert len(named) > 15
    assert [path for path in sorted(named) if not (ROOT / path).is_file()] == []
