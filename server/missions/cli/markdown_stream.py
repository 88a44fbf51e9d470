"""An answer as it streams, drawn as markdown: paragraphs that are finished stay, the last one is drawn anew.

Only the end of a text is redrawn, so that an answer longer than the screen scrolls away like any other output. Words are
shown without anything that could deceive a terminal. It knows nothing of missions.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown
from rich.text import Text

from missions.cli.answering import Notes, wait_line
from missions.model.plain_text import many_lines

_EVERY = 0.08
"""Seconds between two drawings."""
_LONGEST = 200_000
_FENCES = ("```", "~~~")


class MarkdownStream(AbstractContextManager["MarkdownStream"]):
    """An observer (``agent.tool.Observer``) that draws on a console while it is entered."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop")
        self._notes = Notes()
        self._rest = ""
        """What is not finished yet."""
        self._drawn = 0.0

    def __enter__(self) -> MarkdownStream:
        self._live.__enter__()
        self._live.update(Text("…", style="dim"), refresh=True)
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._finish()
            self._live.update(Text(""), refresh=True)
        finally:
            self._live.__exit__(None, None, None)

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """Draw what a reader wants to see."""
        line = self._notes.line(kind, data)
        if kind == "text":
            self._rest = (self._rest + str(data.get("text", "")))[-_LONGEST:]
            self._draw()
            return
        if kind == "retry_wait":
            self._finish()
            self._live.update(Text(wait_line(data), style="dim"), refresh=True)
        elif line is not None:
            self._finish()
            self._console.print(Text(line, style="dim"))
        elif kind == "turn":
            self._finish()

    def _draw(self) -> None:
        done, self._rest = finished(self._rest)
        if done:
            self._print(done)
        now = time.monotonic()
        if done or now - self._drawn >= _EVERY:
            self._drawn = now
            self._live.update(_markdown(self._rest), refresh=True)

    def _finish(self) -> None:
        if self._rest.strip():
            self._print(self._rest)
        self._rest = ""
        self._live.update(Text("…", style="dim"), refresh=True)

    def _print(self, text: str) -> None:
        # Taken off first: what is printed stands above the part that is drawn anew.
        self._live.update(Text(""), refresh=False)
        self._console.print(_markdown(text))


def _markdown(text: str) -> Markdown:
    # Targets of links are shown: a word must not hide where it leads.
    return Markdown(many_lines(text, _LONGEST), hyperlinks=False)


def finished(text: str) -> tuple[str, str]:
    """``text`` in two: whole paragraphs and blocks that no further piece changes, and the rest."""
    end, place, fence = 0, 0, ""
    for line in text.splitlines(keepends=True):
        mark = line.strip()[:3]
        if fence:
            fence = "" if mark == fence else fence
        elif mark in _FENCES:
            fence = mark
        elif not line.strip() and line.endswith("\n") and text[place + len(line) :].strip():
            # An indented line goes on with a list; only what stands at the margin is new.
            following = text[place + len(line) :]
            if following[:1] not in (" ", "\t"):
                end = place + len(line)
        place += len(line)
    return text[:end], text[end:]
