--- The `missions:` documents as buffers: read-only, fetched when read, fetched again when the server says
--- they changed, with folds by heading and links that `gf` and <CR> follow. Never writes a file.

local client = require("missions.client")
local lines = require("missions.lines")
local links = require("missions.links")
local messages = require("missions.messages")
local windows = require("missions.windows")

local M = {}

--- How long `:edit missions:…` waits for the text before it goes on without; then it comes later.
local WAIT = 3000

---@param name string
---@return string
local function filetype_of(name)
  local extension = name:match("%.(%w+)$")
  return ({ md = "markdown", json = "json", diff = "diff", jsonl = "json" })[extension] or "text"
end

--- Replace the text; cursors and scrolling of every window that shows it stay where they are.
---@param buffer integer
---@param text string
local function fill(buffer, text)
  if not vim.api.nvim_buf_is_valid(buffer) then
    return
  end
  local wanted = vim.split((text:gsub("\r", "")), "\n", { plain = true })
  if wanted[#wanted] == "" and #wanted > 1 then
    wanted[#wanted] = nil
  end
  local views = {}
  for _, window in ipairs(windows.showing(buffer)) do
    views[window] = vim.api.nvim_win_call(window, vim.fn.winsaveview)
  end
  if not lines.write(buffer, wanted) then
    return
  end
  for window, view in pairs(views) do
    if vim.api.nvim_win_is_valid(window) then
      vim.api.nvim_win_call(window, function()
        vim.fn.winrestview(view)
      end)
    end
  end
end

---@param buffer integer
---@param done? fun()
local function fetch(buffer, done)
  local uri = links.uri_of_name(vim.api.nvim_buf_get_name(buffer))
  client.request("missions/content", { uri = uri }, function(failure, result)
    if failure then
      fill(buffer, "# This document cannot be shown\n\n" .. messages.of_failure(failure))
    elseif type(result) == "table" then
      fill(buffer, result.text or "")
      if vim.api.nvim_buf_is_valid(buffer) and result.languageId and vim.bo[buffer].filetype == "text" then
        vim.bo[buffer].filetype = result.languageId
      end
    end
    if done then
      done()
    end
  end)
end

---@param buffer integer
local function set_up(buffer)
  local name = vim.api.nvim_buf_get_name(buffer)
  vim.bo[buffer].buftype = "nofile"
  vim.bo[buffer].bufhidden = "hide"
  vim.bo[buffer].swapfile = false
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].undofile = false
  -- The text is that of models and repositories: it sets no options.
  vim.bo[buffer].modeline = false
  vim.b[buffer].missions_document = true
  local filetype = filetype_of(name)
  if vim.bo[buffer].filetype ~= filetype then
    vim.bo[buffer].filetype = filetype
  end
  if filetype == "markdown" then
    pcall(vim.treesitter.start, buffer, "markdown")
  end
  for _, key in ipairs({ "gf", "<CR>" }) do
    vim.keymap.set("n", key, function()
      M.follow()
    end, { buffer = buffer, desc = "Missions: open the link under the cursor" })
  end
  vim.keymap.set("n", "R", function()
    fetch(buffer)
  end, { buffer = buffer, desc = "Missions: fetch again" })
end

--- Folds and the like belong to the window; they are set when the document comes into one.
---@param buffer integer
local function set_up_window(buffer)
  for _, window in ipairs(windows.showing(buffer)) do
    local options = vim.wo[window][0]
    options.foldmethod = "expr"
    options.foldexpr = "v:lua.require'missions.folds'.level()"
    options.foldlevel = vim.api.nvim_buf_get_name(buffer):find("transcript", 1, true) and 1 or 99
    options.wrap = true
    options.linebreak = true
    options.conceallevel = 2
    options.concealcursor = "nc"
  end
end

--- BufReadCmd of every buffer of ours.
---@param buffer integer
---@param name string
function M.read(buffer, name)
  if name:find("^missions%-panel:") then
    return require("missions.panel").adopt(buffer)
  elseif name:find("^missions%-chat:") then
    return require("missions.chat").adopt(buffer, name)
  end
  set_up(buffer)
  set_up_window(buffer)
  local arrived = false
  fetch(buffer, function()
    arrived = true
  end)
  -- Whoever jumps into the document wants to land on its text, so wait for it, but not for ever.
  vim.wait(WAIT, function()
    return arrived
  end, 5)
  if not arrived then
    fill(buffer, "Fetching …")
  end
end

--- The server says that a document has another text now.
---@param uri string
function M.refresh(uri)
  local buffer = M.buffer_of(uri)
  if buffer and vim.api.nvim_buf_is_loaded(buffer) then
    fetch(buffer)
  end
end

--- The buffer that holds a document, if there is one.
---@param uri string
---@return integer?
function M.buffer_of(uri)
  local name = links.name_of_uri(uri)
  return vim.iter(vim.api.nvim_list_bufs()):find(function(buffer)
    return vim.api.nvim_buf_get_name(buffer) == name
  end)
end

--- Open a `missions:` or `file:` URI in a window of the user's, or a web address outside.
---@param uri string
---@param options? { focus?: boolean, range?: lsp.Range, line?: integer }
---@return boolean shown
function M.open(uri, options)
  options = options or {}
  if uri:find("^https?:") or uri:find("^mailto:") then
    local _, problem = vim.ui.open(uri)
    if problem then
      messages.warn(problem)
    end
    return problem == nil
  end
  local bare, fragment = links.split_fragment(uri)
  local line = options.line or links.line_of_fragment(fragment)
  local name = links.name_of_uri(bare)
  local before = vim.api.nvim_get_current_win()
  local window = windows.for_document()
  local shown, problem = pcall(vim.api.nvim_win_call, window, function()
    vim.cmd("normal! m'")
    -- `:edit` of the buffer that is already there would fetch it a second time.
    local buffer = vim.fn.bufadd(name)
    vim.bo[buffer].buflisted = true
    vim.cmd.buffer({ buffer, mods = { keepalt = false } })
    if vim.b[buffer].missions_document then
      set_up_window(buffer)
    end
    local row = options.range and options.range.start.line + 1 or line
    if row then
      vim.api.nvim_win_set_cursor(0, { math.min(row, vim.api.nvim_buf_line_count(buffer)), 0 })
      vim.cmd("normal! zvzz")
    elseif fragment then
      vim.fn.search("\\V" .. vim.fn.escape(fragment, "\\"), "cw")
    end
  end)
  if not shown then
    messages.warn(tostring(problem):gsub("^.-:%d+: ", ""))
    return false
  end
  if options.focus ~= false and vim.api.nvim_win_is_valid(window) then
    vim.api.nvim_set_current_win(window)
  elseif vim.api.nvim_win_is_valid(before) then
    vim.api.nvim_set_current_win(before)
  end
  return true
end

--- Follow the link under the cursor; without one `gf` means what it always means.
function M.follow()
  local column = vim.api.nvim_win_get_cursor(0)[2] + 1
  local target = links.at(vim.api.nvim_get_current_line(), column)
  if not target then
    local word = vim.fn.expand("<cfile>")
    if word == "" or not pcall(vim.cmd.normal, { "gf", bang = true }) then
      messages.echo("No link under the cursor.")
    end
    return
  end
  M.open(links.resolve(target, links.uri_of_name(vim.api.nvim_buf_get_name(0)), vim.uv.cwd() or "/"))
end

return M
