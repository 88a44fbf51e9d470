"""What the Neovim plugin makes of words, options, the status and the protocol, without a server: pure functions."""

from __future__ import annotations

import re
from typing import Any

import pytest

from support.editors import ROOT
from support.neovim_plugin import MODULES, PLUGIN, Editor


def parse(plain_vim: Editor, sub: str, words: str) -> Any:
    return plain_vim.lua(
        """local sub, words = ...
        local parsed = require("missions.arguments").parse(require("missions.subcommands")[sub].arguments, vim.split(words, " ", { trimempty = true }))
        return { parsed.values, parsed.problem or "" }""",
        sub,
        words,
    )


@pytest.mark.parametrize(
    ("sub", "words", "values"),
    [
        ("pause", "", {}),
        ("pause", "now", {"now": True}),
        ("pause", "mission-a1 now", {"mission": "mission-a1", "now": True}),
        ("skip", "F3 not needed any more", {"feature": "F3", "reason": "not needed any more"}),
        ("skip", "mission-a F3 why", {"mission": "mission-a", "feature": "F3", "reason": "why"}),
        ("steer", "look at mission-b first", {"text": "look at mission-b first"}),
        ("unblock", "adopt it", {"reason": "adopt it"}),
        ("unblock", "--adopt I did that", {"adopt": True, "reason": "I did that"}),
        ("budget", "usd=5.5 runs=20", {"usd": 5.5, "runs": 20}),
        ("rerun-validation", "M1 user-testing once more", {"milestone": "M1", "mode": "user-testing", "reason": "once more"}),
        ("retry", "note=mind the tests", {"note": "mind the tests"}),
        ("clear", "mission-a mission-b", {"missions": ["mission-a", "mission-b"]}),
        ("decide", "D1 yes", {"decision": "D1", "answer": "yes"}),
        ("gc", "older-than-days=5 --dryRun", {"olderThanDays": 5, "dryRun": True}),
    ],
)  # fmt: skip
def test_words_become_the_arguments_of_an_operation(
    plain_vim: Editor, sub: str, words: str, values: dict[str, Any]
) -> None:
    got, problem = parse(plain_vim, sub, words)
    assert (got or {}, problem) == (values, "")


@pytest.mark.parametrize(
    ("sub", "words", "problem"),
    [
        ("pause", "later", "“later” is one word too many"),
        ("budget", "usd=much", "usd must be a number, not “much”"),
        ("open", "poem", "document must be one of control, report, review, transcript, handoff, packet, plan, not “poem”"),
    ],
)  # fmt: skip
def test_words_that_fit_nowhere_are_named(plain_vim: Editor, sub: str, words: str, problem: str) -> None:
    assert parse(plain_vim, sub, words)[1] == problem


# ---------------------------------------------------------------------- options and status


def test_wrong_options_are_named_and_their_defaults_used(plain_vim: Editor) -> None:
    merged, problems = plain_vim.lua(
        "return { require('missions.config').merge(...) }",
        {"panel": {"position": "middle", "size": 30}, "notify": "yes", "colour": 1, "cmd": ["x"]},
    )
    assert problems == [
        'option notify must be a boolean; using true',
        'option panel.position must be one of left, right, top, bottom, tab, current; using "left"',
        "unknown option colour",
    ]  # fmt: skip
    assert (merged["panel"], merged["cmd"], merged["notify"]) == (
        {"position": "left", "size": 30},
        ["x"],
        True,
    )


def test_the_status_line_is_safe_in_a_statusline(plain_vim: Editor) -> None:
    line = plain_vim.lua(
        "return require('missions.status').line(...)",
        {"line": "mission: 50% done\n%#Error#", "health": "attention"},
    )
    assert line == "! mission: 50%% done %%#Error#"
    assert plain_vim.lua("return require('missions').statusline()") == ""


def test_without_an_open_mission_the_status_line_is_empty_unless_something_is_wrong(
    plain_vim: Editor,
) -> None:
    lines = plain_vim.lua(
        """return vim.tbl_map(require("missions.status").line, {
          { line = "no open mission", counts = { completed = 3 }, health = "ok" },
          { line = "mission: running", counts = { running = 1 } },
          { line = "mission: blocked · no_handoff", counts = { blocked = 1 } },
          { line = "no open mission", counts = {}, health = "error" },
        })"""
    )
    assert lines == ["", "mission: running", "mission: blocked · no handoff", "✗ no open mission"]


def test_what_waits_for_the_user_is_said_once_and_what_waits_for_others_is_not(plain_vim: Editor) -> None:
    news = plain_vim.lua(
        """local news = require("missions.status").news
        local one = { mission = "mission-a", kind = "decision", text = "Which?", decision = "D1" }
        local two = { mission = "mission-b", kind = "block", text = "no handoff" }
        local three = { mission = "mission-c", kind = "provider", text = "overloaded" }
        return { news({ line = "" }, { line = "", waiting = { one, two, three } }), news({ line = "", waiting = { one } }, { line = "", waiting = { one } }) }"""
    )
    assert news == [
        [
            {"text": "Which?", "step": ":Missions decide"},
            {"text": "Blocked: no handoff", "step": ":Missions status"},
        ],
        [],
    ]


def test_what_comes_by_itself_is_one_line_that_fits_and_keeps_its_next_step(plain_vim: Editor) -> None:
    plain_vim.lua("require('missions.messages').notice(...)", "long\nwords " * 60, ":Missions decide")
    said = plain_vim.notified()[0]
    assert "\n" not in said
    assert said.endswith("…  :Missions decide")
    assert len(said) < plain_vim.lua("return vim.o.columns") - 12


def test_the_plugins_types_name_the_fields_of_the_protocol(plain_vim: Editor) -> None:
    """A field that the protocol loses or renames must not live on here."""
    document = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
    types = (PLUGIN / "lua/missions/types.lua").read_text(encoding="utf-8")
    ours = {
        block.split("\n", 1)[0].strip(): set(re.findall(r"---@field (\w+)", block))
        for block in types.split("---@class missions.")[1:]
    }
    heading_of = {
        "ErrorData": "## Errors", "TreeNode": "### TreeNode", "TreeCommand": "### TreeCommand",
        "StatusCounts": "### StatusCounts", "Waiting": "### Waiting", "Status": "### `missions/status`",
        "ChatEntry": "### ChatEntry", "ChatDelta": "### `missions/chat/delta`", "ChatEnd": "### `missions/chat/end`",
        "DecisionOption": "### DecisionOption", "QuestionData": "### QuestionData", "Decision": "### `missions/decision`",
        "FilesChanged": "### `missions/filesChanged`", "OperationResult": "### OperationResult",
        "DocumentResult": "### DocumentResult", "ReportResult": "### ReportResult", "Completion": "### Completion",
    }  # fmt: skip
    assert set(ours) == set(heading_of)
    for name, heading in heading_of.items():
        part = document.split(f"\n{heading}\n", 1)[1]
        part = re.split(r"\n#{2,3} |\nAnswer:", part)[0]
        assert ours[name] <= set(re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE)), name


def test_every_operation_of_the_server_has_a_subcommand(plain_vim: Editor) -> None:
    document = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
    commands = document.split("\n## Commands\n", 1)[1].split("\n## ", 1)[0]
    operations = set(re.findall(r"`missions\.([a-z-]+)`", commands))
    names = set(plain_vim.lua("return require('missions.commands').names()"))
    # These are only made by programs and models: a person edits the plan files, and completion asks by itself.
    assert operations - names == {
        "write-plan",
        "revise-plan",
        "request-confirmation",
        "answer-comment",
        "complete",
    }


def test_subcommands_name_only_arguments_that_the_operation_has(plain_vim: Editor) -> None:
    document = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
    commands = document.split("\n## Commands\n", 1)[1].split("\n### Commands that only", 1)[0]
    for block in commands.split("\n### `missions.")[1:]:
        name = block.split("`", 1)[0]
        known = set(re.findall(r"^\| `(\w+)` \|", block, re.MULTILINE))
        ours = plain_vim.lua(
            """local sub = require("missions.subcommands")[...]
            return sub and vim.tbl_map(function(argument) return argument.name end, sub.arguments) or {}""",
            name,
        )
        assert set(ours) <= known, name


def test_sources_know_no_global_of_their_own(plain_vim: Editor) -> None:
    before = set(plain_vim.lua("return vim.tbl_keys(_G)"))
    for module in MODULES:
        plain_vim.lua("require(...)", module)
    assert set(plain_vim.lua("return vim.tbl_keys(_G)")) == before


def test_what_neovim_has_only_since_its_next_version_is_no_part_of_the_plugin(plain_vim: Editor) -> None:
    """Every editor of these tests refuses such calls of the plugin; here is that it does."""
    called = "return { pcall(load('local found = vim.iter({ 1 }):unique(); return found', '@' .. ... .. '/lua/missions/x.lua')) }"
    worked, why = plain_vim.lua(called, str(PLUGIN))
    assert not worked
    assert "iter.unique is newer than Neovim 0.11" in why
