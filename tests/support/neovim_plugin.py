"""The Neovim plugin in a real Neovim: started from its folder, driven by keys and commands, read as a person would.

What it shows is read from buffers, windows and messages; what it holds inside is not looked at.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

import psutil
import pynvim

from support.editors import ROOT, World, neovim
from support.waiting import until

PLUGIN = ROOT / "editors/neovim"
MODULES = [
    ".".join(path.relative_to(PLUGIN / "lua").with_suffix("").parts).removesuffix(".init")
    for path in sorted((PLUGIN / "lua").rglob("*.lua"))
]

#: What Neovim has since 0.12. Its own runtime uses these; the plugin, whose floor is 0.11, must not.
_NEWER_THAN_THE_FLOOR = """
local plugin = ...
local function guard(owner, name, of)
  local real = owner and owner[name]
  if type(real) ~= "function" then return end
  owner[name] = function(...)
    if debug.getinfo(2, "S").source:find(plugin, 1, true) then
      error(("%s.%s is newer than Neovim 0.11"):format(of, name), 2)
    end
    return real(...)
  end
end
for _, of in ipairs({ "list", "pos", "range", "net", "pack" }) do
  for name in pairs(vim[of] or {}) do guard(vim[of], name, of) end
end
guard(vim.fs, "ext", "fs")
guard(vim.lsp, "get_configs", "lsp")
guard(vim.text, "diff", "text")
guard(vim.ui, "progress_status", "ui")
guard(vim.version, "intersect", "version")
guard(vim.diagnostic, "status", "diagnostic")
guard(vim.treesitter, "select", "treesitter")
for _, name in ipairs({ "nvim_open_tabpage", "nvim_ui_send" }) do guard(vim.api, name, "api") end
local iterator = getmetatable(vim.iter({}))
while iterator do
  guard(iterator, "unique", "iter")
  iterator = getmetatable(iterator)
end
"""

_RECORD = """
_G.test = { notified = {}, asked = {}, answers = {}, typed = {} }
vim.notify = function(text, level)
  table.insert(_G.test.notified, { text = text, level = level or vim.log.levels.INFO })
end
vim.ui.select = function(items, options, choose)
  local format = options.format_item or tostring
  local shown = vim.tbl_map(format, items)
  table.insert(_G.test.asked, { prompt = options.prompt, items = shown })
  for number, wanted in ipairs(_G.test.answers) do
    for index, text in ipairs(shown) do
      if text:find(wanted, 1, true) then
        table.remove(_G.test.answers, number)
        return choose(items[index], index)
      end
    end
  end
  choose(nil)
end
vim.ui.input = function(options, confirm)
  table.insert(_G.test.asked, { prompt = options.prompt, items = {} })
  confirm(table.remove(_G.test.typed, 1))
end
"""


class Editor:
    """A Neovim with the plugin."""

    def __init__(self, nvim: pynvim.Nvim) -> None:
        self.nvim = nvim

    def lua(self, code: str, *arguments: Any) -> Any:
        return self.nvim.exec_lua(code, *arguments)

    def command(self, text: str) -> None:
        self.nvim.command(text)

    def keys(self, keys: str) -> None:
        """Type keys as a person would, after what was typed before has been done."""
        self.nvim.input(keys)

    def lines(self, name: str = "") -> list[str]:
        """The lines of the current buffer, or of the one whose name begins so."""
        return self.lua(
            """local name = ...
            if name == "" then return vim.api.nvim_buf_get_lines(0, 0, -1, false) end
            for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
              if vim.startswith(vim.api.nvim_buf_get_name(buffer), name) then
                return vim.api.nvim_buf_get_lines(buffer, 0, -1, false)
              end
            end
            return {}""",
            name,
        )

    def panel(self) -> list[str]:
        return self.lines("missions-panel:")

    def text(self, name: str = "") -> str:
        return "\n".join(self.lines(name))

    def buffer_name(self) -> str:
        return self.lua("return vim.api.nvim_buf_get_name(0)")

    def notified(self) -> list[str]:
        """What `vim.notify` was called with."""
        return [entry["text"] for entry in self.lua("return _G.test.notified")]

    def asked(self) -> list[dict[str, Any]]:
        """Prompts and items of every menu that was shown."""
        return self.lua("return _G.test.asked")

    def answer(self, *texts: str) -> None:
        """Menus that come are answered with an item that holds one of these texts, each once; others are closed."""
        self.lua("_G.test.answers = ...", list(texts))

    def type_in(self, *texts: str) -> None:
        """What the next input prompts are answered with."""
        self.lua("vim.list_extend(_G.test.typed, ...)", list(texts))

    def forget(self) -> None:
        """As if nothing had been said or asked yet, and without options."""
        self.lua("_G.test.notified, _G.test.asked, _G.test.answers, _G.test.typed = {}, {}, {}, {}")
        self.lua("vim.g.missions = nil")

    def messages(self) -> str:
        return self.lua("return vim.api.nvim_exec2('messages', { output = true }).output")

    def assert_no_errors(self) -> None:
        """Nothing that Neovim itself calls an error was said."""
        assert not re.search(r"E\d+:|stack traceback|Error executing", self.messages()), self.messages()

    def wait_for(self, text: str, name: str = "", deadline: float = 30.0) -> str:
        """Wait until a buffer shows a text; returns all of it."""
        try:
            until(lambda: text in self.text(name), deadline)
        except AssertionError:
            raise AssertionError(
                f"no {text!r} in {name or 'the current buffer'}:\n{self.text(name)}\n-- messages:\n{self.messages()}"
                f"\n-- notified: {self.notified()}"
            ) from None
        return self.text(name)

    def go_to(self, text: str) -> None:
        """Put the cursor on the line that holds a text."""
        found = self.lua(
            """for number, line in ipairs(vim.api.nvim_buf_get_lines(0, 0, -1, false)) do
              if line:find(..., 1, true) then
                vim.api.nvim_win_set_cursor(0, { number, 0 })
                return true
              end
            end""",
            text,
        )
        assert found, f"no {text!r} in:\n{self.text()}"

    def cursor_line_of(self, name: str) -> str:
        """The line that the cursor is on in the window of another buffer."""
        return self.lua(
            """local name = ...
            for _, window in ipairs(vim.api.nvim_list_wins()) do
              local buffer = vim.api.nvim_win_get_buf(window)
              if vim.startswith(vim.api.nvim_buf_get_name(buffer), name) then
                local line = vim.api.nvim_win_get_cursor(window)[1]
                return vim.api.nvim_buf_get_lines(buffer, line - 1, line, false)[1]
              end
            end
            return "" """,
            name,
        )

    def cursor_line(self) -> str:
        return self.lua("return vim.api.nvim_get_current_line()")


def servers(world: World) -> list[psutil.Process]:
    """Language servers of this world that live."""
    return world.running("lsp")


@contextmanager
def editor(
    world: World,
    arguments: Iterable[str] = (),
    options: dict[str, Any] | None = None,
    record: bool = True,
    **environment: str,
) -> Generator[Editor]:
    """A Neovim in the world's workspace that finds the plugin as from a plain runtime path."""
    setup = [
        *("--cmd", f"cd {world.workspace}"),
        *("--cmd", f"set runtimepath^={PLUGIN}"),
        *("--cmd", "set columns=120 lines=40"),
    ]
    with neovim(world, [*setup, *arguments], **environment) as nvim:
        if options is not None:
            nvim.vars["missions"] = options
        nvim.exec_lua(_NEWER_THAN_THE_FLOOR, str(PLUGIN))
        if record:
            nvim.exec_lua(_RECORD)
        yield Editor(nvim)


def server_command(*arguments: str) -> list[str]:
    """The command of the language server of the environment that runs the tests."""
    return [sys.executable, "-m", "missions", "lsp", *arguments]
