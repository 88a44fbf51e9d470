"""A picture of what a command shows in a terminal: ``terminal.py OUT.svg TITLE COMMAND [ARGUMENT...]``.

The command runs in a real terminal of fixed size (tmux, with a server of its own), so that redrawn lines look as they
do to a person; the picture is an SVG of text with no address in it. It never shows a user's own missions: the store is a
temporary one.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.ansi import AnsiDecoder
from rich.console import Console
from rich.text import Text

COLUMNS = 110
LINES = 44


def screen(command: list[str], folder: Path) -> list[str]:
    """The lines, with colours, that the command has left on the screen and above it."""
    tmux = ["tmux", "-L", folder.name, "-f", os.devnull]
    env = {key: value for key, value in os.environ.items() if not key.startswith(("TMUX", "MISSIONS_"))}
    env.update(
        MISSIONS_HOME=str(folder / "store"),
        LC_ALL="C.UTF-8",
        SHELL="/bin/sh",
        COLORTERM="truecolor",
        TERM="tmux-256color",
    )
    status = folder / "status"
    # The pane stays until the screen was read; a channel says when the command has ended.
    line = f"{shlex.join(command)}; echo $? > {shlex.quote(str(status))}; {shlex.join([*tmux, 'wait-for', '-S', 'ended'])}; sleep 3600"
    size = ["-x", str(COLUMNS), "-y", str(LINES)]
    try:
        subprocess.run([*tmux, "new-session", "-d", *size, line], env=env, check=True, timeout=30)
        subprocess.run([*tmux, "wait-for", "ended"], env=env, check=True, timeout=600)
        captured = subprocess.run(
            [*tmux, "capture-pane", "-e", "-N", "-p", "-S", "-"],
            env=env,
            check=True,
            timeout=30,
            capture_output=True,
            text=True,
        )
    finally:
        subprocess.run([*tmux, "kill-server"], env=env, check=False, timeout=30, stderr=subprocess.DEVNULL)
    code = status.read_text(encoding="ascii").strip()
    if code != "0":
        raise SystemExit(f"{shlex.join(command)} ended with {code}:\n{captured.stdout.rstrip()}")
    return captured.stdout.rstrip().splitlines()


def svg(lines: list[str], title: str) -> str:
    console = Console(
        width=COLUMNS, record=True, file=io.StringIO(), color_system="truecolor", force_terminal=True
    )
    # One decoder for all lines: tmux does not repeat a style that goes on in the next line.
    for text in AnsiDecoder().decode("\n".join(lines)):
        text.rstrip()
        console.print(text if text else Text(" "), no_wrap=True, crop=True)
    console.print()  # rich cuts the feet of its last line
    picture = console.export_svg(title=title, unique_id="terminal")
    # The fonts that rich names live on other people's servers; every reader has a monospace of their own.
    picture = re.sub(r"@font-face \{.*?\}|<!--.*?-->", "", picture, flags=re.DOTALL)
    return picture.replace("Fira Code", "ui-monospace, Menlo, Consolas")


def main() -> None:
    out, title, *command = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="picture-") as folder:
        Path(out).write_text(svg(screen(command, Path(folder)), title), encoding="utf-8")


if __name__ == "__main__":
    main()
