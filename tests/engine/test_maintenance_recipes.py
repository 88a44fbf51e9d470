"""Every recipe of docs/recovery.md is typed as it stands there, against the damage it is for."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from missions.control.bundle import export
from missions.control.doctor import doctor
from missions.control.pi_import import HISTORY
from missions.control.restore import restore
from missions.model import events as ev
from missions.model.mission import Mission
from missions.store.catalog import list_missions, view_mission
from missions.store.layout import Store
from missions.store.mission_log import MissionLog
from support.mission_with_snapshots import MISSION, RUN, WHO, World
from support.repositories import Playground

ROOT = Path(__file__).parents[2]
FIXTURE = next(path for path in (ROOT / "tests/support/pi_missions/blocked").iterdir())


def _recipes() -> dict[str, str]:
    """Heading → the commands of its fenced blocks."""
    text = (ROOT / "docs" / "recovery.md").read_text("utf-8")
    found: dict[str, str] = {}
    for section in text.split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        found[title] = "\n".join(re.findall(r"```sh\n(.*?)```", body, re.S))
    return found


def _run(world: World, commands: str) -> str:
    """Type ``commands`` in the repository; every one must succeed."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(world.ground.folder),
        "MISSIONS_HOME": str(world.store.root),
        "MISSIONS_DISK_FLOOR": "0",
        "MISSION": MISSION,
        "RUN": RUN,
        "PI_MISSION": str(world.ground.folder / "pi" / FIXTURE.name),
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", commands],
        cwd=world.ground.root,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _view(store: Store, mission_id: str = MISSION) -> Mission:
    found = view_mission(store, mission_id)
    assert isinstance(found, Mission)
    return found


def _spoiled_files(world: World, commands: str) -> None:
    world.snap()
    world.ground.write("src/app.py", "spoiled\n")
    world.ground.write("README.md", "kept\n")
    world.snap(f"{RUN}/end")
    out = _run(world, commands)
    assert f"{RUN}/start" in out
    assert world.ground.contents()["src/app.py"] == b"print('one')\n"
    assert world.ground.contents()["README.md"] == b"kept\n"


def _wrong_restore(world: World, commands: str) -> None:
    world.snap()
    world.ground.write("README.md", "my words\n")
    restore(world.store, MISSION, confirmed=True)
    _run(world, commands)
    assert world.ground.contents()["README.md"] == b"my words\n"


def _destroyed_git(world: World, commands: str) -> None:
    world.snap()
    shutil.rmtree(world.ground.root / ".git")
    assert "nothing to commit" in _run(world, commands)


def _killed_runner(world: World, commands: str) -> None:
    world.start()
    script = (
        "import os, sys; from pathlib import Path; from missions.store.layout import Store;"
        "from missions.store.lock import Owner; from missions.store.mission_log import MissionLog;"
        "MissionLog.acquire(Store(Path(sys.argv[1])), sys.argv[2], Owner(face='runner')); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script, str(world.store.root), MISSION], check=False)
    with world.directory.journal.open("ab") as out:
        out.write(b'{"seq":')
    out_text = _run(world, commands)
    assert "mended" in out_text
    assert not {"torn-tail", "stale-lock"} & {f.id for f in doctor(world.store, mission=MISSION).findings}


def _edited_snapshot(world: World, commands: str) -> None:
    snapshot = json.loads(world.directory.snapshot.read_text())
    snapshot["milestones"][0]["features"][0]["status"] = "complete"
    world.directory.snapshot.write_text(json.dumps(snapshot))
    assert "use `retry` or `skip`" in _run(world, commands)
    assert doctor(world.store, mission=MISSION).findings == []


def _damaged_journal(world: World, commands: str) -> None:
    export(world.store, MISSION, world.ground.folder / "earlier-export.tar.gz")
    content = bytearray(world.directory.journal.read_bytes())
    content[100] ^= 1
    world.directory.journal.write_bytes(bytes(content))
    out = _run(world, commands)
    assert "as expected" in out
    assert _view(world.store).status == "planned"
    assert (world.ground.folder / "what-is-left.tar.gz").is_file()


def _open_store(world: World, commands: str) -> None:
    world.store.root.chmod(0o777)
    world.directory.journal.chmod(0o666)
    assert MISSION in _run(world, commands)
    assert world.store.root.stat().st_mode & 0o777 == 0o700
    assert world.directory.journal.stat().st_mode & 0o777 == 0o600


def _full_disk(world: World, commands: str) -> None:
    torn = world.directory.path / "event-log.torn-20260101T000000000000Z"
    torn.write_bytes(b"x" * 100_000)
    os.utime(torn, (time.time() - 40 * 86_400,) * 2)
    assert "freed" in _run(world, commands)
    assert not torn.exists()


def _moved(world: World, commands: str) -> None:
    world.ground.git("checkout", "-q", "-b", f"missions/{MISSION}")
    world.start(f"missions/{MISSION}")
    world.ground.write("dates.py", "def parse(): ...\n")
    tip = world.ground.commit("dates")
    with MissionLog.acquire(world.store, MISSION, WHO) as log:
        log.record(ev.RepositoryAdopted(commit=tip))
    other = Playground(world.ground.folder / "elsewhere")
    other.root.rename(world.ground.folder / "other-checkout")
    _run(world, commands)
    there = _view(Store(world.ground.folder / "other-store"))
    assert (there.status, there.tipCommit) == ("paused", tip)
    assert (world.ground.folder / "other-checkout" / "dates.py").is_file()


def _shown_to_others(world: World, commands: str) -> None:
    run = world.directory.run(RUN)
    run.path.mkdir(parents=True)
    run.transcript.write_text("{}\n")
    out = _run(world, commands)
    assert "event-log.jsonl" in out
    assert "transcript" not in out


def _pi_mission(world: World, commands: str) -> None:
    shutil.rmtree(world.directory.path)
    commit = world.ground.git("rev-parse", "HEAD")
    target = world.ground.folder / "pi" / FIXTURE.name
    shutil.copytree(FIXTURE, target)
    text = (target / "mission.json").read_text()
    text = text.replace("@CWD@", str(world.ground.root)).replace("@SHORT@", commit[:10])
    (target / "mission.json").write_text(text)
    _run(world, commands)
    (only,) = list_missions(world.store)
    assert _view(world.store, only.id).all_features()[0].status == "complete"
    assert (world.store.mission(only.id).path / HISTORY / "mission.json").is_file()


TRIED: dict[str, Callable[[World, str], None]] = {
    "A run spoiled files": _spoiled_files,
    "A restore was wrong": _wrong_restore,
    "The .git directory was destroyed": _destroyed_git,
    "The power went, or the runner was killed": _killed_runner,
    "mission.json was edited by hand": _edited_snapshot,
    "The journal is damaged": _damaged_journal,
    "Others may read the store": _open_store,
    "The disk is full": _full_disk,
    "Move a mission to another machine": _moved,
    "Show a mission to somebody else": _shown_to_others,
    "Take over a mission of pi-missions": _pi_mission,
}


def test_every_recipe_is_tried() -> None:
    recipes = _recipes()
    assert recipes.keys() == TRIED.keys()
    assert all(recipes.values())


@pytest.mark.parametrize("title", TRIED)
def test_the_recipe_works_as_it_stands(title: str, tmp_path: Path) -> None:
    TRIED[title](World(tmp_path), _recipes()[title])
