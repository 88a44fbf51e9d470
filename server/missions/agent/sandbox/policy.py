"""What a run's commands may see, change and use: plain values, checked for contradictions.

Nothing here starts a process or changes a file. The list of protected names is a decision: names that exist at the start
of a run are mounted read-only; a name that appears during a command is moved aside and reported (``protection.py``),
because a mount cannot protect what is not there without leaving an empty file in the user's checkout.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from missions.model.errors import MissionError

PROTECTED_NAMES: tuple[str, ...] = (
    ".gitmodules",
    ".vscode",
    ".idea",
    ".zed",
    ".cursor",
    ".claude",
    ".mcp.json",
    ".envrc",
    ".missions",
    ".nvim.lua",
    ".exrc",
    ".gdbinit",
)
"""Entries of the workspace's top folder that programs of the user trust and run (requirement S06)."""

GIT_READ_ONLY: tuple[str, ...] = (
    "config",
    "config.worktree",
    "hooks",
    "info",
    "modules",
    "commondir",
    "gitdir",
)
"""Entries of a git directory that name programs or other repositories; ``git`` outside would follow them."""


@dataclass(frozen=True)
class Limits:
    """Bounds of one command; sizes in bytes, times in seconds."""

    processes: int = 512
    memory: int = 4 << 30
    """Resident memory of all its processes together, watched ten times a second."""
    file: int = 2 << 30
    """Largest single file it may write."""
    output: int = 10 << 20
    """Output that is kept; what is more is read and dropped, the end always stays."""
    tmp: int = 1 << 30
    """Size of each private temporary folder."""
    disk_floor: int = 500 << 20
    """A command is ended when the workspace's disk has less than this free; 0 turns the watch off."""
    silence: float = 300.0
    """A foreground command that prints nothing for so long is ended."""


@dataclass(frozen=True)
class Policy:
    """The sandbox of one run. Paths are absolute; they are resolved here, links included."""

    workspace: Path
    evidence: Path | None = None
    """Writable folder of the run outside the workspace."""
    output: Path | None = None
    """Folder of long outputs, readable only."""
    git_dir: Path | None = None
    common_dir: Path | None = None
    """Differs from ``git_dir`` in a linked worktree."""
    workspace_mode: Literal["rw", "ro"] = "rw"
    extra_ro: tuple[Path, ...] = ()
    extra_rw: tuple[Path, ...] = ()
    """Named by the user only, never by a repository."""
    network: bool | tuple[str, ...] = False
    """True: everything. Names: only HTTP(S) to these hosts (``*.example.org`` for a domain) through the engine's proxy."""
    env: dict[str, str] = field(default_factory=dict[str, str])
    """The whole environment of commands (``environment.py`` builds it)."""
    limits: Limits = field(default_factory=Limits)
    home: Path = field(default_factory=Path.home)
    hidden: tuple[Path, ...] = ()
    """Hidden besides the home directory: the store."""
    protected: tuple[str, ...] = PROTECTED_NAMES
    aside: Path | None = None
    """Where protected names that appeared are moved; without it they stay and are only reported."""

    def __post_init__(self) -> None:
        for name in ("workspace", "evidence", "output", "git_dir", "common_dir", "home", "aside"):
            value: Path | None = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, value.resolve())
        for name in ("extra_ro", "extra_rw", "hidden"):
            object.__setattr__(self, name, tuple(path.resolve() for path in getattr(self, name)))
        for what, path in (("home directory", self.home), *(("store", path) for path in self.hidden)):
            if self.workspace == path or self.workspace in path.parents:
                raise MissionError(
                    "sandbox_unavailable",
                    f"The workspace {self.workspace} contains the {what}, which the sandbox has to hide.",
                    "Use a repository in a folder of its own, or the workspace mode `clone`.",
                )
