--- Files that missions and this Neovim both touch: what is unsaved here is told to the server, what a mission
--- changed is read again. A buffer with unsaved changes is never touched.

local client = require("missions.client")
local messages = require("missions.messages")
local state = require("missions.state")

local M = {}

---@param buffer integer
---@return boolean
local function is_file(buffer)
  return vim.api.nvim_buf_is_loaded(buffer)
    and vim.bo[buffer].buftype == ""
    and vim.api.nvim_buf_get_name(buffer) ~= ""
end

--- Tell the server which files have unsaved changes, if that has changed.
function M.tell_unsaved()
  if not client.find() then
    return
  end
  local unsaved = vim
    .iter(vim.api.nvim_list_bufs())
    :filter(function(buffer)
      return is_file(buffer) and vim.bo[buffer].modified
    end)
    :map(vim.uri_from_bufnr)
    :totable()
  table.sort(unsaved)
  local key = table.concat(unsaved, "\n")
  if key ~= state.dirty then
    state.dirty = key
    client.notify("missions/buffers", { dirty = unsaved })
  end
end

--- The server is there: tell it from now on.
function M.started()
  state.dirty = nil
  vim.api.nvim_create_autocmd({ "BufModifiedSet", "BufWritePost", "BufUnload", "BufFilePost" }, {
    group = vim.api.nvim_create_augroup("missions.unsaved", {}),
    desc = "Missions: tell the server what is unsaved",
    callback = function()
      -- After the event: a buffer that is being unloaded still counts as loaded in it.
      vim.schedule(M.tell_unsaved)
    end,
  })
  M.tell_unsaved()
end

--- Read a file again that has no unsaved changes. Only with 'autoread' is that done without a question; the
--- user's own value stays as it is.
---@param buffer integer
local function read_again(buffer)
  local autoread = vim.bo[buffer].autoread
  vim.bo[buffer].autoread = true
  pcall(vim.cmd.checktime, { buffer })
  vim.bo[buffer].autoread = autoread
end

--- A mission changed files; those that are open here are read again.
---@param params missions.FilesChanged
function M.changed(params)
  for _, uri in ipairs(params.uris or {}) do
    local name = uri:find("^file:") and vim.uri_to_fname(uri) or nil
    local buffer = name and vim.fn.bufnr("^" .. vim.fn.escape(name, "\\*?[]{},~$") .. "$") or -1
    if buffer > 0 and is_file(buffer) then
      if not vim.bo[buffer].modified then
        read_again(buffer)
      elseif not state.told[uri] then
        state.told[uri] = true
        messages.notice(messages.unsaved[1]:format(vim.fn.fnamemodify(name, ":~:.")), messages.unsaved[2])
      end
    end
  end
end

return M
