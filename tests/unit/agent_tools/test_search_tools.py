"""`glob` and `grep` on real trees: what is found, left out, and bounded."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from missions.agent.tool import ToolContext, ToolResult
from missions.agent.tools import search
from missions.agent.tools.search import search_tools
from missions.agent.tools.workspace import Workspace


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        ".gitignore": "build/\n*.log\n!keep.log\n", "src/a.py": "def one():\n    return 1\n", "src/deep/b.py": "ONE = 1\n", "src/c.ts": "one\n",
        "src/.gitignore": "/private\n", "src/private/p.py": "one\n", "build/out.py": "one\n", "x.log": "one\n", "keep.log": "one\n",
        ".git/config": "one\n", "node_modules/m/i.js": "one\n", "bin.dat": "one\0\n", ".github/w.yml": "one\n",
    }  # fmt: skip
    for name, content in files.items():
        place = tmp_path / "w" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    (tmp_path / "secret.py").write_text("one canary\n")
    (tmp_path / "w" / "link").symlink_to(tmp_path)
    return tmp_path / "w"


async def call(root: Path, name: str, **args: object) -> ToolResult:
    tools = {tool.name: tool for tool in search_tools(Workspace(root))}
    return await tools[name].call(args, ToolContext("toolu_1", asyncio.Event()))


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("**/*.py", None, ["src/a.py", "src/deep/b.py"]),
        ("*.py", None, ["src/a.py", "src/deep/b.py"]),
        ("src/*.py", None, ["src/a.py"]),
        ("*.py", "src/deep", ["src/deep/b.py"]),
        ("/*.ts", "src", ["src/c.ts"]),
        ("*.log", None, ["keep.log"]),
        ("**/w.yml", None, [".github/w.yml"]),
    ],
)
async def test_a_glob_finds_what_git_does_not_ignore(
    root: Path, pattern: str, path: str | None, found: list[str]
) -> None:
    result = await call(root, "glob", pattern=pattern, **({"path": path} if path else {}))
    assert str(result.content).split("\n") == found


async def test_grep_finds_lines_with_their_places(root: Path) -> None:
    assert (await call(root, "grep", pattern="def \\w+", glob="*.py")).content == "src/a.py:1: def one():"
    everything = str((await call(root, "grep", pattern="one", ignore_case=True)).content)
    assert [line.split(":")[0] for line in everything.split("\n")[:-1]] == [
        ".github/w.yml",
        "keep.log",
        "src/a.py",
        "src/c.ts",
        "src/deep/b.py",
    ]
    assert "1 files were not searched" in everything
    assert "canary" not in everything
    assert (await call(root, "grep", pattern="one", path="src", glob="*.ts")).content == "src/c.ts:1: one"
    assert (
        await call(root, "grep", pattern="return", path="src/a.py", context=1)
    ).content == "src/a.py-1- def one():\nsrc/a.py:2:     return 1\n--"
    assert "No line fits" in str((await call(root, "grep", pattern="nowhere")).content)


@pytest.mark.parametrize("path", ["..", "link", ".git", "link/secret.py", "missing"])
async def test_searching_outside_is_refused(root: Path, path: str) -> None:
    for name in ("glob", "grep"):
        result = await call(root, name, pattern="one", path=path)
        assert result.is_error
        assert "canary" not in str(result.content)


async def test_a_bad_pattern_is_explained(root: Path) -> None:
    assert "no regular expression" in str((await call(root, "grep", pattern="a(")).content)


async def test_a_pattern_that_would_take_for_ever_is_stopped(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "evil.txt").write_text("a" * 60 + "!\n")
    monkeypatch.setattr(search, "GREP_SECONDS", 1.0)
    result = await call(root, "grep", pattern="(a+)+$", path="evil.txt")
    assert "stopped after" in str(result.content)
    assert result.is_error


async def test_many_matches_are_cut_with_a_notice(root: Path) -> None:
    (root / "many.txt").write_text("hit\n" * 1_000)
    result = str((await call(root, "grep", pattern="hit")).content)
    assert result.count("many.txt:") == 200
    assert "only the first 200" in result
