"""What the Neovim plugin makes of data, without a server: pure functions, called in a real Neovim."""

from __future__ import annotations

from typing import Any

import pytest

from support.neovim_plugin import Editor

SECTION = {"collapsible": "expanded", "contextValue": "section.running"}
TREE: dict[str, list[dict[str, Any]]] = {
    "": [
        {"id": "s1", "label": "Blocked / Failed", "description": "1", "severity": "error", **SECTION},
        {"id": "s2", "label": "Running", "description": "1", **SECTION},
        {"id": "s3", "label": "Completed", "collapsible": "collapsed", "contextValue": "section.completed"},
    ],
    "s1": [
        {
            "id": "m1",
            "label": "Rename\tthe\nparser",
            "description": "validation_limit_exceeded",
            "icon": "error",
            "severity": "error",
            "collapsible": "collapsed",
        }
    ],
    "s2": [
        {
            "id": "m2",
            "label": "Größe 100%",
            "icon": "sync~spin",
            "description": "2/5 ▰▰▱▱",
            "collapsible": "expanded",
        }
    ],
    "m2": [
        {"id": "f1", "label": "F1: Parse dates", "icon": "pass-filled"},
        {"id": "f2", "label": "F2: Print dates", "icon": "never-heard-of"},
        {"id": "d1", "label": "Which format?", "icon": "bell-dot", "contextValue": "decision.open"},
    ],
}

MODEL = """
local tree, opened = ...
local Model = require("missions.panel.model")
local model = Model.new()
for id, open in pairs(opened or {}) do model:set_open(id, open) end
local function take(parent)
  model:set_children(parent, tree[parent] or {})
  for _, id in ipairs(model.children[parent]) do
    if model:is_open(id) then take(id) end
  end
end
take("")
"""


def draw(
    plain_vim: Editor, tree: dict[str, Any], opened: dict[str, bool] | None = None, icons: Any = "plain"
) -> Any:
    return plain_vim.lua(
        MODEL
        + """local drawing = require("missions.panel.render").draw(model:rows(), { icons = select(3, ...), title = "T" })
        local marks = vim.tbl_map(function(mark)
          return { drawing.lines[mark.row + 1]:sub(mark.from + 1, mark.to), mark.group }
        end, drawing.marks)
        local ids = {}
        for line, id in pairs(drawing.ids) do ids[tostring(line)] = id end
        return { lines = drawing.lines, marks = marks, ids = ids }""",
        tree,
        opened or {},
        icons,
    )


def test_the_tree_is_drawn_as_lines_with_folds_signs_and_descriptions(plain_vim: Editor) -> None:
    assert draw(plain_vim, TREE)["lines"] == [
        "T",
        "",
        "▾ Blocked / Failed  1",
        "  ▸ ✗ Rename the parser  validation_limit_exceeded",
        "▾ Running  1",
        "  ▾ ● Größe 100%  2/5 ▰▰▱▱",
        "      ✓ F1: Parse dates",
        "      · F2: Print dates",
        "      ! Which format?",
        "▸ Completed",
    ]


def test_each_line_knows_its_node_and_highlights_cover_exactly_their_words(plain_vim: Editor) -> None:
    drawn = draw(plain_vim, TREE)
    assert drawn["ids"] == {
        "3": "s1", "4": "m1", "5": "s2", "6": "m2", "7": "f1", "8": "f2", "9": "d1", "10": "s3",
    }  # fmt: skip
    assert ["Größe 100%", "MissionsError"] not in drawn["marks"]
    assert ["Rename the parser", "MissionsError"] in drawn["marks"]
    assert ["2/5 ▰▰▱▱", "MissionsDescription"] in drawn["marks"]
    assert ["✓", "MissionsDone"] in drawn["marks"]
    assert ["T", "MissionsTitle"] in drawn["marks"]


def test_what_the_user_opened_and_closed_wins_over_the_servers_wish(plain_vim: Editor) -> None:
    lines = draw(plain_vim, TREE, {"s1": False, "m2": False})["lines"]
    assert lines[2:] == ["▸ Blocked / Failed  1", "▾ Running  1", "  ▸ ● Größe 100%  2/5 ▰▰▱▱", "▸ Completed"]


def test_what_the_server_folds_around_the_cursor_is_unfolded_but_what_the_user_folded_is_not(
    plain_vim: Editor,
) -> None:
    tree = {
        "": [{"id": "s1", "label": "Running", "collapsible": "collapsed"}],
        "s1": [{"id": "m1", "label": "Rename", "collapsible": "collapsed"}],
        "m1": [{"id": "f1", "label": "F1", "collapsible": "none"}],
    }
    reveal = (
        MODEL
        + """for _, id in ipairs({ "", "s1", "m1" }) do model:set_children(id, tree[id]) end
        model:reveal("f1")
        return vim.tbl_map(function(row) return row.id end, model:rows())"""
    )
    assert plain_vim.lua(reveal, tree, {}) == ["s1", "m1", "f1"]
    assert plain_vim.lua(reveal, tree, {"s1": False}) == ["s1"]
    assert plain_vim.lua(reveal, {**tree, "m1": [*tree["m1"], {"id": "s1", "label": "around"}]}, {}) != []


def test_icons_may_be_those_of_a_nerd_font_or_the_users_own(plain_vim: Editor) -> None:
    nerd = draw(plain_vim, TREE, icons="nerd")["lines"][5]
    assert nerd == "  ▾ \uea77 Größe 100%  2/5 ▰▰▱▱"
    own = draw(plain_vim, TREE, icons={"error": "E"})["lines"]
    assert own[3].startswith("  ▸ E Rename")
    assert own[6] == "      ✓ F1: Parse dates"


def test_a_tree_that_names_a_node_below_itself_does_not_hang_the_editor(plain_vim: Editor) -> None:
    loop = {
        "": [{"id": "a", "label": "A", "collapsible": "collapsed"}],
        "a": [{"id": "b", "label": "B", "collapsible": "collapsed"}],
        "b": [{"id": "a", "label": "A", "collapsible": "collapsed"}],
    }
    lines = plain_vim.lua(
        """local tree = ...
        local Model = require("missions.panel.model")
        local model = Model.new()
        for parent, nodes in pairs(tree) do model:set_children(parent, nodes) end
        model:set_open("a", true)
        model:set_open("b", true)
        return require("missions.panel.render").draw(model:rows(), { icons = "plain" }).lines""",
        loop,
    )
    assert lines == ["▾ A", "  ▾ B"]


def test_a_mission_that_moves_to_another_section_keeps_its_place_in_either_order_of_answers(
    plain_vim: Editor,
) -> None:
    moved = plain_vim.lua(
        MODEL
        + """model:set_open("m2", true)
        local mission = model.nodes["m2"]
        model:set_children("s3", { mission })
        model:set_children("s2", {})
        local after = model:is_open("m2") and model.nodes["m2"] ~= nil and model.parents["m2"]
        model:set_children("s3", {})
        model:set_children("s2", { mission })
        return { after, model.parents["m2"], model.nodes["f1"] == nil }""",
        TREE,
    )
    assert moved == ["s3", "s2", True]


def test_only_what_changed_is_asked_for_again(plain_vim: Editor) -> None:
    stale = plain_vim.lua(
        MODEL
        + """local function sorted(ids) local list = model:stale(ids) table.sort(list) return list end
        return { sorted({}), sorted({ "f1" }), sorted({ "m2" }), sorted({ "m1" }), sorted({ "unknown" }), sorted({ "s2" }) }""",
        TREE,
    )
    assert stale == [["", "m2", "s1", "s2"], ["m2"], ["m2", "s2"], ["s1"], [], ["", "m2", "s2"]]


def test_the_next_line_that_needs_the_user_is_found_around_the_end(plain_vim: Editor) -> None:
    found = plain_vim.lua(
        MODEL
        + """local render = require("missions.panel.render")
        local rows = model:rows()
        local ids = render.draw(rows, { icons = "plain", title = "T" }).ids
        return {
          render.needing_you(rows, ids, 1, 1), render.needing_you(rows, ids, 4, 1),
          render.needing_you(rows, ids, 9, 1), render.needing_you(rows, ids, 9, -1),
          render.needing_you(rows, ids, 3, -1), render.needing_you({}, {}, 1, 1) == nil,
        }""",
        TREE,
    )
    assert found == [3, 9, 3, 4, 9, True]


def test_details_are_the_tooltip_or_else_the_line(plain_vim: Editor) -> None:
    details = plain_vim.lua(
        """local render = require("missions.panel.render")
        return { render.details({ label = "L", tooltip = "**a**\\r\\nb\\n" }), render.details({ label = "L", description = "d" }) }"""
    )
    assert details == [["**a**", "b"], ["**L**  d"]]


# ---------------------------------------------------------------------- documents


@pytest.mark.parametrize(
    ("line", "column", "target"),
    [
        ("see [the handoff](missions:/m/runs/r/review.md) now", 8, "missions:/m/runs/r/review.md"),
        ("see [the handoff](missions:/m/runs/r/review.md) now", 1, None),
        ("[a](b.md) and [c](d.md#L3)", 18, "d.md#L3"),
        ('[a](b.md "title")', 2, "b.md"),
        ("plain https://example.org/x, and more", 12, "https://example.org/x"),
        ("<file:///tmp/a b>", 5, "file:///tmp/a"),
        ("note: this is no link", 2, None),
    ],
)
def test_the_link_at_a_column_is_found(plain_vim: Editor, line: str, column: int, target: str | None) -> None:
    assert plain_vim.lua("return require('missions.links').at(...)", line, column) == target


@pytest.mark.parametrize(
    ("target", "whole"),
    [
        ("missions:/x.md", "missions:/x.md"),
        ("transcript.md", "missions:/mission-a/runs/r1/transcript.md"),
        ("../../report.md#L4", "missions:/mission-a/report.md#L4"),
        ("#defects", "missions:/mission-a/runs/r1/review.md#defects"),
        ("/etc/hosts", "file:///etc/hosts"),
    ],
)
def test_a_relative_link_is_relative_to_its_document(plain_vim: Editor, target: str, whole: str) -> None:
    base = "missions:/mission-a/runs/r1/review.md"
    assert plain_vim.lua("return require('missions.links').resolve(...)", target, base, "/repo") == whole


def test_a_documents_name_is_one_that_neovim_does_not_take_for_a_file(plain_vim: Editor) -> None:
    names = plain_vim.lua(
        """local links = require("missions.links")
        return vim.tbl_map(links.name_of_uri, { "missions:control.md", "missions:/a/b.md", "missions:///c.md", "file:///tmp/x%20y" })"""
    )
    assert names == ["missions:/control.md", "missions:/a/b.md", "missions:/c.md", "/tmp/x y"]


def test_headings_fold_by_level_and_fences_inside_them(plain_vim: Editor) -> None:
    text = ["# A", "text", "## B", "```diff", "# no heading", "```", "### C", "## D"]
    levels = plain_vim.lua("return require('missions.folds').levels(...)", text)
    assert levels == [">1", "1", ">2", ">3", "3", "<3", ">3", ">2"]


def test_every_hunk_of_a_diff_becomes_an_item_at_its_new_line(plain_vim: Editor) -> None:
    diff = "\n".join(
        [
            "diff --git a/src/a.py b/src/a.py",
            "--- a/src/a.py",
            "+++ b/src/a.py",
            "@@ -3,2 +3 @@ def parse(text):",
            "-old",
            "--- not a header",
            "+new",
            "@@ -10,0 +10,3 @@",
            "+one",
            "+two",
            "+three",
            'diff --git "a/gr\\303\\266\\303\\237e.txt" "b/gr\\303\\266\\303\\237e.txt"',
            "--- /dev/null",
            '+++ "b/gr\\303\\266\\303\\237e.txt"',
            "@@ -0,0 +1 @@",
            "+x",
            "--- a/gone.txt",
            "+++ /dev/null",
            "@@ -1 +0,0 @@",
            "-y",
        ]
    )
    items = plain_vim.lua("return require('missions.diff').items(...)", diff, "/repo")
    assert [(item["filename"], item["lnum"], item.get("end_lnum"), item["text"]) for item in items] == [
        ("/repo/src/a.py", 3, 3, "+1 −2  def parse(text):"),
        ("/repo/src/a.py", 10, 12, "+3 −0"),
        ("/repo/größe.txt", 1, 1, "+1 −0"),
        ("/repo/gone.txt", 1, None, "deleted"),
    ]


def test_defects_become_items_at_their_places_and_settled_ones_are_not_alarming(plain_vim: Editor) -> None:
    defects = [
        {"id": "D1", "severity": "critical", "title": "Wrong", "runId": "r", "waived": False,
         "locations": [{"path": "a.py", "startLine": 4}, {"path": "b.py", "startLine": 1, "endLine": 2}]},
        {"id": "D2", "severity": "minor", "title": "Ugly", "runId": "r", "waived": True},
        {"id": "D3", "severity": "major", "title": "Slow", "runId": "r", "waived": False, "repairedBy": "R1"},
    ]  # fmt: skip
    items = plain_vim.lua("return require('missions.quickfix').defect_items(...)", defects, "/repo")
    assert [(i.get("filename"), i.get("lnum"), i["type"], i["text"]) for i in items] == [
        ("/repo/a.py", 4, "E", "D1 (critical) Wrong"),
        ("/repo/b.py", 1, "E", "D1 (critical) Wrong"),
        (None, None, "I", "D2 (minor) Ugly — waived"),
        (None, None, "I", "D3 (major) Slow — repaired by R1"),
    ]


@pytest.mark.parametrize(
    ("shown", "wanted", "written"),
    [
        ("a b c", "a b c", None),
        ("a b c", "a b c d", {"first": 4, "old_last": 3, "last": 4}),
        ("a b c", "z a b c", {"first": 1, "old_last": 0, "last": 1}),
        ("a b c", "a x c", {"first": 2, "old_last": 2, "last": 2}),
        ("a a a", "a a", {"first": 3, "old_last": 3, "last": 2}),
        ("a b", "", {"first": 1, "old_last": 2, "last": 0}),
        ("", "a b", {"first": 1, "old_last": 0, "last": 2}),
    ],
)
def test_only_what_differs_is_written(
    plain_vim: Editor, shown: str, wanted: str, written: dict[str, int] | None
) -> None:
    difference = "return require('missions.lines').difference(...)"
    assert plain_vim.lua(difference, shown.split(), wanted.split()) == written


# ---------------------------------------------------------------------- chat

CHAT = """
local Transcript = require("missions.chat.transcript")
local text = Transcript.new()
"""


def test_a_conversation_is_drawn_with_its_speakers_tools_and_notices(plain_vim: Editor) -> None:
    drawn = plain_vim.lua(
        CHAT
        + """text:set_history({
          { id = "1", role = "user", text = "Plan it\\r\\nplease", at = "" },
          { id = "2", role = "tool", text = "read src/a.py", at = "" },
          { id = "3", role = "assistant", text = "Which format?\\27[31m", at = "" },
          { id = "4", role = "user", text = "ISO", at = "" },
        }, true)
        text:begin("5")
        text:add({ chat = "c", message = "5", kind = "thinking", text = "hm" })
        text:add({ chat = "c", message = "5", kind = "thinking", text = "m" })
        text:add({ chat = "c", message = "5", kind = "tool", text = "read b.py" })
        text:add({ chat = "c", message = "5", kind = "text", text = "All " })
        text:add({ chat = "c", message = "5", kind = "text", text = "right." })
        return text:draw()"""
    )
    assert drawn["lines"] == [
        "… older: <BS>", "",
        "You", "", "Plan it", "please", "",
        "Missions", "", "› read src/a.py", "", "Which format?[31m", "",
        "You", "", "ISO", "",
        "Missions", "", "┊ hmm", "› read b.py", "", "All right.", "▍",
    ]  # fmt: skip
    assert {"row": 2, "from": 0, "to": 3, "group": "MissionsUser"} in drawn["marks"]


def test_an_answer_that_was_stopped_or_failed_says_so_and_keeps_what_was_seen(plain_vim: Editor) -> None:
    lines = plain_vim.lua(
        CHAT
        + """text:say("go")
        text:add({ chat = "c", message = "1", kind = "text", text = "half" })
        text:finish({ chat = "c", message = "1", outcome = "cancelled" })
        text:say("again")
        text:begin("2")
        text:finish({ chat = "c", message = "2", outcome = "failed", error = { code = "provider", message = "No key.", nextStep = "Set one." } })
        return text:draw().lines"""
    )
    assert lines == [
        "You", "", "go", "", "Missions", "", "half", "", "· Stopped.", "", "You", "", "again", "", "Missions", "", "· No key. Set one.",
    ]  # fmt: skip


def test_history_that_arrives_while_an_answer_is_written_does_not_lose_it(plain_vim: Editor) -> None:
    lines = plain_vim.lua(
        CHAT
        + """text:say("go")
        text:add({ chat = "c", message = "9", kind = "text", text = "half" })
        text:set_history({ { id = "1", role = "user", text = "go", at = "" } }, false)
        text:add({ chat = "c", message = "9", kind = "text", text = " whole" })
        return text:draw().lines"""
    )
    assert lines == ["You", "", "go", "", "Missions", "", "half whole", "▍"]


def test_older_text_that_was_fetched_stays_when_an_answer_ends(plain_vim: Editor) -> None:
    lines = plain_vim.lua(
        CHAT
        + """local function said(id, text) return { id = id, role = "user", text = text, at = "" } end
        text:set_history({ said("3", "three"), said("4", "four") }, true)
        text:add_older({ said("1", "one"), said("2", "two") }, false)
        text:set_history({ said("4", "four"), said("5", "five") }, true)
        return vim.tbl_filter(function(line) return line ~= "" and line ~= "You" end, text:draw().lines)"""
    )
    assert lines == ["one", "two", "three", "four", "five"]
