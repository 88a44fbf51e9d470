"""A terminal with a person before it: types, presses keys and reads the screen (tmux, with a server of its own).

It knows nothing of missions, and ends only the server that it started.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.waiting import until

COLUMNS, LINES = 100, 40


class Terminal:
    """One command in one window; the window stays when the command has ended."""

    def __init__(self, command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> None:
        self._tmux = ["tmux", "-L", f"missions-{secrets.token_hex(4)}", "-f", os.devnull]
        env = {**environment, "TERM": "screen-256color", "SHELL": "/bin/sh", "LC_ALL": "C.UTF-8"}
        line = f"{shlex.join(command)}; echo ended with $?; exec sleep 3600"
        size = ["-x", str(COLUMNS), "-y", str(LINES)]
        self._run("new-session", "-d", *size, line, cwd=cwd, env=env)
        self._run("set-option", "-g", "history-limit", "5000")

    def _run(self, *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
        done = subprocess.run(
            [*self._tmux, *arguments],
            cwd=cwd,
            env=env,
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done.stdout

    def type(self, text: str) -> None:
        """Type ``text`` as it is, without Enter."""
        self._run("send-keys", "-l", "--", text)

    def press(self, *keys: str) -> None:
        """Press keys by their tmux names: ``Enter``, ``C-c``, ``M-Enter``, ``Tab``, ``Up``."""
        self._run("send-keys", *keys)

    def say(self, text: str) -> None:
        """Type ``text`` and press Enter."""
        self.type(text)
        self.press("Enter")

    def screen(self) -> str:
        """Everything that is on the screen and above it, without colours."""
        return self._run("capture-pane", "-p", "-J", "-S", "-")

    def styled(self) -> str:
        """The same with its colours, as escape sequences."""
        return self._run("capture-pane", "-e", "-p", "-J", "-S", "-")

    def shows(self, pattern: str, deadline: float = 40.0) -> str:
        """Wait until the screen matches the regular expression, and return it."""

        def seen() -> str:
            text = self.screen()
            return text if re.search(pattern, text, re.M) else ""

        try:
            return until(seen, deadline, f"{pattern!r} on the screen")
        except AssertionError as error:
            raise AssertionError(f"{error}; it shows:\n{self.screen().rstrip()}") from None

    def ready(self) -> None:
        """Wait until the last thing above the status line is an empty prompt."""
        self.shows(r"(?s).*\n> *\n\s*[^\n]*\s*\Z")

    def close(self) -> None:
        """End the server and what runs in it."""
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True, timeout=30)
