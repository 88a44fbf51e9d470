"""Hostile words in everything that a model, a command or a repository can say: neutralised in every view, and secrets are
gone before anything is written.

One mission whose worker, validator and user say evil things wherever there is room; then all its views are looked at.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from missions.control.control import Control
from missions.control.documents import ARTIFACTS
from missions.control.pages import page
from missions.model.errors import MissionError
from missions.store.catalog import list_missions
from support.engine import World, plan_of
from support.lsp_client import connected
from support.scripts_of_evil import EVIL, SECRETS, evil_validator, evil_worker

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ACTIVE = re.compile(
    r"(?<!\\)<(script|img|a|h1|iframe)|(?<!\\)\]\((command|http|javascript|data):", re.IGNORECASE
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("evil"), plan_of({"M1": ["F1", "F2"]}))
    variable = "ACME_DEPLOY_TOKEN"
    os.environ[variable] = SECRETS["environment"]
    try:
        worker, validator = evil_worker(world.plan), evil_validator()
        world.create()
        world.request("comment", text=f"{EVIL} {SECRETS['note']}")
        asyncio.run(world.run(world.playbook(worker, validator)))
    finally:
        del os.environ[variable]
    assert "worker F1" in world.units()
    return world


def test_no_secret_is_written_into_the_store(world: World) -> None:
    places = [path for path in world.store.root.rglob("*") if path.is_file() and "/git/" not in str(path)]
    assert len(places) > 30
    found = {
        (name, str(path.relative_to(world.store.root)))
        for path in places
        for name, secret in SECRETS.items()
        if secret.encode() in path.read_bytes()
    }
    assert found == set()
    written = b"".join(path.read_bytes() for path in places)
    assert b"redacted" in written.lower(), "nothing was redacted, so nothing was shown by this test"


def test_every_text_of_the_command_line_is_plain(world: World) -> None:
    control = Control(world.store, face="test", user="tester", environment={})
    texts = {"status": control.status_text(world.id)}
    for name in ARTIFACTS:
        for run in (None, *(run.runId for run in world.mission.runs)):
            try:
                texts[f"{name} {run}"] = control.show(world.id, name, run, lines=5000).text
            except MissionError as error:
                assert error.code in ("not_found", "bad_argument")
    assert len(texts) > 12
    for name, text in texts.items():
        found = _CONTROL.search(text)
        assert found is None, (name, text[max(0, found.start() - 80) : found.end() + 20])
        assert max(map(len, text.splitlines()), default=0) < 200_000, name


def test_what_the_command_line_really_prints_is_plain(world: World) -> None:
    environment = {**os.environ, "MISSIONS_HOME": str(world.store.root)}
    for words in (
        ["list"],
        ["status", world.id],
        ["show", world.id, "handoff"],
        ["show", world.id, "transcript"],
        ["list", "--json"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "missions", *words],
            cwd=world.root,
            env=environment,
            capture_output=True,
            timeout=120,
            check=False,
        )
        text = (done.stdout + done.stderr).decode()
        assert done.returncode == 0, text
        assert _CONTROL.search(text) is None, words


def test_no_page_holds_anything_that_acts(world: World) -> None:
    control = Control(world.store, face="test", user="tester", environment={})
    names = ["control.md", f"{world.id}/control.md", f"{world.id}/report.md"]
    names += [
        f"{world.id}/runs/{run.runId}/{kind}.md"
        for run in world.mission.runs
        for kind in ("review", "transcript")
    ]
    read = 0
    for name in names:
        try:
            text = page(control.caller, name)
        except MissionError as error:
            assert error.code == "not_found"
            continue
        read += 1
        assert _CONTROL.search(text) is None, name
        outside = re.sub(r"(?ms)^(`{3,}|~{3,}).*?^\1[`~]*$", "", text)
        outside = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", outside)
        found = _ACTIVE.search(outside)
        assert found is None, (name, outside[max(0, found.start() - 100) : found.end() + 40])
    assert read > 4


def test_files_for_people_hold_no_control_characters(world: World) -> None:
    directory = world.store.mission(world.id).path
    read = [*directory.rglob("*.md")]
    assert len(read) > 4
    for path in read:
        found = _CONTROL.search(path.read_text())
        assert found is None, path


async def test_what_editors_get_is_plain(world: World) -> None:
    async with connected(world.store.root, "vscode", world.root) as client:
        texts: dict[str, Any] = {}
        waiting: list[str | None] = [None]
        while waiting:
            asked = {"nodeId": node} if (node := waiting.pop()) else {}
            texts[f"tree {node}"] = nodes = (await client.request("missions/tree/children", asked))["nodes"]
            waiting += [found["id"] for found in nodes]
        for row in list_missions(world.store):
            texts[row.id] = await client.request(
                "missions/content", {"uri": f"missions:/{row.id}/control.md"}
            )
        for run in world.mission.runs:
            for kind in ("review", "transcript"):
                place = f"missions:/{world.id}/runs/{run.runId}/{kind}.md"
                texts[place] = await client.request("missions/content", {"uri": place})
        for name, found in texts.items():
            for text in _strings(found):
                assert _CONTROL.search(text) is None, (name, text[:300])
        everything = json.dumps(texts)
        assert [name for name, secret in SECRETS.items() if secret in everything] == []


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for part in value.values() for text in _strings(part)]
    return [text for part in value for text in _strings(part)] if isinstance(value, list) else []


def test_a_line_of_twelve_megabytes_is_bounded_everywhere(world: World) -> None:
    control = Control(world.store, face="test", user="tester", environment={})
    run = world.mission.runs[0].runId
    transcript = world.store.mission(world.id).run(run).transcript
    assert max(map(len, transcript.read_bytes().splitlines())) < 200_000
    assert len(control.show(world.id, "transcript", run).text) < 2_100_000
    assert Path(world.root / "build/long.txt").stat().st_size > 12_000_000
