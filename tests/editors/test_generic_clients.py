"""Editors that know nothing of our extension: problems, commands, questions, progress and documents all the same."""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from missions.simulator import Simulator
from support.editors import ROOT, World, program
from support.engine import World as Engine
from support.standing_missions import failed_validation
from support.waiting import until


@pytest.fixture
def failed(world: World, tmp_path: Path) -> Engine:
    """A mission whose validation of M1 found a defect in README.md."""
    return failed_validation(tmp_path / "failed")


@pytest.fixture
def environment(world: World, failed: Engine) -> Generator[dict[str, str]]:
    """Where the mission and its simulated model are."""
    with Simulator(failed.playbook()) as url:
        yield world.environment(
            MISSIONS_HOME=str(failed.store.root),
            MISSIONS_BASE_URL=url,
            ANTHROPIC_API_KEY="sk-ant-no-key-for-the-simulator",
            MISSION=failed.id,
            MISSION_FILE=str(failed.root / "README.md"),
        )


def test_emacs_shows_and_drives_a_mission_with_eglot_alone(
    world: World, failed: Engine, environment: dict[str, str]
) -> None:
    done = subprocess.run(
        [program("emacs"), "-Q", "--batch", "-l", str(ROOT / "tests/editors/eglot_mission.el")],
        check=False,
        env=environment,
        cwd=failed.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
    )
    said = done.stderr
    assert done.returncode == 0, said
    assert "CONNECTED missions" in said
    assert "[defect]: Something is missing (major defect D1)" in said, said
    assert "ACTION Turn D1 into a repair feature" in said
    assert "ACTION Waive D1: false alarm" in said
    assert "DOCUMENT # Put the pieces in place" in said
    assert "ASKED confirmation_needed" in said
    assert "PROGRESS begin" in said
    assert "STATUS complete" in said
    assert "FINISHED" in said
    world.assert_nothing_left()


_LANGUAGES = """
[language-server.missions]
command = "missions"
args = ["lsp"]

[[language]]
name = "markdown"
language-servers = ["missions"]
"""


class Helix:
    """A real Helix in a terminal of its own."""

    def __init__(self, world: World, environment: dict[str, str], file: Path) -> None:
        self._tmux = ["tmux", "-L", world.mark]
        config = Path(environment["XDG_CONFIG_HOME"]) / "helix"
        config.mkdir(parents=True)
        (config / "languages.toml").write_text(_LANGUAGES)
        (config / "config.toml").write_text('[editor]\nend-of-line-diagnostics = "hint"\n')
        self._environment = environment
        # Helix takes the repository that it is started in as the folder of its window.
        place = ("-c", str(file.parent), "-x", "160", "-y", "40")
        self._call("-f", "/dev/null", "new-session", "-d", *place, f"exec {program('hx')} {file}")

    def _call(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._tmux, *arguments],
            check=True,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done.stdout

    def screen(self) -> str:
        return self._call("capture-pane", "-p")

    def shows(self, text: str) -> None:
        try:
            until(lambda: text in self.screen(), 40)
        except AssertionError:
            raise AssertionError(f"{text!r} is not on the screen:\n{self.screen()}") from None

    def hides(self, text: str) -> None:
        until(lambda: text not in self.screen(), 40, f"{text!r} to go")

    def type(self, *keys: str) -> None:
        self._call("send-keys", *keys)

    def command(self, text: str) -> None:
        self.type(":")
        self.shows(":")
        self.type(text, "Enter")

    def end(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True, timeout=30)


@pytest.fixture
def helix(world: World, failed: Engine, environment: dict[str, str]) -> Generator[Helix]:
    editor = Helix(world, environment, failed.root / "README.md")
    try:
        yield editor
    finally:
        editor.end()


def test_helix_shows_problems_runs_commands_and_opens_documents(
    world: World, failed: Engine, helix: Helix
) -> None:
    helix.shows("Something is missing")
    helix.command(
        f'lsp-workspace-command missions.waive {{"mission":"{failed.id}","defect":"D1","reason":"Seen."}}'
    )
    helix.hides("Something is missing")
    assert [waiver.reason for waiver in failed.mission.milestones[0].validationState.waived] == ["Seen."]
    helix.command(f'lsp-workspace-command missions.control {{"mission":"{failed.id}"}}')
    helix.shows("# Put the pieces in place")
    helix.shows("Status: **blocked**")
    helix.end()
    world.assert_nothing_left()
