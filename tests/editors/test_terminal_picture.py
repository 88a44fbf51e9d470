"""Pictures of terminals are made from what a real terminal shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from support.editors import ROOT

PICTURE = ROOT / "docs/pictures/terminal.py"


def picture(out: Path, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PICTURE), str(out), "a title", "sh", "-c", command],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_picture_shows_the_last_state_of_a_redrawn_line_in_its_colour_and_names_no_server(
    tmp_path: Path,
) -> None:
    done = picture(tmp_path / "a.svg", r"printf 'half done\r\033[32mall done \033[0m\n'")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "a.svg").read_text(encoding="utf-8").replace("&#160;", " ")
    assert "all done" in text
    assert "half" not in text
    assert "a title" in text
    addresses = {part.split('"')[0] for part in text.split("http")[1:]}
    assert addresses == {"://www.w3.org/2000/svg"}
    assert ElementTree.fromstring(text).tag.endswith("svg")


def test_the_same_output_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        assert picture(tmp_path / name, "echo one; echo two").returncode == 0
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_command_that_fails_makes_no_picture_and_its_output_is_shown(tmp_path: Path) -> None:
    done = picture(tmp_path / "a.svg", "echo it broke; exit 3")
    assert done.returncode == 1
    assert "it broke" in done.stderr
    assert "ended with 3" in done.stderr
    assert not (tmp_path / "a.svg").exists()
