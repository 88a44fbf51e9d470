"""Output of programs as text for a model: cleaned, and cut to a head and a tail.

Pure functions on bytes and text. Nothing here reads a process or writes a file.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

HEAD_BYTES = 8_000
TAIL_BYTES = 22_000
LONGEST_LINE = 2_000
"""Characters."""

_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # operating system commands: titles, links, clipboard
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # device control and other strings
    r"|\x1b\[[0-?]*[ -/]*[@-~]?"  # colours, cursor
    r"|\x1b[ -/]*[0-~]?"
    r"|\x9b[0-?]*[ -/]*[@-~]?"
)
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_BINARY_SAMPLE = 8_192


@dataclass(frozen=True)
class Excerpt:
    """What is shown of a text, and how much there is."""

    text: str
    cut: bool
    total_bytes: int
    total_lines: int


def is_binary(data: bytes) -> bool:
    """Whether the bytes are no text: a NUL near the beginning."""
    return b"\0" in data[:_BINARY_SAMPLE]


def describe_binary(data: bytes, total: int | None = None) -> str:
    """One line for content that cannot be shown."""
    size = len(data) if total is None else total
    return f"binary output, {size} bytes, sha256 {hashlib.sha256(data).hexdigest()}"


def clean(data: bytes) -> str:
    """The text without escape sequences, control and direction characters; progress lines collapsed to their last state."""
    text = data.decode("utf-8", errors="replace")
    text = _ESCAPES.sub("", text).replace("\r\n", "\n")
    if "\r" in text:
        text = "\n".join(_last_state(line) for line in text.split("\n"))
    text = _apply_backspaces(text) if "\b" in text else text
    return _CONTROLS.sub("", text)


def _last_state(line: str) -> str:
    if "\r" not in line:
        return line
    states = [state for state in line.split("\r") if state]
    return states[-1] if states else ""


def _apply_backspaces(text: str) -> str:
    kept: list[str] = []
    for character in text:
        if character != "\b":
            kept.append(character)
        elif kept and kept[-1] != "\n":
            kept.pop()
    return "".join(kept)


def excerpt(text: str, where_rest: str = "", head: int = HEAD_BYTES, tail: int = TAIL_BYTES) -> Excerpt:
    """Head and tail of a text (bytes of UTF-8), long lines cut; ``where_rest`` says where all of it is."""
    total_bytes = len(text.encode("utf-8", errors="replace"))
    total_lines = text.count("\n") + (0 if text.endswith("\n") or not text else 1)
    lines = text.split("\n")
    long_lines = sum(1 for line in lines if len(line) > LONGEST_LINE)
    if long_lines:
        text = "\n".join(_shorten(line) for line in lines)
    shown = text.encode("utf-8", errors="replace")
    if len(shown) <= head + tail:
        if long_lines and where_rest:
            text += (
                f"\n[{long_lines} lines were longer than {LONGEST_LINE} characters and are cut; {where_rest}]"
            )
        return Excerpt(text, bool(long_lines), total_bytes, total_lines)
    first = _whole_lines_of_head(shown[:head].decode("utf-8", errors="ignore"))
    last = _whole_lines_of_tail(shown[-tail:].decode("utf-8", errors="ignore"))
    missing = total_lines - first.count("\n") - last.count("\n") - (0 if last.endswith("\n") else 1)
    notice = f"[… {max(missing, 0)} of {total_lines} lines ({total_bytes} bytes in all) are not shown"
    notice += f"; {where_rest} …]" if where_rest else " …]"
    return Excerpt(f"{first.rstrip()}\n{notice}\n{last}", True, total_bytes, total_lines)


def _shorten(line: str) -> str:
    return (
        line
        if len(line) <= LONGEST_LINE
        else f"{line[:LONGEST_LINE]} [… {len(line) - LONGEST_LINE} characters]"
    )


def _whole_lines_of_head(text: str) -> str:
    end = text.rfind("\n")
    return text[: end + 1] if end > len(text) // 2 else text


def _whole_lines_of_tail(text: str) -> str:
    start = text.find("\n")
    return text[start + 1 :] if 0 <= start < len(text) // 2 else text
