--- Everything that is remembered between two calls, in one table. Nothing here acts.

---@class missions.State
---@field client_id? integer The one client of this Neovim.
---@field starting (fun(client?: vim.lsp.Client))[] Who waits until the server has answered `initialize`.
---@field stopping boolean The end of the server was asked for.
---@field folders string[] Roots that came before the server could be told.
---@field status? missions.Status The newest status of the server.
---@field decisions table<string, missions.Decision> Open questions, by mission and decision.
---@field questions missions.Question[] Questions of the server that wait for `:Missions decide`.
---@field panel? missions.Panel
---@field chats table<string, missions.Chat> By the chat's id.
---@field dirty? string What was last said about unsaved buffers.
---@field visible? boolean What was last said about the visibility of the tree.
---@field folds? { buffer: integer, tick: integer, levels: string[] } Of the document folded last.
---@field told table<string, boolean> Unsaved files that the user knows a mission changed.
local state = {
  starting = {},
  stopping = false,
  folders = {},
  decisions = {},
  questions = {},
  chats = {},
  told = {},
}

return state
