"""The one family of errors that may reach a user.

Every error has a stable ``code`` (for programs), a sentence (for people) and the next step. Anything that is
not a ``MissionError`` is a bug: faces log it with an id and show only that id. This module never formats for a
particular face.
"""

from __future__ import annotations

import errno
from typing import Any, Literal

ErrorCode = Literal[
    "bad_argument",  # an argument has the wrong form
    "not_found",  # no such mission, milestone, feature, run, decision …
    "ambiguous",  # several missions fit and none was named
    "wrong_state",  # the operation is not legal now
    "confirmation_needed",  # a gate was not passed; `data` names the gates
    "declined",  # a gate was answered with no
    "conflict",  # the state changed since the caller looked (plan version, sequence)
    "plan_invalid",  # lint errors; `data["findings"]`
    "locked",  # another process holds the mission or the repository
    "store_unusable",  # foreign owner, wrong mode, read-only, network file system
    "store_corrupt",  # a record is damaged; `data` names file, line, offset
    "store_tampered",  # the journal changed under the owner
    "schema_newer",  # written by a newer version; read-only here
    "disk_full",
    "io_failed",  # a write, fsync or rename failed
    "no_credentials",
    "provider_unavailable",
    "budget_reached",
    "repository",  # the repository cannot be used as asked
    "repository_changed",  # someone else moved the branch or files during a run
    "dirty_worktree",
    "sandbox_unavailable",
    "cancelled",
    "unsupported",  # not possible on this platform or in this version
    "internal",
]


class MissionError(Exception):
    """An error with a stable code, a sentence and the next step.

    ``data`` is JSON-ready detail for programs; it never holds secrets or stack traces.
    """

    def __init__(self, code: ErrorCode, message: str, next_step: str = "", **data: Any) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.next_step = next_step
        self.data: dict[str, Any] = data

    def as_json(self) -> dict[str, Any]:
        """The error as every face reports it: ``{code, message, nextStep, data}``."""
        return {"code": self.code, "message": self.message, "nextStep": self.next_step, "data": self.data}

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".strip()


TOO_MANY_FILES = ("EMFILE", "ENFILE")
"""What the system answers when no more files can be opened; as ``data["errno"]`` of an error."""


def too_many_files(error: BaseException | None) -> MissionError | None:
    """The error for the user when the system refused a file because too many are open; none for any other error.

    Such a refusal says nothing about what was to be opened: not that it is damaged, nor that it is missing.
    """
    for _ in range(10):
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            name = errno.errorcode[error.errno]
            where = "this process" if name == "EMFILE" else "this machine"
            return MissionError(
                "io_failed",
                f"Too many files are open in {where}.",
                "Raise the limit (`ulimit -n`), or end what holds them open, then go on; nothing that was reported as done is lost.",
                errno=name,
            )
        error = None if error is None else error.__cause__ or error.__context__
    return None


def raise_if_scarce(error: BaseException) -> None:
    """For whoever passes over what cannot be opened: too many open files is no fact about a file or folder."""
    if (scarce := too_many_files(error)) is not None:
        raise scarce from error
