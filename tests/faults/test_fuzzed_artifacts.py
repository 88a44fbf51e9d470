"""Mutated artifacts of every kind, through every reader: typed errors only, and nobody else's mission suffers.

The mission is a real one that had a refused validation and a repair; each mutation changes one of its files.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from missions.agent import skills
from missions.agent.conversation import Conversation
from missions.control.control import Control
from missions.control.doctor import doctor
from missions.control.documents import ARTIFACTS
from missions.control.gc import gc
from missions.control.pages import page
from missions.control.proposals import proposal_of
from missions.model.errors import MissionError
from missions.model.mission import Mission
from missions.runner.applying import read_report
from missions.runner.unit_run import RunRecord
from missions.settings import load_settings
from missions.store import inbox
from missions.store.catalog import DamagedMission, MissionFollower, list_missions, view_mission
from missions.store.inbox import By, Request
from missions.store.lock import read_lock_info
from missions.store.mission_log import MissionLog
from missions.store.redact import Redactor
from missions.store.snapshot import read_snapshot
from missions.store.transcript import TranscriptReader
from support.engine import World, plan_of
from support.fault_forms import SEED, chance, size
from support.missions_on_disk import WHO, new_mission
from support.mutations import mutated

_OTHER = "mission-20261123000000-other1"
_LONGEST = 20.0
"""Seconds that no reader needs for files of this size, on a machine with much else to do."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("fuzzed"), plan_of({"M1": ["F1"], "M2": ["F2"]}))
    asyncio.run(world.run(world.playbook(deviations={"M1": "fail"})))
    assert world.category == "validator_report_failed"
    directory = world.store.mission(world.id)
    inbox.submit(directory, Request(op="pause", by=By(face="test")))
    (world.store.root / "settings.json").write_text(
        '{"models": {"worker": {"model": "claude-opus-4-8"}}, "sandbox": "auto"}'
    )
    new_mission(world.store, 3, _OTHER)
    return world


def _readers(world: World) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Everything that reads the files of a mission."""
    store, directory = world.store, world.store.mission(world.id)
    control = Control(store, face="test", user="tester", environment={})
    runs = [path.name for path in directory.runs.iterdir() if path.name != "baseline"]
    yield "view", lambda: view_mission(store, world.id)
    yield "list", lambda: list_missions(store)
    yield "rows", control.list
    yield "overview", control.overview
    yield "status", lambda: control.status_text(world.id)
    yield "status json", lambda: control.status_json(world.id)
    yield "snapshot", lambda: read_snapshot(directory)
    yield "lock", lambda: read_lock_info(directory)
    yield "follow", lambda: MissionFollower(store, world.id).refresh()
    yield "estimate", lambda: control.estimate_json(world.id)
    yield "validate", lambda: control.validate(world.id)
    yield "settings", lambda: load_settings(store.root, environment={})
    yield "decisions", control.decisions
    for name in ARTIFACTS:
        yield f"show {name}", lambda name=name: control.show(world.id, name)
    for run in runs:
        found = directory.run(run)
        yield "run record", lambda found=found: RunRecord.load(found)
        yield "report", lambda run=run: read_report(directory, run)
        yield "transcript", lambda found=found: TranscriptReader(found.transcript).read_new()
        yield "tail", lambda found=found: TranscriptReader(found.transcript).tail(50)
        for name in ("review", "transcript", "handoff", "report"):
            yield (
                f"page {name}",
                lambda run=run, name=name: page(control.caller, f"{world.id}/runs/{run}/{name}.md"),
            )
    for name in ("control", "report"):
        yield f"page {name}", lambda name=name: page(control.caller, f"{world.id}/{name}.md")
    yield "proposal", lambda: _proposal(world)
    yield "skills", lambda: skills.discover([directory.skills])
    yield "gc", lambda: gc(store, dry_run=True)
    yield "doctor", lambda: doctor(store)


def _writers(world: World) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What may put files right while it reads; run last."""
    directory = world.store.mission(world.id)
    for path in sorted(directory.runs.iterdir()):
        yield (
            "conversation",
            lambda path=path: Conversation.open(path / "transcript.jsonl", Redactor()).close(),
        )
    yield "requests", lambda: inbox.pending(directory, lambda _: False)
    yield "take", lambda: MissionLog.acquire(world.store, world.id, WHO).release("looked")


def _proposal(world: World) -> None:
    mission = view_mission(world.store, world.id)
    if isinstance(mission, Mission):
        proposal_of(world.store.mission(world.id), mission)


def _files(world: World) -> list[Path]:
    """Every kind of file, each equally often in the end: grouped by its place without the numbers."""
    directory = world.store.mission(world.id)
    found = [world.store.root / "settings.json"]
    for path in sorted(directory.path.rglob("*")):
        within = path.relative_to(directory.path).parts
        if path.is_file() and within[0] != "git" and path.name != "lock" and path.stat().st_size:
            found.append(path)
    return found


@pytest.mark.timeout(size(900, 7200))
def test_mutated_artifacts_of_every_kind_give_typed_errors_only(world: World) -> None:
    rolls, kinds, problems = chance("fuzz"), Counter[str](), Counter[str]()
    files = _files(world)
    directory = world.store.mission(world.id).path
    whole = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    whole |= {path: path.read_bytes() for path in files}
    for number in range(size(1000, 10_000)):
        if number % 1000 == 999:
            print(f"{number + 1} mutations", flush=True)
        path = files[number % len(files)]
        path.write_bytes(mutated(rolls, path.name, whole[path]))
        kinds[path.suffix or "blob"] += 1
        readers = list(_readers(world))
        # Every reader for every file in the long run; here some of them for each, in turn.
        few = [readers[(number // len(files) + step * 7) % len(readers)] for step in range(size(5, 8))]
        for name, read in [*few, *_writers(world)]:
            problem = _tried(read)
            if problem:
                problems[problem] += 1
                print(f"mutation {number} of seed {SEED}, {path.name}, {name}: {problem}")
        assert isinstance(view_mission(world.store, _OTHER), Mission)
        for name, content in whole.items():
            if (
                not name.exists()
                or name.stat().st_size != len(content)
                or name == path
                or name.read_bytes() != content
            ):
                name.write_bytes(content)
        for extra in [p for p in directory.rglob("*") if p.is_file() and p not in whole]:
            extra.unlink()
    assert not problems
    assert len(kinds) >= 4
    print(dict(kinds))


def _tried(read: Callable[[], Any]) -> str:
    """What is wrong with how this reader ended; nothing is best."""
    begun = time.process_time()
    try:
        read()
    except MissionError as error:
        return "" if error.message and error.code != "internal" else f"a poor error: {error!r}"
    except Exception as error:
        return "".join(traceback.format_exception(error)[-3:])
    return "" if time.process_time() - begun < _LONGEST else "it took too long"


def test_a_list_with_damaged_missions_shows_all_others(world: World) -> None:
    rows = {row.id: row for row in list_missions(world.store)}
    assert not isinstance(rows[world.id], DamagedMission)
    journal = world.store.mission(world.id).journal
    good = journal.read_bytes()
    journal.write_bytes(good.replace(b"mission_created", b"mission_cremated"))
    try:
        rows = {row.id: row for row in list_missions(world.store)}
        assert isinstance(rows[world.id], DamagedMission)
        assert not isinstance(rows[_OTHER], DamagedMission)
    finally:
        journal.write_bytes(good)
