--- The two buffers of a chat, transcript above and prompt below, and their windows. It sends nothing.

local lines = require("missions.lines")
local messages = require("missions.messages")
local render = require("missions.panel.render")
local windows = require("missions.windows")

local M = {}

local NAMESPACE = vim.api.nvim_create_namespace("missions.chat")

---@param buffer integer
---@param filetype string
local function scratch(buffer, filetype)
  vim.bo[buffer].buftype = "nofile"
  vim.bo[buffer].bufhidden = "hide"
  vim.bo[buffer].swapfile = false
  vim.bo[buffer].buflisted = false
  vim.bo[buffer].undofile = false
  vim.bo[buffer].filetype = filetype
end

--- A transcript's options.
---@param buffer integer
function M.prepare(buffer)
  scratch(buffer, "missionschat")
  vim.bo[buffer].modifiable = false
  pcall(vim.treesitter.start, buffer, "markdown")
end

--- The buffers of a chat that has none.
---@param id string
---@param transcript? integer A buffer that was read by the chat's name.
---@return integer transcript
---@return integer prompt
function M.buffers(id, transcript)
  render.define_highlights()
  transcript = transcript or vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_name(transcript, "missions-chat://" .. id)
  M.prepare(transcript)
  local prompt = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_name(prompt, "missions-prompt://" .. id)
  scratch(prompt, "missionsprompt")
  M.hint(prompt)
  vim.api.nvim_create_autocmd({ "TextChanged", "TextChangedI" }, {
    buffer = prompt,
    desc = "Missions: the hint in an empty prompt",
    callback = function()
      M.hint(prompt)
    end,
  })
  return transcript, prompt
end

--- What an empty prompt says.
---@param prompt integer
function M.hint(prompt)
  vim.api.nvim_buf_clear_namespace(prompt, NAMESPACE, 0, -1)
  local typed = vim.api.nvim_buf_get_lines(prompt, 0, 2, false)
  if #typed == 1 and typed[1] == "" then
    vim.api.nvim_buf_set_extmark(prompt, NAMESPACE, 0, 0, {
      virt_text = { { messages.prompt_hint, "MissionsDescription" } },
      virt_text_pos = "overlay",
    })
  end
end

--- The window of a buffer in this tab page.
---@param buffer integer
---@return integer?
function M.find(buffer)
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if vim.api.nvim_win_get_buf(window) == buffer then
      return window
    end
  end
end

--- A title as a winbar; one that is too long loses its end.
---@param title string
---@return string
local function bar(title)
  return " " .. title:gsub("[%c]", " "):gsub("%%", "%%%%") .. "%<"
end

--- Show both and go to the prompt.
---@param transcript integer
---@param prompt integer
---@param title string
function M.show(transcript, prompt, title)
  local config = require("missions.config").get().chat
  local above = M.find(transcript)
  if above then
    vim.api.nvim_set_current_win(above)
  else
    above = windows.open_view(transcript, config.position, config.size, {
      wrap = true,
      linebreak = true,
      breakindent = true,
      conceallevel = 2,
      concealcursor = "nc",
      winfixbuf = windows.is_own(config.position),
    })
  end
  vim.wo[above][0].winbar = bar(title)
  local below = M.find(prompt)
  if not below then
    below = vim.api.nvim_open_win(prompt, true, {
      split = "below",
      win = above,
      height = config.prompt_height,
    })
    for name, value in pairs(windows.VIEW_OPTIONS) do
      vim.wo[below][0][name] = value
    end
    vim.wo[below][0].wrap = true
    vim.wo[below][0].linebreak = true
    vim.wo[below][0].winfixheight = true
    vim.wo[below][0].winfixbuf = true
    vim.wo[below][0].winbar = nil
  end
  vim.api.nvim_win_call(above, function()
    vim.cmd("normal! G")
  end)
  vim.api.nvim_set_current_win(below)
end

---@param transcript integer
---@param title string
function M.set_title(transcript, title)
  for _, window in ipairs(windows.showing(transcript)) do
    vim.wo[window][0].winbar = bar(title)
  end
end

---@param transcript integer
---@param prompt integer
function M.close(transcript, prompt)
  for _, buffer in ipairs({ prompt, transcript }) do
    local window = M.find(buffer)
    if window then
      windows.close(window)
    end
  end
end

--- Write the transcript. A window whose cursor is on the last line follows the text; one that reads above
--- stays there.
---@param buffer integer
---@param drawing { lines: string[], marks: missions.Mark[] }
function M.write(buffer, drawing)
  if not vim.api.nvim_buf_is_valid(buffer) then
    return
  end
  local count = vim.api.nvim_buf_line_count(buffer)
  local following = {}
  for _, window in ipairs(windows.showing(buffer)) do
    following[window] = vim.api.nvim_win_get_cursor(window)[1] >= count
  end
  -- Only what is new is written: a long conversation is not written again for every word.
  local first = lines.write(buffer, drawing.lines)
  if not first then
    return
  end
  vim.api.nvim_buf_clear_namespace(buffer, NAMESPACE, first - 1, -1)
  for _, mark in ipairs(drawing.marks) do
    if mark.row >= first - 1 then
      vim.api.nvim_buf_set_extmark(
        buffer,
        NAMESPACE,
        mark.row,
        mark.from,
        { end_col = mark.to, hl_group = mark.group }
      )
    end
  end
  for window, follows in pairs(following) do
    if follows and vim.api.nvim_win_is_valid(window) then
      vim.api.nvim_win_set_cursor(window, { math.max(#drawing.lines, 1), 0 })
    end
  end
end

return M
