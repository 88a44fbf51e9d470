"""Requests that wait for the owner of a mission: one file each, applied once, answered once.

A face writes into ``inbox/tmp`` and renames into ``inbox/new``; the owner applies what is in ``new`` in the order of the ids
and leaves the answer in ``done``. Until the owner takes it, whoever asked may withdraw it. A file that is no request is refused and never stands in the way of others. What a
request means is not known here.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ulid import ULID

from missions.model.errors import MissionError
from missions.store.bounded_json import Limits, parse_json, read_json
from missions.store.files import announce, atomic_write, fsync_dir, make_dir, rename, unlink
from missions.store.journal import JournalReader, utc_now
from missions.store.layout import MissionDir
from missions.store.lock import kept
from missions.store.redact import Redactor

MAX_REQUEST = 1024 * 1024
"""Bytes of a request."""

_TAKING = 1.0
"""Seconds that the owner waits while a request is being withdrawn, which takes a few milliseconds."""

_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")
_LIMITS = Limits(size=MAX_REQUEST)
_RESULT_LIMITS = Limits(size=2 * MAX_REQUEST)


class By(BaseModel):
    """Who asks."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    face: str = Field(max_length=40)
    user: str = Field(default="", max_length=200)


class Expect(BaseModel):
    """What the caller had seen; a request about an older state is refused with ``conflict``."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    planVersion: int | None = None
    seq: int | None = None


class Request(BaseModel):
    """One operation that somebody asks for."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    id: str = Field(default_factory=lambda: str(ULID()), pattern=_ULID.pattern.replace(r"\Z", "$"))
    op: str = Field(pattern=r"^[a-z][a-z-]{0,39}$")
    args: dict[str, Any] = {}
    by: By
    at: str = Field(default_factory=utc_now, max_length=40)
    expect: Expect = Expect()


class Result(BaseModel):
    """What became of a request."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    state: Literal["applied", "queued", "refused"]
    seq: int | None = None
    """The journal record that answers it."""
    error: dict[str, Any] | None = None
    """``MissionError.as_json()`` of a refusal."""
    value: dict[str, Any] | None = None
    """What the operation returned."""

    @classmethod
    def refused(cls, error: MissionError) -> Result:
        """The refusal that ``error`` explains."""
        return cls(state="refused", error=error.as_json())


def submit(directory: MissionDir, request: Request) -> Path:
    """Put ``request`` into the inbox, durably and without secrets; ``bad_argument`` if it is too large."""
    request = request.model_copy(update={"args": Redactor().value(request.args)})
    content = request.model_dump_json(exclude_none=True).encode()
    parse_json(content, f"request {request.id}", Limits(size=2**62))
    if len(content) > MAX_REQUEST:
        raise MissionError(
            "bad_argument",
            f"A request of {len(content)} bytes is larger than allowed ({MAX_REQUEST}).",
            "Shorten it.",
        )
    for part in ("tmp", "new", "done"):
        make_dir(directory.inbox / part, "inbox")
    prepared = directory.inbox / "tmp" / f"{request.id}.json"
    waiting = directory.inbox / "new" / f"{request.id}.json"
    atomic_write(prepared, content, "inbox", durable=True)
    rename(prepared, waiting, "inbox")
    return waiting


def pending(directory: MissionDir, applied: Callable[[str], bool]) -> list[Request]:
    """For the owner: the requests to apply, in the order of their ids.

    ``applied`` tells whether the journal already answers a request id (the owner died between the event and
    :func:`done`); such a request is only moved away. What is no request is refused.
    """
    requests: list[Request] = []
    for path in _waiting_files(directory):
        request_id = path.name.removesuffix(".json")
        if not _ULID.match(request_id) or path.suffix != ".json":
            _set_aside(directory, path)
        elif _answer(directory, request_id).exists():
            _remove(path)
        elif applied(request_id):
            done(directory, request_id, Result(state="applied"))
        else:
            try:
                requests.append(_read(path, request_id))
            except MissionError as error:
                done(directory, request_id, Result.refused(error))
    return requests


def waiting(directory: MissionDir) -> list[str]:
    """For everybody: ids of the requests that wait; nothing is moved."""
    return [path.stem for path in _waiting_files(directory) if _ULID.match(path.stem)]


@contextlib.contextmanager
def taking(directory: MissionDir, request_id: str) -> Generator[bool]:
    """For the owner, around applying a request and answering it: false if it was withdrawn, or is being withdrawn."""
    with kept(_queued(directory, request_id), wait=_TAKING) as mine:
        yield mine


def withdraw(directory: MissionDir, request_id: str) -> Result | None:
    """For whoever asked: take the request back unless its owner has taken it; what became of it.

    Exactly one of the two happens, whoever dies meanwhile. None: the owner has it and has not answered yet.
    """
    with kept(_queued(directory, request_id)) as mine:
        # An owner that died after the event and before its answer has applied it.
        if mine and not _in_journal(directory, request_id):
            done(directory, request_id, Result.refused(withdrawn()))
    found = result(directory, request_id)
    return None if found is None or found.state == "queued" else found


def withdrawn() -> MissionError:
    """What a request that was taken back is refused with."""
    return MissionError("cancelled", "It was cancelled before it took effect.", "Nothing was changed.")


def _in_journal(directory: MissionDir, request_id: str) -> bool:
    reader = JournalReader(directory)
    reader.read_new()
    return request_id in reader.requests


def done(directory: MissionDir, request_id: str, result: Result) -> None:
    """Leave the answer to a request and take it out of the queue; the first answer stays."""
    answer = _answer(directory, request_id)
    if not answer.exists():
        make_dir(answer.parent, "inbox")
        content = {"id": request_id, "at": utc_now(), "result": result.model_dump(exclude_none=True)}
        atomic_write(
            answer, _Answer.model_validate(content).model_dump_json(exclude_none=True).encode(), "inbox"
        )
    _remove(_queued(directory, request_id))


def result(directory: MissionDir, request_id: str) -> Result | None:
    """What became of a request: its answer, ``queued`` while it waits, None if it was never here."""
    if not _ULID.match(request_id):
        raise MissionError("bad_argument", "That is not a request id.", "Request ids are ULIDs.")
    # The answer comes before the request goes away, so this order never sees neither of a request that exists.
    queued = _queued(directory, request_id).exists()
    try:
        return _Answer.model_validate(read_json(_answer(directory, request_id), _RESULT_LIMITS)).result
    except (MissionError, ValidationError):
        return Result(state="queued") if queued else None


class _Answer(BaseModel):
    id: str
    at: str
    result: Result


def _answer(directory: MissionDir, request_id: str) -> Path:
    return directory.inbox / "done" / f"{request_id}.json"


def _queued(directory: MissionDir, request_id: str) -> Path:
    return directory.inbox / "new" / f"{request_id}.json"


def _waiting_files(directory: MissionDir) -> list[Path]:
    try:
        return sorted((directory.inbox / "new").iterdir(), key=lambda path: path.name)
    except OSError:
        return []


def _read(path: Path, request_id: str) -> Request:
    try:
        request = Request.model_validate(read_json(path, _LIMITS))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MissionError(
            "bad_argument", f"The request {request_id} is not valid: {where}: {first['msg']}.", "Ask again."
        ) from error
    if request.id != request_id:
        raise MissionError("bad_argument", f"The request in {path.name} has another id.", "Ask again.")
    return request


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        _aside(path, path.parent.parent / "done")
    else:
        unlink(path, "inbox")


def _set_aside(directory: MissionDir, path: Path) -> None:
    """A name that is no request id has nobody who waits for an answer."""
    make_dir(directory.inbox / "done", "inbox")
    _aside(path, directory.inbox / "done")


def _aside(path: Path, target: Path) -> None:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    name = f"refused-{stamp}-{hashlib.sha256(path.name.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}"
    announce("inbox", "rename")
    with contextlib.suppress(FileNotFoundError):
        path.rename(target / name)
        fsync_dir(target, "inbox")
