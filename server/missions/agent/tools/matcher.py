"""The program that matches a pattern against lines of files, apart from the engine so that it can be killed.

A regular expression of a model may take for ever, and no interpreter can interrupt one. Run as a program
(`python -I -S matcher.py ROOT`), standard library only: one JSON line in (`pattern`, `ignoreCase`, `context`, `most`), then
paths one a line; one JSON line out for each match. ROOT is an inherited descriptor; links are never followed.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any

_LARGEST_FILE = 8 << 20
_LONGEST_LINE = 20_000
_SHOWN = 400


def _open(root: int, relative: str) -> int:
    current = root
    parts = relative.split("/")
    for part in parts[:-1]:
        inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=current)
        if current != root:
            os.close(current)
        current = inner
    try:
        return os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=current)
    finally:
        if current != root:
            os.close(current)


def _lines(root: int, relative: str) -> list[str] | None:
    try:
        with os.fdopen(_open(root, relative), "rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except OSError:
        return None
    if len(data) > _LARGEST_FILE or b"\0" in data[:8192]:
        return None
    return data.decode("utf-8", errors="replace").splitlines()


def _say(**found: Any) -> None:
    sys.stdout.write(json.dumps(found) + "\n")


def main() -> None:
    """Match until the paths end or enough was found."""
    root = int(sys.argv[1])
    task = json.loads(sys.stdin.readline())
    pattern = re.compile(task["pattern"], re.IGNORECASE if task["ignoreCase"] else 0)
    context, left = int(task["context"]), int(task["most"])
    for raw in sys.stdin:
        relative = json.loads(raw)
        lines = _lines(root, relative)
        if lines is None:
            _say(skipped=relative)
            continue
        for place, line in enumerate(lines):
            if not pattern.search(line[:_LONGEST_LINE]):
                continue
            around = range(max(0, place - context), min(len(lines), place + context + 1))
            _say(
                path=relative,
                line=place + 1,
                text=[[number + 1, lines[number][:_SHOWN]] for number in around],
            )
            left -= 1
            if left <= 0:
                _say(more=True)
                return
        sys.stdout.flush()


if __name__ == "__main__":
    main()
