"""A scan of a work tree: the stamp of every file that git could have an opinion about.

Two equal scans of settled stamps mean that no file was added, removed or changed in between. A scan never opens a file, never
follows a symbolic link, and gives up (the caller then asks git) where it could not tell.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from missions.repo.stamps import Stamp, of

_LIMIT = 100_000
"""Files; a scan of more takes longer and more memory than asking git again."""


def scan(root: Path, skip: Mapping[str, bool]) -> dict[str, Stamp | None] | None:
    """Path → stamp of everything but folders below ``root``, without the entries in ``skip`` (path → whether it is a folder).

    ``None`` if another repository lies inside, a folder cannot be listed, something vanished meanwhile, or there are more
    than 100,000 files.
    """
    files: dict[str, Stamp | None] = {}
    pending = [""]
    try:
        while pending:
            folder = pending.pop()
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    is_folder = entry.is_dir(follow_symlinks=False)
                    if entry.name.lower() == ".git":
                        if path != ".git":
                            return None
                    elif skip.get(path) is is_folder:
                        continue
                    elif is_folder:
                        pending.append(path)
                    else:
                        files[path] = of(entry.stat(follow_symlinks=False))
            if len(files) > _LIMIT:
                return None
    except OSError:
        return None
    return files
