"""Which sandbox this machine can give, found by really starting one; and the choice by mode, without silent downgrade.

The answer is kept for the life of the process. Nothing is ever chosen here that the mode does not allow.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from missions.model.errors import MissionError

Kind = Literal["bwrap", "seatbelt", "none"]
Mode = Literal["auto", "required", "none"]


@dataclass(frozen=True)
class SandboxStatus:
    """What can be had, and why not more."""

    kind: Kind
    reason: str
    """For people: the version, or what is missing."""
    program: str | None = None
    """The helper's path."""


def probe(path: str | None = None) -> SandboxStatus:
    """What this machine offers: ``bwrap``, ``seatbelt``, or ``none`` with the reason. ``path`` replaces PATH."""
    if sys.platform == "darwin":
        helper = "/usr/bin/sandbox-exec"
        if Path(helper).exists():
            return SandboxStatus("seatbelt", "sandbox-exec (deprecated by Apple, still works)", helper)
        return SandboxStatus("none", "sandbox-exec is missing")
    if not sys.platform.startswith("linux"):
        return SandboxStatus("none", f"no sandbox is known for {sys.platform}")
    return _probe_bubblewrap(path if path is not None else os.environ.get("PATH", ""))


@functools.lru_cache(maxsize=8)
def _probe_bubblewrap(path: str) -> SandboxStatus:
    helper = _find_helper(path)
    if helper is None:
        return SandboxStatus("none", "bubblewrap (the program `bwrap`) is not installed")
    trial = [
        helper, "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session", "--as-pid-1",
        "--cap-drop", "ALL", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--", "/bin/true",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            trial, env={"PATH": "/usr/bin:/bin"}, capture_output=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return SandboxStatus("none", f"bubblewrap cannot be run: {error}")
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return SandboxStatus(
            "none", f"bubblewrap cannot make a sandbox here: {said[-1] if said else done.returncode}"
        )
    return SandboxStatus("bwrap", "bubblewrap works", helper)


def _find_helper(path: str) -> str | None:
    # The distribution's own file first: some systems allow user namespaces to that path only.
    for folder in ("/usr/bin", "/usr/local/bin", "/bin", *path.split(os.pathsep)):
        if folder not in path.split(os.pathsep):
            continue
        candidate = Path(folder, "bwrap")
        if folder and candidate.is_absolute() and os.access(candidate, os.X_OK):
            return str(candidate)
    return None


def choose(mode: Mode, path: str | None = None) -> SandboxStatus:
    """The sandbox for a run. ``auto`` and ``required`` refuse when there is none; only ``none`` gives none.

    Whether ``auto`` may go on without one is asked at the start gate, whose yes becomes the mode ``none``.
    """
    if mode == "none":
        return SandboxStatus("none", "switched off")
    status = probe(path)
    if status.kind == "none":
        raise MissionError(
            "sandbox_unavailable",
            f"Commands cannot be sandboxed: {status.reason}.",
            "Install bubblewrap, or accept to run without a sandbox (--no-sandbox).",
            reason=status.reason,
        )
    return status
