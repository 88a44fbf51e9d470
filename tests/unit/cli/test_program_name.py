"""Commands that are told to people are ones that they can type."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from missions.cli.output import program


def test_a_program_that_is_not_on_the_path_is_named_by_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "clone" / ".venv" / "bin" / "missions"
    installed.parent.mkdir(parents=True)
    installed.write_text("#!/bin/sh\n")
    installed.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(installed)])
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path / "clone")
    assert program() == ".venv/bin/missions"
    monkeypatch.chdir(tmp_path)
    assert program() == "clone/.venv/bin/missions"
    monkeypatch.chdir("/")
    assert program().endswith("clone/.venv/bin/missions")
    monkeypatch.setenv("PATH", str(installed.parent))
    assert program() == "missions"
