"""Neovim in a real terminal, with keys typed as a person types them; and the picture of it for the documentation."""

from __future__ import annotations

import importlib.util
import os
import shlex
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from missions.simulator import Playbook
from missions.simulator.demo import demo_plan, demo_playbook, make_repository
from missions.simulator.scripts import playbook_for, recovery_rule
from support.editors import ROOT, World, program
from support.engine import plan_of
from support.neovim_plugin import PLUGIN
from support.neovim_project import Project
from support.waiting import until

COLUMNS, LINES = 110, 34


class Terminal:
    """A Neovim with the plugin in a terminal of fixed size, with a tmux server of its own."""

    def __init__(self, world: World, project: Project) -> None:
        self.world = world
        self._tmux = ["tmux", "-L", world.mark, "-f", os.devnull]
        self._environment = world.environment(
            **project.environment, SHELL="/bin/sh", COLORTERM="truecolor", TERM="tmux-256color"
        )

    def start(self, *arguments: str, lines: int = LINES) -> None:
        command = [
            program("nvim"),
            *("--clean", "-n"),
            *("--cmd", f"set runtimepath^={PLUGIN} termguicolors laststatus=3 shortmess+=I"),
            *("-c", "set statusline=%t%=%{v:lua.require'missions'.statusline()}\\ "),
            *arguments,
        ]
        size = ["-x", str(COLUMNS), "-y", str(lines), "-c", str(self.world.workspace)]
        self._run("new-session", "-d", *size, "exec " + shlex.join(command))

    def _run(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            [*self._tmux, *arguments],
            env=self._environment,
            check=check,
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done.stdout

    def type(self, *keys: str) -> None:
        """Words are typed as they are; names such as ``Enter`` are keys."""
        self._run("send-keys", *keys)

    def screen(self) -> str:
        return self._run("capture-pane", "-p", check=False)

    def coloured(self) -> list[str]:
        return self._run("capture-pane", "-e", "-N", "-p").rstrip("\n").splitlines()

    def wait_for(self, text: str, deadline: float = 60.0) -> None:
        try:
            until(lambda: text in self.screen(), deadline)
        except AssertionError:
            raise AssertionError(f"no {text!r} on the screen:\n{self.screen()}") from None

    def gone(self) -> bool:
        return not self._run("list-sessions", check=False)

    def end(self) -> None:
        subprocess.run(
            [*self._tmux, "kill-server"], env=self._environment, check=False, capture_output=True, timeout=30
        )


@pytest.fixture
def terminals(world: World) -> Generator[Any]:
    made: list[Terminal] = []

    def make(project: Project) -> Terminal:
        terminal = Terminal(world, project)
        made.append(terminal)
        return terminal

    yield make
    for terminal in made:
        terminal.end()


def test_a_person_plans_runs_and_follows_a_mission_by_typing(world: World, terminals: Any) -> None:
    project = Project(world)
    plan = plan_of({"M1": ["F1", "F2"]})
    mission = project.save(plan)
    with project.serving(project.with_waiting(playbook_for(plan), "F1")):
        terminal = terminals(project)
        terminal.start("README.md")
        terminal.wait_for("hello")
        terminal.type(":Miss", "Tab", " ru", "Tab", "Enter")
        # The menu is Neovim's own: numbers, and the answer is typed.
        terminal.wait_for("2: Cancel")
        assert "units on branch" in " ".join(terminal.screen().split())
        terminal.type("1", "Enter")
        terminal.wait_for("closing the editor does not stop it")
        project.reached()
        terminal.type(":Missions", "Enter")
        terminal.wait_for("worker F1")
        terminal.type("/Put", "Enter", "Tab")
        terminal.wait_for("F2 Piece F2")
        terminal.type("K")
        terminal.wait_for(mission)
        # The details go with the next move; the panel has kept the focus.
        terminal.type("j", "k", "Enter")
        terminal.wait_for("# Put the pieces in place")
        project.let_go()
        terminal.wait_for("Completed  1")
        terminal.type(":qa", "Enter")
        until(terminal.gone, 20, "the end of the terminal")
    world.assert_nothing_left()


def test_a_question_that_comes_while_somebody_types_does_not_take_their_keys(
    world: World, terminals: Any
) -> None:
    project = Project(world)
    plan = plan_of({"M1": ["F1", "F2"]})
    mission = project.save(plan)
    asks = recovery_rule(
        "ask-user",
        when={"attempt": 1},
        question="Which name shall the piece have?",
        options=[
            {"id": "ada", "label": "Ada", "consequence": "It is called Ada."},
            {"id": "bob", "label": "Bob", "consequence": "It is called Bob."},
        ],
    )
    leaves = recovery_rule("leave-blocked", when={"first": r"\bBob\b"})
    playbook = playbook_for(plan, deviations={"F2": "blocked"}, recovery=[leaves, asks])
    with project.serving(project.with_waiting(playbook, "F1")):
        terminal = terminals(project)
        terminal.start("README.md")
        terminal.wait_for("hello")
        terminal.type(":Missions run", "Enter")
        terminal.wait_for("2: Cancel")
        terminal.type("1", "Enter")
        terminal.wait_for("closing the editor does not stop it")
        project.reached()
        terminal.type(":new", "Enter", "i1 2 1 2 ")
        terminal.wait_for("1 2 1 2")
        project.let_go()
        # The status line shows it for as long as it waits; the message is gone with the next key.
        terminal.wait_for("! mission: blocked")
        until(lambda: project.mission(mission).decisions, 20, "the question")
        assert "Press ENTER" not in terminal.screen()
        terminal.type("and more")
        terminal.type("Enter", "the end")
        terminal.wait_for("the end")
        assert "1 2 1 2 and more" in terminal.screen()
        terminal.type("Escape")
        terminal.type(":messages", "Enter")
        terminal.wait_for("Which name shall the piece have?  :Missions decide")
        terminal.type("Escape")
        terminal.type(":Missions decide", "Enter")
        terminal.wait_for("2: Bob")
        terminal.type("2", "Enter")
        terminal.wait_for("The question is answered")
        until(lambda: not project.mission(mission).decisions, 20, "the answered question")
        until(lambda: not project.control().runner_alive(mission), 60, "the end of the runner")
        terminal.type(":qa!", "Enter")
        until(terminal.gone, 20, "the end of the terminal")


def _picture_of(lines: list[str], title: str) -> str:
    where = ROOT / "docs/pictures/terminal.py"
    spec = importlib.util.spec_from_file_location("terminal_pictures", where)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.svg(lines, title)


def test_the_picture_shows_mission_control_beside_the_defect(
    world: World, terminals: Any, tmp_path: Path
) -> None:
    make_repository(world.workspace)
    project = Project(world, repository=False)
    project.save(demo_plan())
    leaves: list[Any] = [recovery_rule("leave-blocked")]
    playbook: Playbook = demo_playbook().preceded_by(leaves)
    with project.serving(playbook):
        terminal = terminals(project)
        look = ["set number signcolumn=yes nohlsearch", "highlight Normal guibg=NONE"]
        terminal.start(*(part for command in look for part in ("-c", command)), lines=24)
        terminal.type(":Missions run", "Enter")
        terminal.wait_for("2: Cancel")
        terminal.type("1", "Enter")
        terminal.wait_for("closing the editor does not stop it")
        terminal.type(":Missions", "Enter")
        terminal.wait_for("Blocked / Failed  1", 120)
        terminal.type("/Make tally", "Enter", "Tab")
        terminal.wait_for("M1 Measures")
        terminal.type("/M1 Measures", "Enter", "Tab")
        until(lambda: "scrutiny, attempt 1" in terminal.screen() or terminal.type("Tab"), 20, "the milestone")
        terminal.type(":wincmd p | edit tally/sentences.py", "Enter")
        terminal.type(":lua vim.diagnostic.config({ virtual_lines = true })", "Enter")
        terminal.wait_for("def count_sentences")
        terminal.type(":8 | redraw | echo", "Enter")
        terminal.wait_for("defect: A run of closing marks")
        assert "Press ENTER" not in terminal.screen()
        lines = terminal.coloured()
        terminal.type(":qa!", "Enter")
        until(terminal.gone, 20, "the end of the terminal")
    picture = _picture_of(lines, "Missions in Neovim")
    assert "Mission&#160;Control" in picture
    folder = Path(os.environ.get("MISSIONS_PICTURES") or tmp_path)
    (folder / "neovim.svg").write_text(picture, encoding="utf-8")
