"""Secrets out of texts before they are written, shown or sent; control characters out of texts before they are shown.

Known are the values of environment variables whose names look secret, and a few shapes that are hardly ever anything
else. Redaction is the last net, not a permission to pass secrets on. It never keeps or reports what it removed.
"""

from __future__ import annotations

import json
import os
import re
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any, cast

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:API_?KEY|ACCESS_?KEY|SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|PWD|CREDENTIALS?|PRIVATE_?KEY|AUTH|DSN|KEY|PAT)"
    r"(?:_|\d|$)",
    re.IGNORECASE,
)
_PLACE_NAME = re.compile(r"(?:_SOCK|_PATH|_FILE|_DIR|_HOME|_ID|_URL|_TYPE|^PWD|^OLDPWD)$", re.IGNORECASE)
_MIN_VALUE = 8
"""Shorter values would blot out ordinary words."""

_NOT_INSIDE = "(?<![A-Za-z0-9]{})"

# Every repetition is bounded, so that no text makes matching slow and no match is longer than what a stream keeps
# back. Each shape begins with its hint, for which a plain search is far quicker than a pattern; the look-behind for
# what stands before it therefore comes after it.
_SHAPES: tuple[tuple[str, str, str], ...] = (
    ("anthropic-key", "sk-ant-", _NOT_INSIDE + r"[A-Za-z0-9_-]{20,400}"),
    ("openai-key", "sk-", _NOT_INSIDE + r"(?:proj-|svcacct-|admin-)?[A-Za-z0-9][A-Za-z0-9_-]{31,400}"),
    ("github-token", "gh", _NOT_INSIDE + r"[pousr]_[A-Za-z0-9]{36,255}"),
    ("github-token", "github_pat_", r"[A-Za-z0-9_]{40,255}"),
    ("gitlab-token", "glpat-", r"[A-Za-z0-9_-]{20,100}"),
    ("aws-key", "AKIA", _NOT_INSIDE + r"[A-Z2-7]{16}(?![A-Za-z0-9])"),
    ("aws-key", "ASIA", _NOT_INSIDE + r"[A-Z2-7]{16}(?![A-Za-z0-9])"),
    ("google-key", "AIza", r"[A-Za-z0-9_-]{35}"),
    ("slack-token", "xox", r"[abeoprs]-[A-Za-z0-9-]{10,250}"),
    ("npm-token", "npm_", _NOT_INSIDE + r"[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
    ("pypi-token", "pypi-AgEI", r"[A-Za-z0-9_-]{50,500}"),
    ("stripe-key", "sk_live_", r"[A-Za-z0-9]{20,250}"),
    ("stripe-key", "rk_live_", r"[A-Za-z0-9]{20,250}"),
    ("jwt", "eyJ", r"[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}"),
    ("bearer", "Bearer ", r"[A-Za-z0-9._~+/-]{20,2000}={0,2}"),
    ("bearer", "bearer ", r"[A-Za-z0-9._~+/-]{20,2000}={0,2}"),
    ("url-password", "://", r"[^\s/:@'\"<>]{1,100}:[^\s/@'\"<>{}$]{3,200}(?=@)"),
    (
        "private-key",
        "-----BEGIN ",
        # Without its end line a key is still a key, so everything that looks like one goes with it.
        r"[A-Z ]{0,30}PRIVATE KEY-----(?:[A-Za-z0-9+/=:,. \t\r\n\\-]{0,16000}?-----END [A-Z ]{0,30}PRIVATE KEY-----"
        r"|[A-Za-z0-9+/=\s\\]{0,16000})",
    ),
)
_HOLD = 512
"""Characters kept back at least: longer than the beginning of any shape that is not yet recognisable."""
_BATCH = 512
"""Characters that are collected beyond that, so that tiny pieces do not each cost a look at everything kept back."""
_LONGEST = 64 * 1024
"""Characters after which a text without any white space is cut anyway."""
_CUT_HOLD = 20_000
"""Kept back at such a cut: longer than any shape."""
_KEY_BEGINS = "-----BEGIN "
_KEY_ENDS = re.compile(r"-----END [A-Z ]{0,30}PRIVATE KEY-----")
_LONGEST_KEY = 16_000
_SPACE = re.compile(r"\s")

_CONTROLS = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, SOS, PM, APC with their text
    r"|\x1b[ -/]*[0-~]?"  # other escapes
    r"|\x9b[0-?]*[ -/]*[@-~]|[\x90\x98\x9d\x9e\x9f][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # the same in C1
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
    r"|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # bidi controls
)


def clean_text(text: str) -> str:
    """``text`` without escape sequences, control characters and bidi controls; tabs and line ends stay (as ``\\n``)."""
    return _CONTROLS.sub("", text.replace("\r\n", "\n")).replace("\r", "\n")


class Redactor:
    """Replaces secrets by ``[redacted:<kind>]``. Immutable; use :meth:`stream` for a text that comes in pieces."""

    def __init__(self, environment: Mapping[str, str] | None = None, values: Iterable[str] = ()) -> None:
        """``environment`` is this process's by default; ``values`` are further secrets (keys from settings)."""
        known: set[str] = set()
        for value in [*secret_values(os.environ if environment is None else environment), *values]:
            if len(value) >= _MIN_VALUE:
                known |= {value, json.dumps(value)[1:-1], urllib.parse.quote(value, safe="")}
        self._known = sorted(known, key=len, reverse=True)
        self._known_pattern = re.compile("|".join(map(re.escape, self._known))) if known else None
        self._shapes = [
            (
                kind,
                hint,
                re.compile(
                    hint + pattern.replace("{}", hint, 1) if _NOT_INSIDE in pattern else hint + pattern
                ),
            )
            for kind, hint, pattern in _SHAPES
        ]
        self.hold = max([_HOLD, *(len(value) + 1 for value in known)])
        """Characters that a stream keeps back at least."""

    def text(self, text: str) -> str:
        """``text`` with every secret replaced."""
        spans = self.spans(text)
        return _replaced(text, spans) if spans else text

    def value(self, value: Any) -> Any:
        """A JSON value with every string in it redacted, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in cast(list[Any], value)]
        if isinstance(value, dict):
            return {
                self.text(str(key)): self.value(item) for key, item in cast(dict[Any, Any], value).items()
            }
        return value

    def stream(self) -> RedactedStream:
        """A redactor for one text that comes in pieces."""
        return RedactedStream(self)

    def spans(self, text: str) -> list[tuple[int, int, str]]:
        """Where the secrets of ``text`` are: ``(start, end, kind)``, sorted, without overlaps."""
        found: list[tuple[int, int, str]] = []
        if self._known_pattern is not None and any(value in text for value in self._known):
            found = [(match.start(), match.end(), "value") for match in self._known_pattern.finditer(text)]
        for kind, hint, pattern in self._shapes:
            if hint in text:
                found += [(match.start(), match.end(), kind) for match in pattern.finditer(text)]
        found.sort()
        merged: list[tuple[int, int, str]] = []
        for start, end, kind in found:
            if merged and start < merged[-1][1]:
                before = merged[-1]
                merged[-1] = (before[0], max(before[1], end), before[2])
            else:
                merged.append((start, end, kind))
        return merged


class RedactedStream:
    """One text in pieces: what is certain comes out of :meth:`feed`, the rest out of :meth:`flush`."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = ""

    def feed(self, piece: str) -> str:
        """Add ``piece``; return what no later piece can turn into a secret."""
        self._held += piece
        if len(self._held) <= self._redactor.hold + _BATCH:
            return ""
        spans = self._redactor.spans(self._held)
        cut = self._cut(spans)
        if cut <= 0:
            return ""
        certain = _replaced(self._held[:cut], [span for span in spans if span[0] < cut])
        self._held = self._held[cut:]
        return certain

    def flush(self) -> str:
        """The rest; the stream is empty then."""
        rest, self._held = self._redactor.text(self._held), ""
        return rest

    def _cut(self, spans: list[tuple[int, int, str]]) -> int:
        """A place behind white space that no secret, also no growing one, lies across; 0 if there is none yet."""
        held = self._held
        cut = len(held) - self._redactor.hold
        key = held.rfind(_KEY_BEGINS)
        if key >= 0 and len(held) - key < _LONGEST_KEY and "PRIVATE KEY-----" in held[key : key + 60]:
            # Its end may still come, and then everything between goes with it.
            cut = cut if _KEY_ENDS.search(held, key) else min(cut, key)
        while cut > 0:
            cut = _behind_space(held, cut)
            across = next(
                (span for span in spans if span[0] < cut and (span[1] > cut or span[1] == len(held))), None
            )
            if across is None:
                break
            cut = across[0]
        if cut > 0 or len(held) < _LONGEST:
            return max(cut, 0)
        cut = len(held) - _CUT_HOLD
        return next((span[0] for span in spans if span[0] < cut < span[1]), cut)


def secret_values(environment: Mapping[str, str]) -> list[str]:
    """The values of the variables whose names look secret; places and short or plain values are left out."""
    return [
        value
        for name, value in environment.items()
        if _SECRET_NAME.search(name)
        and not _PLACE_NAME.search(name)
        and len(value) >= _MIN_VALUE
        and not value.isalpha()
        and not value.startswith(("/", "~", "./"))
    ]


def _behind_space(text: str, limit: int) -> int:
    """The last place at or before ``limit`` that follows white space; 0 if there is none."""
    for start in range(limit, 0, -4096):
        window = text[max(0, start - 4096) : start]
        last = max((match.end() for match in _SPACE.finditer(window)), default=0)
        if last:
            return max(0, start - 4096) + last
    return 0


def _replaced(text: str, spans: list[tuple[int, int, str]]) -> str:
    parts: list[str] = []
    end = 0
    for start, stop, kind in spans:
        parts += [text[end:start], f"[redacted:{kind}]"]
        end = stop
    return "".join([*parts, text[end:]])
