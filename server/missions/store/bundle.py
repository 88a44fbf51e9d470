"""The form of an exported mission: one gzipped tar of plain files, closed by a manifest with their checksums.

Written in one pass, so a file that still grows is taken as long as it was when its turn came. Reading trusts nothing:
only regular files with safe names, within limits, complete and with the right checksum; everything else is a
``MissionError``. What the files mean is not known here.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NoReturn, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from missions.model.errors import MissionError
from missions.model.ids import MISSION_ID
from missions.store.bounded_json import Limits as JsonLimits
from missions.store.bounded_json import parse_json
from missions.store.files import (
    AppendFile,
    check_free_space,
    failure,
    make_dir,
    open_private,
    rename,
    unlink,
)

FORMAT = "missions-bundle"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
"""The last file of every bundle."""

_BLOCK = 512
_CHUNK = 256 * 1024
_MAX_NAME = 240
_SPACE_EVERY = 64 * 1024 * 1024
_SAFE_PART = re.compile(r"[A-Za-z0-9_@+,=~%()\[\] .-]{1,100}\Z")
_MANIFEST_LIMITS = JsonLimits(size=64 * 1024 * 1024, depth=12)


@dataclass(frozen=True)
class Limits:
    """How much a bundle may hold."""

    files: int = 200_000
    total: int = 16 * 1024**3
    """Bytes of all files together."""
    one: int = 4 * 1024**3
    """Bytes of one file."""


class FileEntry(BaseModel):
    """One file in the manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)


class Manifest(BaseModel):
    """What a bundle says about itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    format: str = FORMAT
    version: int = FORMAT_VERSION
    createdAt: str = Field(max_length=40)
    createdBy: str = Field(max_length=80)
    missionId: str = Field(pattern=MISSION_ID.pattern.replace(r"\Z", "$"))
    schemaVersion: int
    title: str = ""
    status: str = ""
    redacted: bool = False
    repository: dict[str, Any] | None = None
    """Base, tip and branch of the mission's work, and the file with its commits if that is here."""
    leftOut: tuple[str, ...] = ()
    """Files that were not taken, at most 100 of them."""
    files: dict[str, FileEntry] = {}


def is_safe_name(name: str) -> bool:
    """Whether ``name`` may be a file of a bundle: relative, plain characters, no dots that lead anywhere."""
    return len(name) <= _MAX_NAME and name != MANIFEST and all(map(_is_safe_part, name.split("/")))


def _is_safe_part(part: str) -> bool:
    return bool(_SAFE_PART.match(part)) and part[-1] not in ". " and part[0] != " "


class BundleWriter:
    """Writes one bundle to a file that appears when it is complete; use as a context manager."""

    def __init__(self, output: Path) -> None:
        """Raises ``conflict`` if there is already something at ``output``."""
        if os.path.lexists(output):
            raise MissionError("conflict", f"{output} exists already.", "Choose another name, or remove it.")
        if not output.parent.is_dir():
            raise MissionError("not_found", f"There is no folder {output.parent}.", "Create it first.")
        self.output = output
        self.files: dict[str, FileEntry] = {}
        self._temporary = output.with_name(f".{output.name}.{secrets.token_hex(6)}.tmp")
        self._raw = os.fdopen(open_private(self._temporary, flags=os.O_WRONLY | os.O_EXCL), "wb")
        self._tar: tarfile.TarFile | None = tarfile.open(  # noqa: SIM115 (closed with the writer)
            fileobj=self._raw, mode="w:gz", format=tarfile.USTAR_FORMAT, compresslevel=6
        )

    def add_bytes(self, name: str, content: bytes) -> None:
        """Add ``content`` as the file ``name``."""
        with contextlib.closing(_Source(iter([content]))) as source:
            self._add(name, len(content), source)

    def add_file(self, name: str, path: Path) -> int:
        """Add the regular file ``path`` as it is now, without following links; returns its size."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise failure(error, path, "read") from error
        with os.fdopen(descriptor, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            self._add(name, size, _Source(_chunks(stream, size, path)))
        return size

    def _add(self, name: str, size: int, source: _Source) -> None:
        if not is_safe_name(name) or name in self.files:
            raise MissionError("bad_argument", f"{name!r} cannot be a file of a bundle.", "Rename it.")
        self._append(name, size, source)
        self.files[name] = FileEntry(sha256=source.digest.hexdigest(), size=size)

    def _append(self, name: str, size: int, source: _Source) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o600
        assert self._tar is not None
        try:
            self._tar.addfile(info, cast(BinaryIO, source))
        except ValueError as error:  # the form of the archive has no room for it
            raise MissionError("bad_argument", f"The name {name!r} is too long.", "Rename it.") from error
        except OSError as error:
            raise failure(error, self.output, "write") from error

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest with the files added, make everything durable and give it its name."""
        document = manifest.model_copy(update={"files": self.files})
        content = document.model_dump_json(exclude_none=True).encode()
        self._append(MANIFEST, len(content), _Source(iter([content])))
        try:
            assert self._tar is not None
            self._tar.close()
            self._tar = None
            self._raw.flush()
            os.fsync(self._raw.fileno())
            self._raw.close()
        except OSError as error:
            raise failure(error, self.output, "write") from error
        rename(self._temporary, self.output)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Without `finish` there is no bundle; what tarfile still wants to write does not matter then.
        with contextlib.suppress(OSError):
            self._raw.close()
        unlink(self._temporary)


class _Source:
    """What tarfile reads from: the pieces of one file, summed up on the way."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, None)) is not None:
            self._rest += piece
        taken, self._rest = self._rest[:size], self._rest[size:]
        self.digest.update(taken)
        return taken

    def close(self) -> None:
        self._rest = b""


def _chunks(stream: BinaryIO, size: int, path: Path) -> Iterator[bytes]:
    left = size
    while left:
        piece = stream.read(min(_CHUNK, left))
        if not piece:
            raise MissionError("io_failed", f"{path} became shorter while it was read.", "Export again.")
        left -= len(piece)
        yield piece


# Reading


def unpack(bundle: Path, target: Path, limits: Limits | None = None) -> Manifest:
    """Unpack ``bundle`` into the empty directory ``target`` and return its manifest.

    Raises ``store_corrupt`` for anything that is not a complete, genuine bundle, ``schema_newer`` for a later version of
    the form, ``disk_full`` and I/O errors. What was written so far is left to the caller to remove.
    """
    limits = limits or Limits()
    seen: dict[str, FileEntry] = {}
    folded: set[str] = set()
    manifest: bytes | None = None
    unsettled = 0
    with _Inflated(bundle, limits) as stream:
        while (header := stream.header()) is not None:
            name, size = header
            if manifest is not None:
                _bad(bundle, "something follows its manifest")
            if name == MANIFEST:
                if size > _MANIFEST_LIMITS.size:
                    _bad(bundle, "its manifest is too large")
                manifest = b"".join(stream.content(size))
                continue
            if not is_safe_name(name):
                _bad(bundle, f"it holds a file with the name {name[:80]!r}")
            if name.casefold() in folded:
                _bad(bundle, f"it holds {name} twice")
            if size > limits.one or len(seen) >= limits.files:
                _bad(bundle, "it holds more than is allowed")
            folded.add(name.casefold())
            unsettled += size
            if unsettled >= _SPACE_EVERY or not seen:
                check_free_space(target)
                unsettled = 0
            seen[name] = _write(target, name, stream.content(size), bundle)
    if manifest is None:
        _bad(bundle, "it has no manifest")
    return _checked(bundle, manifest, seen)


def _write(target: Path, name: str, pieces: Iterator[bytes], bundle: Path) -> FileEntry:
    path = target / name
    _folders(target, path.parent, bundle)
    if os.path.lexists(path):
        _bad(bundle, f"{name} is a file and a folder in it")
    digest, size = hashlib.sha256(), 0
    file = AppendFile(path, "transcript")
    try:
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
            file.append(piece, sync=False)
        file.sync()
    finally:
        file.close()
    return FileEntry(sha256=digest.hexdigest(), size=size)


def _folders(target: Path, folder: Path, bundle: Path) -> None:
    for part in [*reversed(folder.relative_to(target).parents), folder.relative_to(target)]:
        here = target / part
        if os.path.lexists(here) and not here.is_dir():
            _bad(bundle, f"{part} is a file and a folder in it")
        make_dir(here)


def _checked(bundle: Path, content: bytes, seen: dict[str, FileEntry]) -> Manifest:
    raw = parse_json(content, f"the manifest of {bundle.name}", _MANIFEST_LIMITS)
    known = cast("dict[str, Any]", raw) if isinstance(raw, dict) else {}
    if known.get("format") != FORMAT:
        _bad(bundle, "its manifest is not that of a mission")
    version = known.get("version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise MissionError(
            "schema_newer", f"{bundle.name} was written by a newer version of Missions.", "Update Missions."
        )
    try:
        manifest = Manifest.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part)[:40] for part in first["loc"])
        _bad(bundle, f"its manifest is not right at {where}: {first['msg']}")
    if manifest.version != FORMAT_VERSION:
        _bad(bundle, "its manifest has an unknown version")
    if manifest.files.keys() != seen.keys():
        odd = sorted(manifest.files.keys() ^ seen.keys())
        _bad(bundle, f"its manifest and its files differ ({odd[0][:80]})")
    for name, entry in manifest.files.items():
        if seen[name] != entry:
            _bad(bundle, f"the checksum of {name} is wrong")
    return manifest


@dataclass
class _Inflated:
    """The tar stream inside a gzip file, read block by block within the limits."""

    path: Path
    limits: Limits
    _out: bytearray = field(default_factory=bytearray)
    _read: int = 0

    def __enter__(self) -> Self:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            self._file = os.fdopen(descriptor, "rb")
        except OSError as error:
            if error.errno is not None and not self.path.exists():
                raise MissionError(
                    "not_found", f"There is no file {self.path}.", "Check the name."
                ) from error
            raise failure(error, self.path, "read") from error
        self._inflate = zlib.decompressobj(wbits=31)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def header(self) -> tuple[str, int] | None:
        """Name and size of the next file; None at the proper end."""
        block = self._take(_BLOCK)
        if not block.strip(b"\0"):
            if self._take(_BLOCK).strip(b"\0"):
                _bad(self.path, "its end is damaged")
            return None
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, ValueError) as error:
            raise _refused(self.path, f"a header in it is damaged ({error})") from error
        if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or info.size < 0 or info.linkname:
            _bad(self.path, f"{info.name[:80]!r} in it is not a plain file")
        return info.name, info.size

    def content(self, size: int) -> Iterator[bytes]:
        """The ``size`` bytes behind a header; must be read to the end."""
        left = size
        while left:
            piece = self._take(min(left, _CHUNK))
            left -= len(piece)
            yield piece
        self._take(-size % _BLOCK)

    def _take(self, size: int) -> bytes:
        while len(self._out) < size:
            self._more()
        taken = bytes(self._out[:size])
        del self._out[:size]
        return taken

    def _more(self) -> None:
        try:
            source = self._inflate.unconsumed_tail or self._file.read(_CHUNK)
            if not source or self._inflate.eof:
                _bad(self.path, "it ends too early")
            piece = self._inflate.decompress(source, _CHUNK)
        except zlib.error as error:
            raise _refused(self.path, "it is not a gzip file, or damaged") from error
        except OSError as error:
            raise failure(error, self.path, "read") from error
        self._read += len(piece)
        if self._read > self.limits.total:
            _bad(self.path, "it holds more than is allowed")
        self._out += piece


def _refused(bundle: Path, why: str) -> MissionError:
    return MissionError(
        "store_corrupt",
        f"{bundle.name} cannot be imported: {why}.",
        "Export the mission again where it came from; nothing was imported.",
        file=str(bundle),
    )


def _bad(bundle: Path, why: str) -> NoReturn:
    raise _refused(bundle, why)
