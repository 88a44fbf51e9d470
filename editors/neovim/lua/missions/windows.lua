--- Where things are shown: side windows for our views, and the user's own windows for documents. Never a
--- buffer's content.

local M = {}

local SIDES = { left = "left", right = "right", top = "above", bottom = "below" }

--- Window options of our views. They are set for this buffer in this window only, so that they stay behind
--- with it.
M.VIEW_OPTIONS = {
  number = false,
  relativenumber = false,
  signcolumn = "no",
  foldcolumn = "0",
  statuscolumn = "",
  spell = false,
  list = false,
  colorcolumn = "",
  fillchars = "eob: ",
  wrap = false,
}

--- Whether a view in this position keeps its window to itself: nothing else, a quickfix jump least of all,
--- opens there.
---@param position string
---@return boolean
function M.is_own(position)
  return position ~= "current"
end

--- How many columns a view at a side gets: what it wants, but never all that other views leave.
---@param wanted integer
---@return integer
local function room_beside(wanted)
  local free = vim.o.columns
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if vim.wo[window].winfixwidth and vim.api.nvim_win_get_config(window).relative == "" then
      free = free - vim.api.nvim_win_get_width(window) - 1
    end
  end
  return math.min(wanted, math.max(math.floor(free * 0.6), 36))
end

--- Show a buffer in a side window and go there.
---@param buffer integer
---@param position string
---@param size integer
---@param options? table<string, any> Over those of every view.
---@return integer window
function M.open_view(buffer, position, size, options)
  local side = SIDES[position]
  if side then
    local upright = side == "left" or side == "right"
    vim.api.nvim_open_win(buffer, true, {
      split = side,
      win = -1,
      width = upright and room_beside(size) or nil,
      height = not upright and size or nil,
    })
  elseif position == "tab" then
    vim.cmd("tab sbuffer " .. buffer)
  else
    vim.api.nvim_win_set_buf(0, buffer)
  end
  local window = vim.api.nvim_get_current_win()
  for name, value in pairs(vim.tbl_extend("force", M.VIEW_OPTIONS, options or {})) do
    vim.wo[window][0][name] = value
  end
  if position == "left" or position == "right" then
    vim.wo[window][0].winfixwidth = true
  elseif position == "top" or position == "bottom" then
    vim.wo[window][0].winfixheight = true
  end
  return window
end

--- Whether a window is one for the user's text: not floating, not one of our views, no quickfix, no terminal.
---@param window integer
---@return boolean
local function is_normal(window)
  if
    vim.api.nvim_win_get_config(window).relative ~= ""
    or vim.wo[window].previewwindow
    or vim.wo[window].winfixbuf
  then
    return false
  end
  local buffer = vim.api.nvim_win_get_buf(window)
  local kind = vim.bo[buffer].buftype
  return kind == "" or vim.b[buffer].missions_document == true or kind == "help"
end

--- A window for a document: the one left last if it is a normal one, else another of this tab page, else a
--- new one.
---@return integer
function M.for_document()
  local current = vim.api.nvim_get_current_win()
  if is_normal(current) then
    return current
  end
  local last = vim.fn.win_getid(vim.fn.winnr("#"))
  if last ~= 0 and vim.api.nvim_win_is_valid(last) and is_normal(last) then
    return last
  end
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if is_normal(window) then
      return window
    end
  end
  -- Only views here: make room beside them, on the side that is not theirs.
  local position = require("missions.config").get().panel.position
  local empty = vim.api.nvim_create_buf(true, false)
  vim.bo[empty].bufhidden = "wipe"
  return vim.api.nvim_open_win(empty, false, {
    split = position == "right" and "left" or "right",
    win = -1,
  })
end

--- The windows of this tab page and others that show a buffer.
---@param buffer integer
---@return integer[]
function M.showing(buffer)
  return vim.iter(vim.fn.win_findbuf(buffer)):filter(vim.api.nvim_win_is_valid):totable()
end

--- Close a window, or leave it with an empty buffer if it is the last.
---@param window integer
function M.close(window)
  if not vim.api.nvim_win_is_valid(window) then
    return
  end
  if not pcall(vim.api.nvim_win_close, window, false) then
    vim.wo[window][0].winfixbuf = false
    vim.api.nvim_win_call(window, function()
      vim.cmd.enew()
    end)
  end
end

--- A text in a float near the cursor or, for help, in the middle; `q`, <Esc> and leaving close it.
---@param lines string[]
---@param filetype string
---@param title? string
function M.float(lines, filetype, title)
  local buffer, window = vim.lsp.util.open_floating_preview(lines, filetype, {
    border = "rounded",
    title = title,
    focus_id = "missions",
    max_width = 90,
    -- Otherwise it would be no wider than the window that it opens over.
    wrap_at = math.min(90, vim.o.columns - 4),
    max_height = math.max(10, math.floor(vim.o.lines * 0.7)),
    wrap = true,
  })
  if vim.api.nvim_buf_is_valid(buffer) then
    vim.keymap.set("n", "<Esc>", function()
      M.close(window)
    end, { buffer = buffer, desc = "Close" })
  end
end

--- A report below: a scratch buffer that `q` closes.
---@param title string
---@param text string
---@param filetype? string
function M.report(title, text, filetype)
  local lines = vim.split(vim.trim((text:gsub("\r", ""))), "\n", { plain = true })
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
  vim.bo[buffer].bufhidden = "wipe"
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].filetype = filetype or "missionsreport"
  vim.keymap.set("n", "q", function()
    M.close(vim.api.nvim_get_current_win())
  end, { buffer = buffer, nowait = true, desc = "Close" })
  local height = math.min(#lines + 1, math.max(5, math.floor(vim.o.lines * 0.4)))
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if vim.w[window].missions_report then
      vim.api.nvim_win_set_buf(window, buffer)
      vim.api.nvim_win_set_height(window, height)
      vim.wo[window][0].winbar = " " .. title:gsub("%%", "%%%%")
      vim.api.nvim_set_current_win(window)
      return
    end
  end
  local window =
    M.open_view(buffer, "bottom", height, { wrap = true, winbar = " " .. title:gsub("%%", "%%%%") })
  vim.w[window].missions_report = true
end

return M
