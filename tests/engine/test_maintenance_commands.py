"""The maintenance commands as a script meets them: exit codes, one JSON document, and no answer taken for a yes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.mission_with_snapshots import MISSION, RUN, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _missions(world: World, *arguments: str) -> tuple[int, str, str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(world.ground.folder),
        "MISSIONS_HOME": str(world.store.root),
        "MISSIONS_DISK_FLOOR": "0",
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        [sys.executable, "-m", "missions", *arguments],
        cwd=world.ground.root,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def _answer(world: World, *arguments: str) -> tuple[int, dict[str, Any]]:
    code, out, _ = _missions(world, *arguments, "--json")
    return code, json.loads(out)


def test_restore_names_edited_files_and_without_a_yes_changes_nothing(world: World) -> None:
    world.snap()
    world.ground.write("README.md", "my words\n")
    code, out, err = _missions(world, "restore")
    assert (code, out) == (1, "")
    assert "README.md" in err
    assert "--yes" in err
    assert world.ground.contents()["README.md"] == b"my words\n"

    code, answer = _answer(world, "restore", MISSION, "--yes", "--path", "README.md")
    assert (code, answer["written"], answer["replaced"]) == (0, ["README.md"], ["README.md"])


def test_restore_lists_snapshots(world: World) -> None:
    assert "no snapshots" in _missions(world, "restore", "--list")[1]
    world.snap()
    _, answer = _answer(world, "restore", "--list")
    assert [line["name"] for line in answer["snapshots"]] == [f"{RUN}/start"]


def test_an_unknown_snapshot_is_an_error_with_its_code(world: World) -> None:
    world.snap()
    code, answer = _answer(world, "restore", "--snapshot", "none/such")
    assert (code, answer["error"]["code"]) == (1, "not_found")


def test_the_doctor_exits_with_one_while_something_is_broken(world: World) -> None:
    assert _answer(world, "doctor")[0] == 0
    world.directory.journal.write_bytes(b"nonsense\n")
    code, answer = _answer(world, "doctor", "--fix")
    assert (code, answer["healthy"]) == (1, False)
    assert "journal-damaged" in {finding["id"] for finding in answer["findings"]}
    assert "broken" in _missions(world, "doctor")[1]


def test_export_and_import_answer_with_what_they_did(world: World, tmp_path: Path) -> None:
    target = tmp_path / "m.tar.gz"
    code, answer = _answer(world, "export", "--output", str(target))
    assert (code, answer["output"], answer["redacted"]) == (0, str(target), False)
    assert _answer(world, "export", "--output", str(target))[1]["error"]["code"] == "conflict"
    code, answer = _answer(world, "import", str(target))
    assert (code, answer["originalId"], answer["status"]) == (0, MISSION, "planned")
    assert answer["mission"] != MISSION
    assert _answer(world, "import", str(tmp_path / "none.tar.gz"))[1]["error"]["code"] == "not_found"
    assert _answer(world, "import", str(tmp_path))[0] == 2


def test_gc_says_what_would_go_and_frees_nothing_then(world: World) -> None:
    code, answer = _answer(world, "gc", "--dry-run", "--older-than-days", "0")
    assert (code, answer["dryRun"], answer["items"]) == (0, True, [])
    assert "0 bytes freed" in _missions(world, "gc")[1]
