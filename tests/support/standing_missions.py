"""Missions that stand still in a known way, for tests of what an editor shows of them.

Each is run once by the real runner; tests work on copies of its store, and on its repository only by reading.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

from missions.store.layout import Store
from support.engine import World, plan_of
from support.lsp_client import Client

PLAN = plan_of({"M1": ["F1", "F2"], "M2": ["F3"]})


def failed_validation(folder: Path) -> World:
    """Blocked: the validation of M1 found defect D1 at the first line of README.md."""
    world = World(folder, PLAN)
    asyncio.run(world.run(world.playbook(deviations={"M1": "fail"})))
    assert world.category == "validator_report_failed"
    return world


def blocked_worker(folder: Path) -> World:
    """Blocked: the worker of F2 said that it cannot go on."""
    world = World(folder, PLAN)
    asyncio.run(world.run(world.playbook(deviations={"F2": "blocked"})))
    assert world.category == "worker_reported_blocked"
    return world


def copy_of(world: World, folder: Path) -> World:
    """The same mission in a store of its own; the repository is the same."""
    copy = object.__new__(World)
    copy.__dict__.update(world.__dict__)
    shutil.copytree(world.store.root, folder / "store")
    copy.store = Store(folder / "store")
    return copy


def uri(world: World, name: str) -> str:
    """The URI of a file of the mission's directory."""
    return (world.store.mission(world.id).path / name).as_uri()


def open_text(client: Client, uri_: str, text: str, version: int = 1) -> None:
    """Open a document in the editor."""
    document = {"uri": uri_, "languageId": "json", "version": version, "text": text}
    client.notify("textDocument/didOpen", {"textDocument": document})


def open_file(client: Client, path: Path) -> str:
    """Open a file in the editor; its URI."""
    open_text(client, path.as_uri(), path.read_text("utf-8"))
    return path.as_uri()


def position_of(text: str, needle: str, after: str = "", shift: int = 1) -> dict[str, int]:
    """The position of ``needle`` behind ``after`` in an ASCII text, ``shift`` characters inside."""
    offset = text.index(needle, text.index(after) if after else 0) + shift
    line = text.count("\n", 0, offset)
    return {"line": line, "character": offset - (text.rfind("\n", 0, offset) + 1)}


def coded(client: Client, uri_: str) -> list[str]:
    """The codes of a document's diagnostics, sorted."""
    return sorted(str(d["code"]) for d in client.diagnostics.get(uri_, []))


async def actions_at(client: Client, uri_: str, diagnostic: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The commands that are offered about a diagnostic, by title."""
    params = {
        "textDocument": {"uri": uri_},
        "range": diagnostic["range"],
        "context": {"diagnostics": [diagnostic]},
    }
    found = await client.request("textDocument/codeAction", params)
    return {a["title"]: a["command"] if isinstance(a["command"], dict) else a for a in found or []}
