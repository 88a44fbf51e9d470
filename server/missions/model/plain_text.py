"""Untrusted text made safe to show, and what makes a text hostile.

Titles, messages and plans come from models and strangers. Every face passes them through :func:`one_line` or
:func:`many_lines` before a terminal or an editor sees them. Nothing here judges meaning.
"""

from __future__ import annotations

import re
import unicodedata

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"  # OSC and its kin: links, clipboard
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_BIDI = r"\u202a-\u202e\u2066-\u2069"
_SMUGGLED = r"\ud800-\udfff\ufff9-\ufffb\U000e0000-\U000e007f"
_INVISIBLE = r"\u00ad\u061c\u180e\u200b\u200e\u200f\u2060-\u2064\ufeff"
_HOSTILE = re.compile(f"[{_CONTROL}{_BIDI}{_SMUGGLED}]")
_UNSEEN = re.compile(f"[{_INVISIBLE}]")
_BREAKS = re.compile(r"[\s\u2028\u2029]+")


def hostile_character(text: str) -> str | None:
    """Name of the first character that can deceive a terminal or a reader (``ESC``, ``U+202E``); None if clean.

    Tab, line feed and carriage return are fine; zero-width joiners are fine, because scripts and emoji need them.
    """
    found = _HOSTILE.search(text)
    if found is None:
        return None
    code = ord(found.group())
    return "ESC" if code == 0x1B else f"U+{code:04X}"


def invisible_character(text: str) -> str | None:
    """Name of the first invisible but mostly harmless character (zero-width space, soft hyphen); None if none."""
    found = _UNSEEN.search(text)
    return f"U+{ord(found.group()):04X}" if found else None


def columns(text: str) -> int:
    """Terminal columns of a line: wide characters count two, combining marks none."""
    return len(text) if text.isascii() else sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def one_line(text: str, width: int = 200) -> str:
    """``text`` as one clean line of at most ``width`` columns; longer text is cut with an ellipsis."""
    clean = _BREAKS.sub(" ", _strip(text[: width * 50])).strip()
    if columns(clean) <= width:
        return clean
    kept, used = "", 0
    for character in clean:
        used += _columns(character)
        if used > width - 1:
            break
        kept += character
    return kept.rstrip() + "…"


def many_lines(text: str, limit: int = 8000) -> str:
    """``text`` with its lines and tabs but without anything hostile, at most ``limit`` characters."""
    clean = _strip(text[: limit * 2]).replace("\r\n", "\n").replace("\r", "\n")
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def _strip(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text  # nearly every title; lists hold thousands of them
    return _UNSEEN.sub("", _HOSTILE.sub("", _ESCAPES.sub("", text)))
