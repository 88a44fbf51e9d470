"""What may be passed to git as a ref, an object name or a path, and how git's bytes become Python names.

Everything that a model, a plan or a repository chose is checked here before it becomes an argument (G10). Pure.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from missions.model.errors import MissionError

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_REF = re.compile(r"refs/[^\x00-\x20\x7f~^:?*\[\\]+\Z")


def check_sha(value: object) -> str:
    """Return ``value`` if it is a full object name (40 or 64 hex digits), else raise ``bad_argument``."""
    if isinstance(value, str) and _SHA.match(value):
        return value
    raise MissionError(
        "bad_argument",
        f"{value!r} is not a full commit id.",
        "Give all 40 digits, as `git rev-parse` prints them.",
    )


def check_ref(value: object) -> str:
    """Return ``value`` if git accepts it as a full ref name below ``refs/``, else raise ``bad_argument``."""
    if isinstance(value, str) and _REF.match(value) and not _forbidden(value):
        return value
    raise MissionError(
        "bad_argument", f"{value!r} is not a full ref name.", "A ref looks like refs/heads/main."
    )


def check_branch(name: object) -> str:
    """Return the full ref of the branch ``name``, else raise ``bad_argument``."""
    if isinstance(name, str) and not name.startswith("-"):
        return check_ref(f"refs/heads/{name}")
    raise MissionError(
        "bad_argument", f"{name!r} is not a branch name.", "`git branch` lists the branches there are."
    )


def check_path(value: object) -> str:
    """Return ``value`` if it is a path inside the work tree (relative, no ``..``, no ``.git``), else raise."""
    if isinstance(value, str) and value and "\0" not in value and not value.startswith("/"):
        parts = value.rstrip("/").split("/")
        if all(part not in ("", ".", "..") and part.lower() != ".git" for part in parts):
            return value
    raise MissionError(
        "bad_argument", f"{value!r} is not a path inside the repository.", "Give a path relative to its root."
    )


def _forbidden(ref: str) -> bool:
    parts = ref.split("/")
    return (
        ".." in ref
        or "@{" in ref
        or ref.endswith(".")
        or any(not part or part.startswith(".") or part.endswith(".lock") for part in parts)
    )


def fields(output: bytes) -> list[str]:
    """NUL-separated names as git prints them with ``-z``; bytes that are not UTF-8 survive as surrogates."""
    return [os.fsdecode(name) for name in output.split(b"\0") if name]


def lines_of(names: Iterable[str]) -> bytes:
    """Names for git's standard input with ``-z``."""
    return b"".join(os.fsencode(name) + b"\0" for name in names)
