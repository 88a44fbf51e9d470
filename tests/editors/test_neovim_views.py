"""The Neovim plugin with the real server: panel and documents of missions that stand still."""

from __future__ import annotations

from support.editors import World
from support.engine import plan_of
from support.neovim_plugin import MODULES, PLUGIN, Editor, editor, servers
from support.neovim_project import Project
from support.waiting import until

PANEL = "missions-panel:"


def test_without_missions_the_panel_says_how_to_begin(vim: Editor) -> None:
    vim.command("Missions")
    vim.wait_for(":Missions demo", PANEL)
    assert vim.panel() == [
        "Mission Control",
        "",
        "No missions yet.",
        "",
        ":Missions new <goal>  plan one in a chat",
        ":Missions demo        watch one, without a key",
    ]
    vim.assert_no_errors()


def test_a_mission_unfolds_into_milestones_features_and_documents(vim: Editor, project: Project) -> None:
    project.save(plan_of({"M1": ["F1", "F2"], "M2": ["F3"]}))
    vim.command("Missions")
    vim.wait_for("Planned  1", PANEL)
    vim.go_to("Put the pieces")
    vim.keys("<Tab>")
    vim.wait_for("Documents", PANEL)
    vim.wait_for("F2 Piece", PANEL)
    assert vim.panel() == [
        "Mission Control",
        "",
        "  Blocked / Failed  0",
        "  Running  0",
        "  Paused  0",
        "▾ Planned  1",
        "  ▾ □ Put the pieces in place  0/3 · next F1",
        "    ▾ ○ M1 Pieces of M1  0/2 · pending",
        "        ○ F1 Piece F1  pending",
        "        ○ F2 Piece F2  pending",
        "    ▸ ○ M2 Pieces of M2  0/1 · pending",
        "    ▸ ≡ Documents",
        "  Completed  0",
    ]
    vim.go_to("F1 Piece")
    vim.keys("h")
    until(lambda: "M1 Pieces" in vim.cursor_line(), 20, "the parent")
    vim.keys("h")
    until(lambda: "F1 Piece F1  pending" not in vim.text(PANEL), 20, "the closed milestone")
    vim.assert_no_errors()


def test_new_missions_appear_without_moving_the_cursor_the_scrolling_or_the_focus(
    vim: Editor, project: Project
) -> None:
    project.save(plan_of(title="The first"))
    vim.command("set lines=12")
    vim.command("Missions")
    vim.wait_for("The first", PANEL)
    vim.go_to("The first")
    vim.keys("<Tab>")
    vim.wait_for("Documents", PANEL)
    vim.go_to("Documents")
    vim.keys("zt")
    before = vim.lua("return { vim.api.nvim_get_current_line(), vim.fn.getline(vim.fn.line('w0')) }")
    vim.command("wincmd p")
    vim.keys("itext")
    for number in range(3):
        project.save(plan_of(title=f"Another {number}"))
    vim.wait_for("Another 2", PANEL)
    assert vim.lua("return vim.api.nvim_get_mode().mode") == "i"
    assert vim.lines() == ["text"]
    vim.keys("<Esc>")
    vim.command("Missions")
    after = vim.lua("return { vim.api.nvim_get_current_line(), vim.fn.getline(vim.fn.line('w0')) }")
    assert after == before
    vim.assert_no_errors()


def test_edit_in_the_panel_draws_it_again_and_keeps_what_is_unfolded(vim: Editor, project: Project) -> None:
    project.save()
    vim.command("Missions")
    vim.wait_for("Put the pieces", PANEL)
    vim.go_to("Put the pieces")
    vim.keys("<Tab>")
    vim.wait_for("Documents", PANEL)
    shown = vim.panel()
    vim.command("edit")
    vim.wait_for("Documents", PANEL)
    assert vim.panel() == shown
    assert vim.lua("return { vim.bo.modifiable, vim.bo.buftype }") == [False, "nofile"]
    vim.keys("g?")
    until(lambda: "next that needs you" in floating(vim), 20, "the help")
    vim.assert_no_errors()


def floating(vim: Editor) -> str:
    return vim.lua(
        """for _, window in ipairs(vim.api.nvim_list_wins()) do
          if vim.api.nvim_win_get_config(window).relative ~= "" then
            return table.concat(vim.api.nvim_buf_get_lines(vim.api.nvim_win_get_buf(window), 0, -1, false), "\\n")
          end
        end
        return "" """
    )


def test_details_float_over_the_panel_and_closing_it_keeps_the_rest(vim: Editor, project: Project) -> None:
    mission = project.save()
    vim.command("Missions")
    vim.wait_for("Put the pieces", PANEL)
    vim.go_to("Put the pieces")
    vim.keys("K")
    until(lambda: mission in floating(vim), 20, "the details")
    vim.keys("j")
    until(lambda: not floating(vim), 20, "the end of the float")
    vim.keys("q")
    until(lambda: vim.lua("return #vim.api.nvim_list_wins()") == 1, 20, "the closed panel")
    vim.assert_no_errors()


def test_buffers_and_windows_that_die_while_answers_are_on_their_way_are_no_error(
    vim: Editor, project: Project, world: World
) -> None:
    mission = project.save()
    vim.command("Missions")
    vim.wait_for("Put the pieces", PANEL)
    vim.command("wincmd p")
    vim.command(f"edit missions:/{mission}/control.md")
    vim.wait_for("# Put the pieces in place")
    vim.command("Missions chat")
    until(lambda: "missions-prompt:" in vim.buffer_name(), 30, "the prompt")
    [server] = servers(world)
    server.suspend()
    try:
        # Everything is asked that a view can ask, and then there are no views any more.
        vim.lua(
            """local mission = ...
            require("missions.panel").refresh()
            require("missions.panel").changed({ "mission:" .. mission })
            require("missions.documents").refresh("missions:/" .. mission .. "/control.md")
            require("missions.chat").open({ mission = mission }, "hello")
            require("missions.chat").server_started()
            for _, words in ipairs({ "status", "defects", "decisions", "list", "review", "hunks", "skip", "control " .. mission }) do
              vim.cmd("Missions " .. words)
            end
            vim.cmd("stopinsert | tabnew | tabonly")
            for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
              if buffer ~= vim.api.nvim_get_current_buf() then vim.cmd("bwipeout! " .. buffer) end
            end""",
            mission,
        )
        assert vim.lua("return #vim.api.nvim_list_bufs()") == 1
    finally:
        server.resume()
    until(lambda: "Put the pieces" in vim.text() or "ID: " in vim.text(), 60, "an answer that was asked for")
    vim.command("Missions")
    vim.wait_for("Put the pieces", PANEL)
    unanswered = "return vim.tbl_count(vim.lsp.get_clients({ name = 'missions' })[1].requests)"
    until(lambda: vim.lua(unanswered) == 0, 60, "all answers")
    vim.assert_no_errors()


def test_a_window_that_is_closed_in_the_middle_of_drawing_and_a_buffer_of_our_name_are_no_error(
    vim: Editor, project: Project
) -> None:
    project.save()
    vim.lua(
        """vim.cmd("Missions")
        vim.cmd("bwipeout!")
        vim.cmd("Missions")
        vim.cmd("only")"""
    )
    vim.wait_for("Put the pieces", PANEL)
    vim.command("new")
    vim.command("Missions")
    vim.wait_for("Put the pieces", PANEL)
    vim.assert_no_errors()


def test_the_panel_may_be_on_any_side_and_the_document_opens_beside_it(project: Project) -> None:
    project.save()
    options = {"panel": {"position": "right", "size": 40}, "keys": {"panel": {"close": "x", "fold": False}}}
    with editor(project.world, options=options, **project.environment) as vim:
        vim.command("Missions")
        vim.wait_for("Put the pieces", PANEL)
        assert vim.lua("return { vim.fn.winnr(), vim.fn.winwidth(0) }") == [2, 40]
        vim.go_to("Put the pieces")
        vim.keys("<CR>")
        until(lambda: vim.buffer_name().endswith("control.md"), 20, "the document")
        assert vim.lua("return vim.fn.winnr()") == 1
        vim.wait_for("# Put the pieces in place")
        vim.command("Missions")
        vim.keys("x")
        until(lambda: vim.lua("return vim.fn.winnr('$')") == 1, 20, "the closed panel")
        vim.assert_no_errors()


REMEMBERED = """
local plugin, modules = ...
local seen, found = { [require("missions.state")] = true }, {}
local function look(value, name)
  if type(value) == "function" then
    if seen[value] or not debug.getinfo(value, "S").source:find(plugin, 1, true) then return end
    seen[value] = true
    for index = 1, 60 do
      local inner, held = debug.getupvalue(value, index)
      if not inner then break end
      look(held, name .. "^" .. inner)
    end
  elseif type(value) == "table" then
    if seen[value] then return end
    seen[value] = true
    for key, held in pairs(value) do look(held, name .. "." .. tostring(key)) end
  else
    found[name] = tostring(value)
  end
end
for _, module in ipairs(modules) do look(require(module), module) end
return found
"""


def test_nothing_is_remembered_but_in_the_one_module_for_it(vim: Editor, project: Project) -> None:
    mission = project.save()
    before = vim.lua(REMEMBERED, str(PLUGIN), MODULES)
    assert len(before) > 100
    vim.command("Missions")
    vim.wait_for("Put the pieces", PANEL)
    vim.go_to("Put the pieces")
    vim.keys("<Tab>")
    vim.wait_for("Documents", PANEL)
    vim.keys("<CR>")
    until(lambda: vim.buffer_name().endswith("control.md"), 20, "the document")
    vim.command(f"Missions chat {mission}")
    until(lambda: "missions-prompt:" in vim.buffer_name(), 30, "the prompt")
    vim.command("Missions status")
    until(lambda: "ID: " in vim.text(), 20, "the report")
    assert vim.lua(REMEMBERED, str(PLUGIN), MODULES) == before


# Control and direction characters are refused in plans.
HOSTILE = "x %{v:lua.nope()} %#Error# `~<b>![i](missions:/control.md) \\033[31m vim: set ts=77 :"


def test_a_hostile_title_is_text_wherever_it_stands(vim: Editor, project: Project) -> None:
    plan = plan_of(title=HOSTILE)
    plan["milestones"][0]["features"][0]["title"] = HOSTILE + " — " + "long " * 18
    mission = project.save(plan)
    vim.command("Missions")
    vim.wait_for("%{v:lua.nope()}", PANEL)
    vim.keys("]n")
    vim.go_to("%{v:lua.nope()}")
    vim.keys("<Tab>")
    vim.wait_for("Documents", PANEL)
    assert len(vim.panel()) == 11
    vim.keys("K")
    until(lambda: mission in floating(vim), 20, "the details")
    vim.command("wincmd p")
    vim.command(f"edit missions:/{mission}/control.md")
    vim.wait_for("v:lua.nope")
    assert vim.lua("return vim.bo.tabstop") != 77
    vim.command(f"Missions chat {mission}")
    until(lambda: "missions-prompt:" in vim.buffer_name(), 30, "the prompt")
    vim.command("redraw!")
    shown = vim.lua(
        """vim.cmd("wincmd k")
        return vim.api.nvim_eval_statusline(vim.wo.winbar, { maxwidth = 400 }).str"""
    )
    assert "%{v:lua.nope()} %#Error#" in shown
    vim.assert_no_errors()


# ---------------------------------------------------------------------- documents


def test_documents_are_read_only_fold_and_link_to_each_other(vim: Editor, project: Project) -> None:
    mission = project.save()
    vim.command(f"edit missions:/{mission}/control.md")
    text = vim.wait_for("# Put the pieces in place")
    assert "F1 Piece F1" in text
    assert vim.lua("return { vim.bo.modifiable, vim.bo.buftype, vim.bo.filetype, vim.bo.modified }") == [
        False,
        "nofile",
        "markdown",
        False,
    ]
    vim.go_to("## Plan")
    assert vim.lua("return vim.fn.foldlevel('.')") == 2
    vim.go_to("[Mission Control](")
    vim.keys("f[gf")
    until(lambda: vim.buffer_name() == "missions:/control.md", 20, "the followed link")
    vim.wait_for("Put the pieces in place")
    vim.assert_no_errors()


def test_a_document_that_is_shown_follows_its_mission(vim: Editor, project: Project) -> None:
    mission = project.save()
    vim.command(f"edit missions:/{mission}/control.md")
    vim.wait_for("# Put the pieces in place")
    vim.go_to("## See also")
    line = vim.lua("return vim.fn.line('.')")
    project.control().request("abandon", mission, {"reason": "Not needed."})
    vim.wait_for("failed")
    assert vim.lua("return vim.fn.line('.')") <= line
    vim.command("edit")
    vim.wait_for("failed")
    vim.assert_no_errors()


def test_a_fold_that_was_opened_stays_open_when_its_document_grows(vim: Editor, project: Project) -> None:
    mission = project.save(plan_of({"M1": ["F1", "F2"]}))
    vim.command(f"edit missions:/{mission}/control.md")
    vim.wait_for("# Put the pieces in place")
    vim.command("set foldlevel=0")
    vim.go_to("# Put the pieces")
    vim.keys("zo")
    before = until(
        lambda: vim.lua("return vim.fn.foldclosed(1)") == -1 and len(vim.lines()), 20, "the open fold"
    )
    project.control().request("skip", mission, {"feature": "F2", "reason": "Not needed."})
    vim.wait_for("skipped")
    assert vim.lua("return vim.fn.foldclosed(1)") == -1
    assert len(vim.lines()) >= before
    vim.assert_no_errors()


def test_an_open_plan_file_follows_a_revision_by_somebody_else(vim: Editor, project: Project) -> None:
    mission = project.save(plan_of({"M1": ["F1", "F2"]}))
    vim.command(f"edit {project.store.mission(mission).plan / 'features.json'}")
    vim.command("Missions")
    vim.wait_for("Put the pieces", PANEL)
    change = {"op": "edit_feature", "featureId": "F1", "description": "Write it shorter."}
    project.control().request("revise-plan", mission, {"reason": "shorter", "operations": [change]})
    vim.wait_for("Write it shorter.", str(project.store.mission(mission).plan / "features.json"), 60)
    vim.assert_no_errors()


def test_a_document_that_does_not_exist_says_so_in_its_place(vim: Editor) -> None:
    vim.command("edit missions:/mission-nowhere/control.md")
    text = vim.wait_for("cannot be shown")
    assert "mission-nowhere" in text
    vim.assert_no_errors()
