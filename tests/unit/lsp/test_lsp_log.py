"""The log remembers until it has a file, keeps few files, and keeps them private."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

import pytest

from missions.lsp.log import KEPT_FILES, ServerLog, incident


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("missions.test", logging.INFO, __file__, 1, text, (), None)


def test_what_was_said_before_the_file_is_in_the_file(tmp_path: Path) -> None:
    log = ServerLog()
    log.handle(record("early"))
    assert log.open(tmp_path / "store" / "logs") is None
    log.handle(record("late"))
    log.flush()
    assert log.path is not None
    text = log.path.read_text("utf-8")
    assert text.index("early") < text.index("late")
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


def test_a_place_that_cannot_be_written_is_a_reason_not_an_error(tmp_path: Path) -> None:
    (tmp_path / "logs").touch()
    log = ServerLog()
    assert isinstance(log.open(tmp_path / "logs"), OSError)
    log.handle(record("still alive"))


def test_old_files_go_and_new_ones_stay(tmp_path: Path) -> None:
    for number in range(KEPT_FILES + 10):
        path = tmp_path / f"lsp-{number}.log"
        path.touch()
        os.utime(path, (number, number))
    (tmp_path / "runner.log").touch()
    log = ServerLog()
    assert log.open(tmp_path) is None
    names = {path.name for path in tmp_path.iterdir()}
    assert "lsp-0.log" not in names
    assert {"lsp-29.log", "runner.log"} <= names
    assert len(names) == KEPT_FILES + 2


def test_an_incident_has_an_id_that_finds_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("why")
    except ValueError as error:
        number = incident(logging.getLogger("missions.test"), "doing something", error)
    assert f"incident {number}: doing something" in caplog.text
    assert "ValueError: why" in caplog.text
