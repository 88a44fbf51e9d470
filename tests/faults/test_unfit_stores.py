"""Stores that must not or cannot be used, and files that cannot be read: said once by every face, nothing changed, no trace of
a program."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from missions.cli.app import main
from missions.store.layout import Store
from support.desk import Desk

_LOOKING = (["list"], ["status", "MISSION"], ["show", "MISSION", "plan"], ["doctor"])
_ACTING = (
    ["comment", "MISSION", "/", "why?"],
    ["run", "MISSION", "--headless", "--yes", "--no-sandbox", "--allow-dirty"],
)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    desk.environment["ANTHROPIC_API_KEY"] = "sk-test-0123456789abcdef"
    for name, value in desk.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(desk.root)
    yield desk
    subprocess.run(["umount", "-l", str(desk.store.root)], capture_output=True, check=False)


@dataclass
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def missions(capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line in this process: what is thrown by it fails the test."""

    def run(words: Sequence[str], mission: str = "") -> Said:
        capsys.readouterr()
        code = main(_words(words, mission))
        said = capsys.readouterr()
        return Said(code, str(said.out), str(said.err))

    return run


def _words(words: Sequence[str], mission: str) -> list[str]:
    return [mission if word == "MISSION" else word for word in words]


def _told(said: Said) -> None:
    """An error is one message with a next step, never a traceback."""
    assert said.code != 0
    text = said.out + said.err
    assert "Traceback" not in text, text
    assert "internal" not in text, text
    assert 0 < len(said.err.strip().splitlines()) <= 6, said.err


def _content(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name not in ("wake", "index.json")
    }


def _open_to_all(desk: Desk) -> None:
    desk.store.root.chmod(0o777)


def _of_somebody_else(desk: Desk) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    os.chown(desk.store.root, 12345, -1)


def _read_only(desk: Desk) -> None:
    root = str(desk.store.root)
    made = subprocess.run(["mount", "--bind", root, root], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("only root can mount")
    subprocess.run(["mount", "-o", "remount,ro,bind", root], check=True)


@pytest.mark.parametrize("spoil", [_open_to_all, _of_somebody_else, _read_only], ids=lambda f: f.__name__)
def test_a_store_that_may_not_be_used_is_said_by_every_command_and_left_as_it_was(
    desk: Desk, missions: Command, spoil: Callable[[Desk], None]
) -> None:
    mission = desk.saved()
    spoil(desk)
    before = _content(desk.store.root)
    for words in _ACTING:
        _told(missions(words, mission))
    for words in _LOOKING:
        said = missions(words, mission)
        # What may be looked at is shown; what may not is refused in one message. Both are said, never thrown.
        assert "Traceback" not in said.out + said.err
        if spoil is _read_only and words != ["doctor"]:
            assert said.code == 0, (words, said.err)
    assert _content(desk.store.root) == before


def _newer(desk: Desk, mission: str) -> None:
    snapshot = desk.store.mission(mission).snapshot
    snapshot.write_bytes(snapshot.read_bytes().replace(b'"schemaVersion": 1', b'"schemaVersion": 99'))


def _flipped(desk: Desk, mission: str) -> None:
    journal = desk.store.mission(mission).journal
    content = bytearray(journal.read_bytes())
    content[len(content) // 2] ^= 1
    journal.write_bytes(content)


def _nul(desk: Desk, mission: str) -> None:
    journal = desk.store.mission(mission).journal
    content = journal.read_bytes()
    at = content.index(b"\n") + 1
    journal.write_bytes(content[:at] + bytes(400) + content[at:])


def _cut_inside(desk: Desk, mission: str) -> None:
    journal = desk.store.mission(mission).journal
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([lines[0], *lines[2:]]))


def _a_folder(desk: Desk, mission: str) -> None:
    journal = desk.store.mission(mission).journal
    journal.unlink()
    journal.mkdir()


def _a_pipe(desk: Desk, mission: str) -> None:
    journal = desk.store.mission(mission).journal
    journal.unlink()
    os.mkfifo(journal)


@pytest.mark.parametrize(
    "spoil", [_newer, _flipped, _nul, _cut_inside, _a_folder, _a_pipe], ids=lambda f: f.__name__
)
def test_a_mission_that_cannot_be_trusted_is_named_by_every_command_and_the_others_go_on(
    desk: Desk, missions: Command, spoil: Callable[[Desk, str], None]
) -> None:
    mission, other = desk.saved(), desk.saved()
    spoil(desk, mission)
    for words in (*_ACTING, ["status", "MISSION"]):
        _told(missions(words, mission))
    said = missions(["list", "--json"])
    assert said.code == 0
    assert other in said.out
    if spoil not in (_a_folder, _a_pipe):
        assert mission in said.out
    assert missions(["status", other]).code == 0
    assert "Traceback" not in missions(["doctor"]).err


_STRACE = shutil.which("strace")


@pytest.mark.skipif(_STRACE is None, reason="needs strace to let reads fail")
@pytest.mark.parametrize("kind", ["journal", "snapshot", "blob", "settings"])
def test_a_file_that_cannot_be_read_is_named_and_nothing_is_taken_for_lost(
    desk: Desk, missions: Command, kind: str
) -> None:
    mission = desk.saved()
    assert missions(["status", mission]).code == 0
    directory = desk.store.mission(mission)
    settings = desk.store.root / "settings.json"
    settings.write_text("{}")
    settings.chmod(0o600)
    path = {
        "journal": directory.journal,
        "snapshot": directory.snapshot,
        "blob": next(p for p in directory.blobs.iterdir()),
        "settings": settings,
    }[kind]
    before = _content(desk.store.root)
    for words in (_ACTING[0], ["status", "MISSION"]):
        said = _with_read_errors(desk, path, _words(words, mission))
        text = said.stdout + said.stderr
        assert "Traceback" not in text, text
        assert os.strerror(errno.EIO) in text or said.returncode == 0, (words, text)
    changed = {name for name, content in _content(desk.store.root).items() if before.get(name) != content}
    # A comment may be accepted where what cannot be read is only derived; the truth it stands on is as it was.
    assert all(not name.startswith(f"{mission}/blobs") for name in changed)
    assert directory.journal.read_bytes().startswith(before[f"{mission}/event-log.jsonl"])
    assert missions(["status", mission]).code == 0
    assert Store(desk.store.root).mission_ids() == [mission]


def _with_read_errors(desk: Desk, path: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    """The command, every read of this file answered by an I/O error."""
    assert _STRACE is not None
    inject = ["-e", "trace=read,pread64,readv", "-e", "inject=read,pread64,readv:error=EIO", "-P", str(path)]
    return subprocess.run(
        [_STRACE, "-f", "-qq", "-o", os.devnull, *inject, sys.executable, "-m", "missions", *words],
        cwd=desk.root,
        env=desk.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
