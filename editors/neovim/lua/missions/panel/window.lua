--- The panel's buffer and what of it is on the screen: writing a drawing into it, with cursor and scrolling
--- kept by id.

local lines = require("missions.lines")
local windows = require("missions.windows")

local M = {}

local NAMESPACE = vim.api.nvim_create_namespace("missions.panel")

M.NAME = "missions-panel://control"

---@param buffer integer
function M.prepare(buffer)
  local options = vim.bo[buffer]
  options.buftype = "nofile"
  options.bufhidden = "hide"
  options.swapfile = false
  options.buflisted = false
  options.modifiable = false
  options.undofile = false
  options.filetype = "missionspanel"
end

---@param drawing missions.Drawing
---@param id string
---@return integer?
function M.line_of(drawing, id)
  for line, other in pairs(drawing.ids) do
    if other == id then
      return line
    end
  end
end

---@class missions.Place Where a window is, in terms that survive another drawing.
---@field line integer
---@field column integer
---@field id? string
---@field top integer
---@field top_id? string
---@field left integer

---@param window integer
---@param drawing? missions.Drawing
---@return missions.Place
local function place_of(window, drawing)
  local view = vim.api.nvim_win_call(window, vim.fn.winsaveview)
  local ids = drawing and drawing.ids or {}
  return {
    line = view.lnum,
    column = view.col,
    id = ids[view.lnum],
    top = view.topline,
    top_id = ids[view.topline],
    left = view.leftcol,
  }
end

---@param window integer
---@param place missions.Place
---@param drawing missions.Drawing
local function go_back(window, place, drawing)
  if not vim.api.nvim_win_is_valid(window) then
    return
  end
  local count = math.max(#drawing.lines, 1)
  local line = place.id and M.line_of(drawing, place.id) or math.min(place.line, count)
  local top = place.top_id and M.line_of(drawing, place.top_id) or math.min(place.top, count)
  -- The line the user is on wins: it stays in sight even when the one at the top has moved far away.
  top = math.max(math.min(top, line), line - vim.api.nvim_win_get_height(window) + 1, 1)
  vim.api.nvim_win_call(window, function()
    vim.fn.winrestview({ lnum = line, col = place.column, topline = top, leftcol = place.left })
  end)
end

--- Write a drawing into the buffer; only what differs is written, and nothing at all when nothing does.
---@param buffer integer
---@param old? missions.Drawing What the buffer shows.
---@param new missions.Drawing
function M.write(buffer, old, new)
  if not vim.api.nvim_buf_is_valid(buffer) then
    return
  end
  local shown = vim.api.nvim_buf_get_lines(buffer, 0, -1, false)
  local same_text = vim.deep_equal(shown, new.lines)
  if same_text and old and vim.deep_equal(old.marks, new.marks) and vim.deep_equal(old.ids, new.ids) then
    return
  end
  local places = {}
  for _, window in ipairs(windows.showing(buffer)) do
    places[window] = place_of(window, old)
  end
  lines.write(buffer, new.lines)
  vim.api.nvim_buf_clear_namespace(buffer, NAMESPACE, 0, -1)
  for _, mark in ipairs(new.marks) do
    vim.api.nvim_buf_set_extmark(buffer, NAMESPACE, mark.row, mark.from, {
      end_col = mark.to,
      hl_group = mark.group,
    })
  end
  for window, place in pairs(places) do
    go_back(window, place, new)
  end
end

return M
