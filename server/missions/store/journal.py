"""The journal of a mission: an incremental reader that reports damage, and the one writer.

The live segment is ``event-log.jsonl``; at 64 MB it is closed under the name ``event-log.<n>.jsonl`` and a new one begins.
The reader never raises on damage, never skips it and never changes a file. The writer never appends behind a torn line
or to a file that somebody else touched.
"""

from __future__ import annotations

import functools
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

from missions.model.errors import MissionError
from missions.model.event_base import Event, parse_event
from missions.store.files import AppendFile, atomic_write, failure, rename
from missions.store.layout import MissionDir
from missions.store.lock import FileLock
from missions.store.records import MAX_RECORD, BadLineError, Line, Record, decode, encode, parse_data

SEGMENT_SIZE = 64 * 1024 * 1024
"""Bytes after which a segment is closed."""

_CHUNK = 1024 * 1024
_REQUEST_ID = re.compile(rb'"requestId":"([0-9A-Z]{26})"')
_OPEN = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
)


@dataclass(frozen=True)
class Damage:
    """Where a journal stops being readable, and why."""

    file: str
    line: int
    """Counted from 1 in its file."""
    offset: int
    """Bytes before the line in its file."""
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line} (byte {self.offset}): {self.reason}"

    def error(self) -> MissionError:
        """The damage as ``store_corrupt``."""
        return MissionError(
            "store_corrupt",
            f"The journal is damaged in {self}.",
            "Run `missions doctor`: it shows what is readable and how to restore the mission.",
            file=self.file,
            line=self.line,
            offset=self.offset,
            reason=self.reason,
        )


class JournalReader:
    """Reads records from where it stopped last time; a last line without newline is left for later."""

    def __init__(self, directory: MissionDir, after: int = 0) -> None:
        """Records up to sequence number ``after`` are verified but neither parsed nor returned."""
        self.directory = directory
        self.after = after
        self.problems: list[Damage] = []
        """At most one: nothing behind the first damage is trusted."""
        self.segment = 1
        """Number of the segment that is being read."""
        self.offset = 0
        """Bytes read in that segment."""
        self.last_seq = 0
        self.last_epoch = 0
        self.after_crc = ""
        """Checksum of the record ``after``, once it was seen."""
        self.fragment = 0
        """Bytes behind the last newline at the last read: a line being written, or torn."""
        self.shrunk = False
        """What was read before is no longer there; start again with a new reader."""
        self.last_type = ""
        self.requests: set[str] = set()
        """Ids of the requests that are answered by an event."""
        self.lines = 0
        """Lines read in that segment."""

    def read_new(self) -> list[Record]:
        """Everything complete that was appended since the last call, up to the first damage."""
        records: list[Record] = []
        while not self.problems and not self.shrunk and self._read_segment(records):
            self.segment += 1
            self.offset = self.lines = 0
        return records

    def _read_segment(self, records: list[Record]) -> bool:
        """Read on in the current segment; True if it is closed and was read to its end."""
        closed = self.directory.segment(self.segment)
        fd = _open_or_none(closed)
        path, is_closed = (closed, True) if fd is not None else (self.directory.journal, False)
        if fd is None:
            fd = _open_or_none(path)
            if closed.exists():
                # The writer closed the segment between the two looks.
                if fd is not None:
                    os.close(fd)
                return self._read_segment(records)
            if fd is None:
                self.fragment = 0
                self.shrunk = self.offset > 0
                return False
        try:
            if os.fstat(fd).st_size < self.offset:
                self.shrunk = True
                return False
            self._read_lines(fd, path.name, records)
        except OSError as error:
            self._damage(path.name, f"it cannot be read: {error.strerror}")
        finally:
            os.close(fd)
        if is_closed and self.fragment and not self.problems:
            self._damage(path.name, "a closed segment ends within a line")
        return is_closed and not self.problems

    def _read_lines(self, fd: int, name: str, records: list[Record]) -> None:
        buffer = b""
        position = self.offset
        while chunk := os.pread(fd, _CHUNK, position):
            position += len(chunk)
            buffer += chunk
            start = 0
            while (end := buffer.find(b"\n", start)) >= 0:
                if not self._take(buffer[start:end], name, records):
                    return
                start = end + 1
            buffer = buffer[start:]
            if len(buffer) > MAX_RECORD:
                # No line is that long, so this can never become one; do not collect a whole file of it.
                break
        self.fragment = position - self.offset
        if self.fragment > MAX_RECORD:
            self._damage(name, f"{self.fragment} bytes without an end of line")

    def _take(self, text: bytes, name: str, records: list[Record]) -> bool:
        try:
            line = decode(text)
            self._check_order(line)
            if line.seq > self.after:
                data = parse_data(line)
                records.append(
                    Record(
                        line.seq, line.epoch, line.ts, line.type, data, self.offset, len(text) + 1, line.crc
                    )
                )
        except BadLineError as error:
            self._damage(name, str(error))
            return False
        if line.seq == self.after:
            self.after_crc = line.crc
        if b'"requestId":"' in line.data:
            self.requests.update(found.decode() for found in _REQUEST_ID.findall(line.data))
        self.last_seq, self.last_epoch, self.last_type = line.seq, line.epoch, line.type
        self.offset += len(text) + 1
        self.lines += 1
        return True

    def _check_order(self, line: Line) -> None:
        if line.seq != self.last_seq + 1:
            kind = "repeats or goes back" if line.seq <= self.last_seq else "leaves a gap"
            raise BadLineError(f"record {line.seq} {kind} after {self.last_seq}")
        if line.epoch < self.last_epoch:
            raise BadLineError(f"epoch {line.epoch} after epoch {self.last_epoch}: a former owner wrote it")

    def _damage(self, name: str, reason: str) -> None:
        self.problems.append(Damage(name, self.lines + 1, self.offset, reason))


class JournalWriter:
    """The owner's end of the journal."""

    def __init__(self, reader: JournalReader, epoch: int) -> None:
        """Continue after what ``reader`` has read to the end, as owner ``epoch``; a torn tail is set aside first.

        Raises ``store_corrupt`` (damage), ``locked`` (another writer is in the middle of an append) or I/O errors.
        """
        self.directory = reader.directory
        self.epoch = epoch
        self.segment_size = SEGMENT_SIZE
        self.torn: Path | None = None
        """Where the torn tail went, if there was one."""
        if reader.problems:
            raise reader.problems[0].error()
        self._file = AppendFile(self.directory.journal, "journal")
        try:
            with FileLock(self._file.fd, self.directory.id):
                self._take_over(reader)
        except BaseException:
            self._file.close()
            raise
        self.last_seq = reader.last_seq
        self._segment = reader.segment
        self._kept: bytearray | None = None
        """What the live segment must hold, while it is watched."""

    def _take_over(self, reader: JournalReader) -> None:
        if self._file.length != reader.offset + reader.fragment or self._file.length < reader.offset:
            raise MissionError(
                "locked", f"{self.directory.id} is being written by another process.", "Try again."
            )
        if not reader.fragment:
            return
        tail = os.pread(self._file.fd, reader.fragment, reader.offset)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        self.torn = self.directory.path / f"event-log.torn-{stamp}"
        atomic_write(self.torn, tail, "torn")
        self._file.truncate(reader.offset)
        reader.fragment = 0

    def append(self, type: str, data: dict[str, Any], ts: str | None = None) -> Record:
        """Append one record; it is durable when this returns, and not there when this raises."""
        return self.append_all([(type, data)], ts)[0]

    def append_all(self, events: Sequence[tuple[str, dict[str, Any]]], ts: str | None = None) -> list[Record]:
        """Append several records of the same moment with one write and one fsync: all of them or none."""
        ts = ts or utc_now()
        lines = [
            encode(self.last_seq + 1 + number, self.epoch, ts, type, data)
            for number, (type, data) in enumerate(events)
        ]
        content = b"".join(lines)
        if self._file.length and self._file.length + len(content) > self.segment_size:
            self._close_segment()
        # The short lock makes check and write one step against a former owner that wakes up in between.
        with FileLock(self._file.fd, self.directory.id):
            self._file.check()
            offset = self._file.append(content)
        if self._kept is not None:
            self._kept += content
        records: list[Record] = []
        for (type, data), line in zip(events, lines, strict=True):
            self.last_seq += 1
            crc = line[-11:-3].decode()
            records.append(Record(self.last_seq, self.epoch, ts, type, data, offset, len(line), crc))
            offset += len(line)
        return records

    def _close_segment(self) -> None:
        with FileLock(self._file.fd, self.directory.id):
            self._file.check()
            rename(self.directory.journal, self.directory.segment(self._segment), "journal")
        self._file.close()
        self._segment += 1
        self._file = AppendFile(self.directory.journal, "journal")
        if self._kept is not None:
            self._kept = bytearray()

    def watch(self) -> None:
        """Remember the live segment byte for byte, so that :meth:`mend` can put it right."""
        self._kept = bytearray(os.pread(self._file.fd, self._file.length, 0))

    def intact(self) -> bool:
        """Whether the live segment is what it was at :meth:`watch`, with what was appended here since."""
        if self._kept is None:
            return True
        try:
            self._file.check()
        except MissionError:
            return False
        return os.pread(self._file.fd, self._file.length, 0) == bytes(self._kept)

    def mend(self) -> Path | None:
        """Put the live segment back to what was written here; what somebody else made of it is set aside.

        Returns where that went, ``None`` if nothing was wrong or the segment is not watched.
        """
        if self._kept is None or self.intact():
            return None
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        aside = self.directory.path / f"event-log.foreign-{stamp}"
        fd = _open_or_none(self.directory.journal)
        found = b""
        if fd is not None:
            found = os.pread(fd, os.fstat(fd).st_size, 0)
            os.close(fd)
        atomic_write(aside, found, "torn")
        self._file.close()
        atomic_write(self.directory.journal, bytes(self._kept), "torn")
        self._file = AppendFile(self.directory.journal, "journal")
        return aside

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()


_E = TypeVar("_E", bound=Event)


def events_of(directory: MissionDir, *kinds: type[_E]) -> Iterator[tuple[Record, _E]]:
    """The events of these kinds that a mission's journal holds, oldest first, each with its record.

    Raises ``store_corrupt`` where the data of one is impossible: a whole record may still be of another version, or forged.
    """
    wanted = {kind.type for kind in kinds}
    for record in JournalReader(directory).read_new():
        if record.type in wanted:
            yield record, cast("_E", parse_event(record.type, record.data))


def utc_now() -> str:
    """The time as records carry it."""
    second, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_second(second)}.{milliseconds:03}Z"


@functools.lru_cache(maxsize=1)
def _second(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().removesuffix("+00:00")


def _open_or_none(path: Path) -> int | None:
    try:
        return os.open(path, _OPEN)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise failure(error, path, "read") from error
