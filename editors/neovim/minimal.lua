-- A Neovim with this plugin and nothing else, for bug reports:
--
--   nvim --clean -u editors/neovim/minimal.lua
--
-- Say in the report what you did, what you saw, and what `:checkhealth missions` and `:Missions log` show.

local here = vim.fs.dirname(vim.fs.normalize(debug.getinfo(1, "S").source:sub(2)))
vim.opt.runtimepath:prepend(vim.uv.fs_realpath(here) or here)
vim.g.missions = {
  -- cmd = { "/path/to/missions", "lsp", "--log-level", "debug" },
}
vim.lsp.log.set_level("debug")
