"""The document of the artifacts says what the types say, and names every file that a mission leaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from missions.model import events as ev

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "docs" / "development" / "artifacts_document.py"


def test_the_document_is_what_the_types_give() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run python {SCRIPT.relative_to(ROOT)}: {done.stderr}"


def test_every_event_is_in_the_document() -> None:
    text = (ROOT / "docs" / "artifacts.md").read_text("utf-8")
    assert [name for name in ev.EVENTS if f"### `{name}`" not in text] == []
