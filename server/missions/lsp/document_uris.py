"""The URIs of the read-only ``missions:`` documents and of plan files.

Names only; who draws the documents is told elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from missions.lsp.protocol import SCHEME

CONTROL = f"{SCHEME}:/control.md"
"""Mission Control."""


def control_uri(mission: str) -> str:
    """A mission in Mission Control."""
    return _uri(mission, "control.md")


def report_uri(mission: str) -> str:
    """The report of a mission."""
    return _uri(mission, "report.md")


def review_uri(mission: str, run: str) -> str:
    """What a run did: handoff or report, diff, commands, cost."""
    return _uri(mission, "runs", run, "review.md")


def transcript_uri(mission: str, run: str) -> str:
    """What a run said and did, turn by turn."""
    return _uri(mission, "runs", run, "transcript.md")


def file_uri(path: Path) -> str:
    """A file on disk."""
    return path.absolute().as_uri()


def _uri(*parts: str) -> str:
    return f"{SCHEME}:/" + "/".join(quote(part, safe="") for part in parts)
