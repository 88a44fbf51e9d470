"""Whether a directory may be the mission store: its owner, its mode, links on the way, its file system.

It only looks; creating and writing are elsewhere.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from missions.model.errors import MissionError

_REMOTE = re.compile(
    r"(nfs\d?|cifs|smb\w*|9p|fuse(\..*|blk)?|afs|ceph|glusterfs|lustre|sshfs|virtiofs|drvfs|davfs\w*)\Z"
)
"""File systems on which locks or fsync cannot be relied upon."""

MOUNT_TABLE = Path("/proc/self/mountinfo")


def check_root(root: Path, mount_table: Path = MOUNT_TABLE) -> None:
    """Raise ``store_unusable`` unless ``root`` is a private directory of this user on a local file system."""
    try:
        link = root.lstat()
        found = root.stat()
    except OSError as error:
        raise _unusable(root, f"cannot be looked at: {error.strerror}", "Check MISSIONS_HOME.") from error
    if not stat.S_ISDIR(found.st_mode):
        raise _unusable(root, "is not a directory", "Move it away or set MISSIONS_HOME to a directory.")
    if hasattr(os, "getuid"):
        me = os.getuid()
        if stat.S_ISLNK(link.st_mode) and link.st_uid != me:
            raise _unusable(root, "is a link that belongs to another user", "Remove it or set MISSIONS_HOME.")
        if found.st_uid != me:
            raise _unusable(root, "belongs to another user", "Set MISSIONS_HOME to a directory of your own.")
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise _unusable(root, "can be entered by other users", f"Run: chmod 700 {root}")
    kind = file_system(root, mount_table)
    if kind and _REMOTE.match(kind):
        raise _unusable(
            root,
            f"is on {kind}, where locks cannot be relied upon",
            "Set MISSIONS_HOME to a directory on a local disk; missions here can only be looked at.",
        )


def file_system(path: Path, mount_table: Path = MOUNT_TABLE) -> str | None:
    """Name of the file system that holds ``path``, or None where the system does not tell."""
    try:
        text = mount_table.read_text("utf-8", "surrogateescape")
    except OSError:
        return None
    real = os.path.realpath(path)
    best, kind = -1, None
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        fields, types = left.split(" "), right.split(" ")
        if len(fields) < 5 or not types[0]:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        # Later lines cover earlier ones that are mounted at the same place.
        if inside and len(point) >= best:
            best, kind = len(point), types[0]
    return kind


def _unusable(root: Path, why: str, next_step: str) -> MissionError:
    return MissionError("store_unusable", f"The mission store {root} {why}.", next_step, path=str(root))
