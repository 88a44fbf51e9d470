"""One journal record as one line of ASCII: encoding, decoding, checksum.

``{"seq":…,"epoch":…,"ts":"…","type":"…","data":{…},"crc":"8 hex"}`` and a newline, at most 64 KB. ``crc`` is the CRC-32 of
the line without ``,"crc":"…"``. Pure: no files here.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass
from typing import Any, cast

from missions.model.errors import MissionError

MAX_RECORD = 64 * 1024
"""Bytes of a line, newline included. Larger content is a blob that the record names."""

_START = re.compile(
    rb'\{"seq":([1-9][0-9]{0,17}),"epoch":([1-9][0-9]{0,17}),"ts":"([0-9TZ:.+-]{20,32})","type":"([a-z][a-z0-9_]{0,79})",'
    rb'"data":(?=\{)'
)
_ENCODE = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode
_CRC_FIELD = len(b',"crc":"00000000"}')


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the journal and where it lies."""

    seq: int
    epoch: int
    ts: str
    """ISO-8601 UTC with milliseconds and ``Z``."""
    type: str
    data: dict[str, Any]
    offset: int
    """Bytes before it in its segment."""
    length: int
    """Bytes of its line, newline included."""
    crc: str


@dataclass(frozen=True, slots=True)
class Line:
    """The envelope of a line whose checksum is right; ``data`` is not parsed yet."""

    seq: int
    epoch: int
    ts: str
    type: str
    data: bytes
    crc: str


class BadLineError(Exception):
    """A line that is no record; the text says why."""


def encode(seq: int, epoch: int, ts: str, type: str, data: dict[str, Any]) -> bytes:
    """The line of a record, newline included; ``bad_argument`` if it is too long or not JSON."""
    try:
        body = _ENCODE(data)
    except (TypeError, ValueError) as error:
        raise MissionError("bad_argument", f"The data of a {type} event is not JSON: {error}.") from error
    start = f'{{"seq":{seq},"epoch":{epoch},"ts":"{ts}","type":"{type}","data":{body}'.encode("ascii")
    line = b'%b,"crc":"%08x"}\n' % (start, zlib.crc32(start + b"}"))
    if len(line) > MAX_RECORD:
        raise MissionError(
            "bad_argument",
            f"A {type} event of {len(line)} bytes is larger than a record may be ({MAX_RECORD}).",
            "Large content belongs into a blob that the event names.",
        )
    return line


def decode(line: bytes) -> Line:
    """The envelope of ``line`` (without its newline); raises :class:`BadLineError`."""
    found = _START.match(line)
    end = len(line) - _CRC_FIELD
    if (
        found is None
        or line[end : end + 8] != b',"crc":"'
        or not line.endswith(b'"}')
        or len(line) >= MAX_RECORD
    ):
        raise BadLineError(_why(line))
    crc = line[end + 8 : -2]
    if b"%08x" % zlib.crc32(line[:end] + b"}") != crc:
        raise BadLineError("its checksum is wrong")
    seq, epoch, ts, kind = found.groups()
    return Line(int(seq), int(epoch), ts.decode(), kind.decode(), line[found.end() : end], crc.decode())


def parse_data(line: Line) -> dict[str, Any]:
    """The ``data`` of a line; raises :class:`BadLineError`."""
    try:
        data: Any = json.loads(line.data.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise BadLineError(f"its data is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise BadLineError("its data is not an object")
    return cast(dict[str, Any], data)


def _why(line: bytes) -> str:
    if b"\0" in line:
        return f"it holds {line.count(0)} NUL bytes"
    if len(line) >= MAX_RECORD:
        return f"it is longer than {MAX_RECORD} bytes"
    return "it is empty" if not line else "it is not a record"
