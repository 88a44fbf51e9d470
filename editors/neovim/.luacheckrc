-- What luacheck takes for granted in Neovim's Lua.
std = "luajit"
read_globals = { "vim" }
-- Options and variables of the editor are set through fields of vim.
globals = { "vim.g", "vim.b", "vim.w", "vim.o", "vim.bo", "vim.wo", "vim.opt", "vim.opt_local", "vim.env" }
max_line_length = 110
-- A callback often takes more than it uses.
unused_args = false
