"""Writing files: whole or not at all, private, and honest about failures."""

from __future__ import annotations

import errno
import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from missions import failpoints
from missions.model.errors import MissionError
from missions.store.bounded_json import Limits, parse_json, read_json
from missions.store.files import (
    FAILPOINTS,
    AppendFile,
    atomic_write,
    check_free_space,
    make_dir,
    read_bytes,
    sweep_temporaries,
)


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    def at(rule: str) -> None:
        monkeypatch.setenv("MISSIONS_FAILPOINT", rule)
        failpoints.reload()

    yield at
    monkeypatch.delenv("MISSIONS_FAILPOINT", raising=False)
    failpoints.reload()


def test_files_and_directories_are_private_whatever_the_umask(tmp_path: Path):
    before = os.umask(0)
    try:
        make_dir(tmp_path / "a" / "b", "run")
        atomic_write(tmp_path / "a" / "b" / "file", b"x", "run")
        AppendFile(tmp_path / "a" / "log", "transcript").close()
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a").rglob("*")}
    assert modes == {"b": 0o700, "file": 0o600, "log": 0o600}
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700


@pytest.mark.parametrize("operation", ["create", "write", "fsync", "rename", "syncdir"])
@pytest.mark.parametrize(("action", "code"), [("enospc", "disk_full"), ("eio", "io_failed")])
def test_a_failed_replacement_leaves_the_old_content_or_the_new_and_no_leftovers(
    tmp_path: Path, fail, operation: str, action: str, code: str
):
    path = tmp_path / "file"
    atomic_write(path, b"old", "snapshot")
    fail(f"store.snapshot.{operation}:{action}")
    with pytest.raises(MissionError) as failed:
        atomic_write(path, b"new", "snapshot")
    assert failed.value.code == code and failed.value.next_step
    assert path.read_bytes() == (b"new" if operation == "syncdir" else b"old")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    atomic_write(path, b"newer", "snapshot")
    assert path.read_bytes() == b"newer"


@pytest.mark.parametrize(("action", "code"), [("enospc", "disk_full"), ("eio", "io_failed"), ("raise", "")])
def test_a_failed_append_is_taken_back_and_the_next_one_works(tmp_path: Path, fail, action: str, code: str):
    log = AppendFile(tmp_path / "log", "journal")
    log.append(b"one\n")
    fail(f"store.journal.write:{action}")
    with pytest.raises((MissionError, RuntimeError)) as failed:
        log.append(b"two\n")
    assert getattr(failed.value, "code", "") == code
    assert log.append(b"three\n") == 4
    assert log.path.read_bytes() == b"one\nthree\n"


def test_a_write_that_ends_in_the_middle_is_taken_back(tmp_path: Path):
    log = AppendFile(tmp_path / "log", "journal")
    log.append(b"a" * 100)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        # The kernel writes the first 50 bytes and refuses the rest.
        resource.setrlimit(resource.RLIMIT_FSIZE, (150, limits[1]))
        with pytest.raises(MissionError) as failed:
            log.append(b"b" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert failed.value.code == "io_failed" and failed.value.data["errno"] == "EFBIG"
    assert log.path.read_bytes() == b"a" * 100
    log.append(b"c")
    assert log.path.read_bytes() == b"a" * 100 + b"c"


def test_a_failed_fsync_is_final_for_the_descriptor(tmp_path: Path, fail):
    log = AppendFile(tmp_path / "log", "journal")
    log.append(b"one\n")
    fail("store.journal.fsync:eio")
    for _ in range(3):
        with pytest.raises(MissionError) as failed:
            log.append(b"two\n")
        assert failed.value.code == "io_failed"
    assert log.path.read_bytes() == b"one\n"
    again = AppendFile(tmp_path / "log", "journal")
    again.append(b"three\n")
    assert log.path.read_bytes() == b"one\nthree\n"


def test_links_are_not_followed_and_a_pipe_does_not_hang_the_reader(tmp_path: Path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"keep")
    link = tmp_path / "link"
    link.symlink_to(victim)
    with pytest.raises(MissionError):
        AppendFile(link, "journal")
    with pytest.raises(MissionError):
        read_bytes(link, 100)
    atomic_write(link, b"new", "file")
    assert victim.read_bytes() == b"keep" and not link.is_symlink()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MissionError) as refused:
        read_bytes(tmp_path / "pipe", 100)
    assert refused.value.code == "store_corrupt"
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(MissionError):
        make_dir(tmp_path / "taken")


def test_what_a_dead_process_left_is_swept_and_nothing_else(tmp_path: Path):
    left = tmp_path / ".mission.json.0123456789ab.tmp"
    left.write_bytes(b"half")
    keep = [tmp_path / ".hidden.tmp", tmp_path / "mission.json"]
    for path in keep:
        path.write_bytes(b"x")
    assert sweep_temporaries(tmp_path, older_than=0) == 0
    assert sweep_temporaries(tmp_path) == 1
    assert sorted(tmp_path.iterdir()) == sorted(keep)


def test_too_little_free_space_is_said_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    check_free_space(tmp_path, floor=1)
    monkeypatch.setenv("MISSIONS_DISK_FLOOR", str(2**62))
    with pytest.raises(MissionError) as refused:
        check_free_space(tmp_path)
    assert refused.value.code == "disk_full"


def test_errors_tell_a_full_disk_a_read_only_store_and_a_broken_one_apart():
    from missions.store.files import failure

    codes = {
        errno.ENOSPC: "disk_full",
        errno.EDQUOT: "disk_full",
        errno.EROFS: "store_unusable",
        errno.EACCES: "store_unusable",
        errno.EIO: "io_failed",
        errno.EMFILE: "io_failed",
    }
    for number, code in codes.items():
        error = failure(OSError(number, os.strerror(number)), Path("x"), "write")
        assert error.code == code and error.data["errno"] == errno.errorcode[number]


def test_every_fail_point_names_a_kind_of_file_and_an_operation():
    assert len(FAILPOINTS) > 50
    assert all(name.count(".") == 2 and name.startswith("store.") for name in FAILPOINTS)


BOMBS = {
    "deep arrays": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100 + b"1" + b"}" * 100,
    "wide and deep": b"[" + b"[[]]," * 100_000 + b"[" * 70 + b"]" * 70 + b"]",
    "unbalanced": b"[" * 70,
    "NaN": b'{"a":NaN}',
    "infinite": b'{"a":-Infinity}',
    "too large a number": b'{"a":1e999}',
    "5,000 digits": b"1" * 5000,
    "a key twice": b'{"a":1,"b":{"c":1,"c":2}}',
    "not UTF-8": b'"\xff\xfe"',
    "BOM": b"\xef\xbb\xbf{}",
    "empty": b"",
    "NULs": b"\0" * 1000,
    "half": b'{"a": [1, 2',
    "no end of a string": b'"' + b"\\" * 99_999,
    "two documents": b"{}{}",
    "too large": b'"' + b"x" * (5 * 1024 * 1024) + b'"',
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_json_bomb_is_a_typed_error(tmp_path: Path, name: str):
    path = tmp_path / "file.json"
    path.write_bytes(BOMBS[name])
    with pytest.raises(MissionError) as refused:
        read_json(path)
    assert refused.value.code == "store_corrupt" and str(path) in refused.value.message


def test_ordinary_json_is_read_brackets_in_strings_included():
    document = {"text": '[[[[{{{{ "quoted" \\', "list": [[1, 2.5, None, True]], "ü": {}}
    import json

    assert parse_json(json.dumps(document).encode(), "it") == document
    assert parse_json(b"[" * 64 + b"]" * 64, "it", Limits(depth=64))
