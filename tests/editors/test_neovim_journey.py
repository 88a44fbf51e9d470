"""Whole missions from Neovim: the real server, a real runner and the simulated model."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from missions.simulator import Playbook
from missions.simulator.demo import demo_plan, make_repository
from missions.simulator.scripts import playbook_for
from support.editors import World
from support.engine import plan_of
from support.neovim_plugin import Editor, editor, servers
from support.neovim_project import Project
from support.vscode_mission import AGREED, ANSWER, ASKS, GOAL, QUESTION, REPAIR, playbook
from support.waiting import until

PANEL = "missions-panel:"
RUN = "missions-runner"


def steady(lines: list[str]) -> list[str]:
    """The panel without what differs from run to run: commits, times and costs."""
    return [
        re.sub(r"\$[\d.]+", "$…", re.sub(r"\d+ s\b", "… s", re.sub(r"\b[0-9a-f]{8}\b", "commit", line)))
        for line in lines
    ]


def open_all(vim: Editor, *labels: str) -> None:
    """Unfold nodes of the panel, from the top down."""
    for label in labels:
        vim.wait_for(label, PANEL)
        vim.go_to(label)
        if "▸" in vim.cursor_line():
            vim.keys("<Tab>")
            until(lambda: "▾" in vim.cursor_line(), 20, f"{label} unfolded")


@pytest.mark.timeout(600)
def test_a_mission_goes_from_the_first_word_to_the_last_without_leaving_neovim(
    world: World, tmp_path: Path
) -> None:
    """The journey of VS Code's test, with the same words."""
    make_repository(world.workspace)
    project = Project(world, repository=False)
    with project.serving(playbook(tmp_path)), editor(world, **project.environment) as vim:
        vim.lua(
            """_G.test.progress = {}
            vim.api.nvim_create_autocmd("LspProgress", { callback = function(event)
              table.insert(_G.test.progress, event.data.params.value.kind)
            end })"""
        )
        # Planning in the chat.
        vim.command("Missions")
        vim.command(f"Missions new {GOAL}")
        said = vim.wait_for(ASKS, "missions-chat:", 60)
        assert said.startswith(f"You\n\n{GOAL}\n\nMissions\n")
        until(lambda: "▍" not in vim.text("missions-chat:"), 60, "the end of the answer")
        until(lambda: "missions-prompt:" in vim.buffer_name(), 20, "the prompt")
        vim.keys(f"i{AGREED}<C-s>")
        vim.wait_for("nothing runs yet", "missions-chat:", 60)
        vim.wait_for("Planned  1", PANEL)
        until(lambda: "▍" not in vim.text("missions-chat:"), 60, "the end of the answer")
        vim.keys("q")
        # The plan can be looked at before anything runs.
        until(lambda: PANEL not in vim.buffer_name(), 20, "the closed chat")
        vim.command("Missions")
        open_all(vim, "Make tally", "Documents")
        vim.wait_for("Validation contract", PANEL)
        vim.go_to("≡ Plan")
        vim.keys("<CR>")
        until(lambda: vim.buffer_name().endswith("plan/features.json"), 20, "the plan file")
        assert "Most frequent words" in vim.text()
        # Nothing starts without a yes that names what will happen.
        vim.command("Missions run")
        until(vim.asked, 60, "the question")
        assert vim.asked()[0]["items"] == ["Start", "Cancel"]
        for part in ("missions/mission-", "Estimate", "Budget", "claude-", "Sandbox", "Network"):
            assert part in vim.asked()[0]["prompt"]
        assert vim.notified() == []
        start(vim)
        # It runs, the panel follows, and a failed validation stops it.
        vim.command("Missions")
        vim.go_to("Documents")
        vim.keys("h")
        vim.wait_for("Running  1", PANEL, 60)
        vim.wait_for("Blocked / Failed  1", PANEL, 150)
        until(vim.notified, 20, "the notice")
        assert vim.notified()[0].startswith("Blocked: ")
        assert vim.notified()[0].endswith(":Missions status")
        open_all(vim, "M1 Measures")
        vim.wait_for("scrutiny, attempt 1", PANEL)
        assert steady(vim.panel()) == BLOCKED
        assert vim.lua("return require('missions').statusline()").startswith("! mission: blocked")
        assert {"begin", "report"} <= set(vim.lua("return _G.test.progress"))
        # The defect stands on its source line, in the quickfix list, and next to its repair.
        vim.keys("gg]n")
        until(lambda: "Make tally" in vim.cursor_line(), 20, "the mission that needs you")
        source = project.root / "tally/sentences.py"
        vim.command("Missions defects")
        until(lambda: quickfix_title(vim).startswith("Defects"), 20, "the list")
        vim.command("cfirst")
        assert Path(vim.buffer_name()) == source
        assert vim.lua("return vim.fn.line('.')") == 8
        found = until(lambda: vim.lua("return vim.diagnostic.get(0)"), 20, "the diagnostic")
        assert [(entry["lnum"], entry["severity"]) for entry in found] == [(7, 1)]
        vim.answer("Turn D1 into a repair feature")
        vim.command("lua vim.lsp.buf.code_action()")
        vim.wait_for(REPAIR, PANEL, 30)
        start(vim, "resume")
        # A question that only the user can answer.
        until(lambda: len(vim.notified()) > 1, 150, "the question of the mission")
        assert vim.notified()[1] == f"{QUESTION}  :Missions decide"
        assert [text for text in diagnostics(vim) if "closing marks" in text] == []
        vim.answer(ANSWER)
        vim.command("Missions decide")
        until(lambda: vim.asked()[-1]["prompt"] == QUESTION, 20, "the menu")
        assert vim.asked()[-1]["items"] == [
            f"{ANSWER} — Scripts read the whole output at once.",
            "One for each line — Scripts read line by line.",
            "In your own words …",
        ]
        vim.wait_for("Completed  1", PANEL, 150)
        # The mission has moved to a folded section, and the cursor with it.
        until(lambda: "Make tally" in vim.cursor_line_of(PANEL), 20, "the cursor on the mission")
        until(lambda: diagnostics(vim) == [], 20, "the end of the diagnostics")
        until(
            lambda: vim.lua("return _G.test.progress[#_G.test.progress]") == "end",
            20,
            "the end of the progress",
        )
        # What the mission changed in an open file is there without asking.
        until(lambda: vim.lines() == source.read_text().splitlines(), 20, "the new text of the file")
        # A run is reviewed, its links followed, its hunks listed.
        vim.answer(f"worker {REPAIR}")
        vim.command("Missions review")
        until(lambda: vim.buffer_name().endswith("review.md"), 20, "the review")
        review = vim.wait_for("```diff")
        assert "## Handoff" in review
        assert "tally/sentences.py" in review
        vim.command("call search('(transcript.md)')")
        vim.keys("gf")
        until(lambda: vim.buffer_name().endswith("transcript.md"), 20, "the transcript")
        vim.answer(f"worker {REPAIR}")
        vim.command("Missions hunks")
        until(lambda: "Changes of run" in quickfix_title(vim), 20, "the hunks")
        names = vim.lua(
            "return vim.tbl_map(function(i) return vim.fn.bufname(i.bufnr) end, vim.fn.getqflist())"
        )
        assert any(name.endswith("tally/sentences.py") for name in names)
        assert len(vim.notified()) == 2
        vim.assert_no_errors()


def quickfix_title(vim: Editor) -> str:
    return vim.lua("return vim.fn.getqflist({ title = 1 }).title")


BLOCKED = [
    "Mission Control",
    "",
    "▾ Blocked / Failed  1",
    "  ▾ ✗ Make tally say more about a text  3/6 · needs you",
    "      ✗ The validation failed  A1 and A2 hold. A3 does not: each mark of a run such as '...' is counted as a sentence of its own.",
    "    ▾ ✗ M1 Measures one can trust  3/3 · validation failed",
    "      ▸ ✓ F1 Most frequent words  complete · commit",
    "      ▸ ✓ F2 Reading time  complete · commit",
    "      ▸ ✓ F3 Sentences  complete · commit",
    "        ✗ scrutiny, attempt 1  fail · … s · $…",
    "    ▸ ○ M2 A command people like to use  0/3 · pending",
    "    ▸ + Recoveries  1",
    "    ▸ ≡ Documents",
    "  Running  0",
    "  Paused  0",
    "  Planned  0",
    "  Completed  0",
]


def diagnostics(vim: Editor) -> list[str]:
    """What errors and warnings say, of all files."""
    return vim.lua(
        "return vim.tbl_map(function(d) return d.message end, vim.diagnostic.get(nil, { severity = { min = 'WARN' } }))"
    )


def waiting(project: Project) -> tuple[str, Playbook]:
    """A mission of two features whose first worker waits, and its playbook."""
    plan = plan_of({"M1": ["F1", "F2"]})
    return project.save(plan), project.with_waiting(playbook_for(plan), "F1")


def start(vim: Editor, how: str = "run") -> None:
    """Start or resume, with a yes to what is asked."""
    vim.answer("Start", "Run without sandbox")
    vim.command(f"Missions {how}")


def test_two_neovims_show_one_mission_and_either_can_act_on_it(world: World) -> None:
    project = Project(world)
    mission, playbook = waiting(project)
    with (
        project.serving(playbook),
        editor(world, **project.environment) as one,
        editor(world, **project.environment) as other,
    ):
        for vim in (one, other):
            vim.command("Missions")
            vim.wait_for("Planned  1", PANEL)
        start(one)
        project.reached()
        for vim in (one, other):
            vim.wait_for("worker F1", PANEL)
        other.command("Missions pause")
        until(lambda: project.mission(mission).pauseRequestedAt, 20, "the asked pause")
        project.let_go()
        for vim in (one, other):
            vim.wait_for("Paused  1", PANEL, 60)
            assert "1/2" in vim.text(PANEL)
        start(one, "resume")
        for vim in (one, other):
            vim.wait_for("Completed  1", PANEL, 60)
        assert [vim.notified() for vim in (one, other)] == [[], []]


@pytest.mark.parametrize("how", ["quit", "kill"])
def test_a_mission_outlives_its_neovim_and_the_next_one_finds_it(world: World, how: str) -> None:
    project = Project(world)
    mission, playbook = waiting(project)
    with project.serving(playbook):
        try:
            with editor(world, **project.environment) as vim:
                vim.command("Missions")
                vim.wait_for("Planned  1", PANEL)
                start(vim)
                project.reached()
                if how == "kill":
                    os.kill(vim.lua("return vim.fn.getpid()"), signal.SIGKILL)
        except (OSError, EOFError):
            assert how == "kill"
        until(
            lambda: not servers(world),
            20,
            "the end of the server",
        )
        assert project.mission(mission).status == "running"
        with editor(world, **project.environment) as vim:
            vim.command("Missions")
            vim.wait_for("worker F1", PANEL)
            project.let_go()
            vim.wait_for("Completed  1", PANEL, 60)
            assert vim.notified() == []


def test_a_run_that_is_stopped_at_once_goes_on_where_it_was(world: World) -> None:
    project = Project(world)
    mission, playbook = waiting(project)
    with project.serving(playbook), editor(world, **project.environment) as vim:
        vim.command("Missions")
        vim.wait_for("Planned  1", PANEL)
        start(vim)
        project.reached()
        vim.command("Missions pause now")
        vim.wait_for("Paused  1", PANEL, 60)
        project.let_go()
        start(vim, "resume")
        vim.wait_for("Completed  1", PANEL, 60)
        assert vim.notified() == []
        assert project.mission(mission).status == "complete"


def says(text: str, when: str, step: int, *tools: dict[str, Any]) -> dict[str, Any]:
    """A rule of the simulated planner."""
    reply: dict[str, Any] = {"text": text, **({"tools": list(tools)} if tools else {})}
    return {"when": {"role": "planner", "text": when, "step": step}, "reply": reply}


PLANNER = Playbook.from_data(
    {
        "title": "A planner",
        "rules": [
            says("Which measures?", "more measures", 0),
            says("I will look.", "sentences", 0, {"name": "read", "input": {"path": "tally/counting.py"}}),
            says("Draft: three measures. Shall I save it?", "sentences", 1),
            says("Saving.", "save it", 0, {"name": "mission_write_plan", "input": {"plan": demo_plan()}}),
            says("Saved as version 1.", "save it", 1),
        ],
    }
)
CONVERSATION = [
    "You", "", "I want more measures", "",
    "Missions", "", "Which measures?", "",
    "You", "", "sentences and reading time", "",
    "Missions", "", "I will look.", "", "Draft: three measures. Shall I save it?", "",
    "You", "", "fine, save it", "",
    "Missions", "", "Saving.", "", "Saved as version 1.",
]  # fmt: skip


def test_a_mission_is_planned_in_the_chat_and_its_answers_stream(world: World) -> None:
    make_repository(world.workspace)
    project = Project(world, repository=False)
    with project.serving(PLANNER), editor(world, **project.environment) as vim:
        vim.command("Missions new I want more measures")
        vim.wait_for("Which measures?", "missions-chat:", 60)
        until(lambda: "▍" not in vim.text("missions-chat:"), 60, "the end of the answer")
        until(lambda: "missions-prompt:" in vim.buffer_name(), 20, "the prompt")
        vim.keys("isentences and reading time<C-s>")
        vim.wait_for("Draft: three measures", "missions-chat:", 60)
        until(lambda: "▍" not in vim.text("missions-chat:"), 60, "the end of the answer")
        vim.keys("ifine, save it<Esc><CR>")
        vim.wait_for("Saved as version 1.", "missions-chat:", 60)
        until(lambda: "▍" not in vim.text("missions-chat:"), 60, "the end of the answer")
        assert vim.lines("missions-chat:") == CONVERSATION
        vim.keys("q")
        until(lambda: vim.lua("return vim.fn.winnr('$')") == 1, 20, "the closed chat")
        # What was said is there after a restart of the server, and in another Neovim.
        vim.command("Missions chat")
        vim.wait_for("Saved as version 1.", "missions-chat:")
        vim.command("Missions")
        vim.wait_for("Planned  1", PANEL)
    with project.serving(PLANNER), editor(world, **project.environment) as vim:
        vim.command("Missions chat")
        vim.wait_for("Saved as version 1.", "missions-chat:", 60)
        assert vim.lines("missions-chat:") == CONVERSATION
