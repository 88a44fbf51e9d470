--- Mission Control: a read-only panel with the server's tree. It opens, reveals and refreshes; it changes no
--- mission.

local Model = require("missions.panel.model")
local client = require("missions.client")
local keys = require("missions.keys")
local messages = require("missions.messages")
local render = require("missions.panel.render")
local reveal = require("missions.panel.reveal")
local state = require("missions.state")
local window = require("missions.panel.window")
local windows = require("missions.windows")

local M = {}

M.TITLE = "Mission Control"

---@class missions.Panel
---@field buffer integer
---@field model missions.TreeModel
---@field drawing? missions.Drawing
---@field asking integer Requests that have not been answered.
---@field round integer Grows with each server; answers of an earlier one are no longer for us.
---@field again? string[] What changed while they were on their way.
---@field problem? string[] Shown below the tree.
---@field lost missions.Lost[] Cursors whose node is on its way back.
---@field wanted? string Mission that the cursor goes to when it is drawn.

---@return missions.Panel?
local function live()
  local panel = state.panel
  return panel and vim.api.nvim_buf_is_valid(panel.buffer) and panel or nil
end

---@return integer? window of the panel in this tab page
local function here()
  local panel = live()
  for _, candidate in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if panel and vim.api.nvim_win_get_buf(candidate) == panel.buffer then
      return candidate
    end
  end
end

local fetch

local function draw()
  local panel = live()
  if not panel then
    return
  end
  local lost = reveal.before(panel)
  local rows = panel.model:rows()
  local notice = panel.problem
  if not notice and not panel.model.children[Model.ROOT] then
    notice = messages.waiting
  elseif not notice and M.is_empty(rows) then
    notice = vim.list_extend(#rows > 0 and { "" } or {}, messages.empty)
  end
  local drawing = render.draw(rows, {
    icons = require("missions.config").get().icons,
    title = M.TITLE,
    notice = notice,
  })
  window.write(panel.buffer, panel.drawing, drawing)
  panel.drawing = drawing
  reveal.go_to_found(panel)
  reveal.go_to_wanted(panel)
  reveal.after(panel, lost, fetch)
end

--- No mission anywhere: only sections, or nothing at all.
---@param rows missions.Row[]
---@return boolean
function M.is_empty(rows)
  return vim.iter(rows):all(function(row)
    return (row.node.contextValue or ""):find("^section") ~= nil
      and (row.node.collapsible or "none") == "none"
  end)
end

---@param panel missions.Panel
---@param failure missions.Failure
local function show_problem(panel, failure)
  panel.problem = vim.list_extend(
    { "" },
    vim.split(messages.of_failure(failure) .. "\nR tries again.", "\n", { plain = true })
  )
end

--- An answer, good or bad, is in: draw when it was the last one, and ask again for what changed in the
--- meantime.
---@param panel missions.Panel
local function answered(panel)
  panel.asking = panel.asking - 1
  if panel.asking > 0 then
    return
  end
  draw()
  local again = panel.again
  if again then
    panel.again = nil
    fetch(panel, panel.model:stale(again))
  end
end

---@param panel missions.Panel
---@param parents string[]
function fetch(panel, parents)
  if #parents == 0 then
    return
  end
  panel.asking = panel.asking + #parents
  local round = panel.round
  for _, parent in ipairs(parents) do
    local params = parent ~= Model.ROOT and { nodeId = parent } or nil
    client.request("missions/tree/children", params, function(failure, result)
      if panel ~= live() or panel.round ~= round then
        return
      end
      if failure then
        show_problem(panel, failure)
      else
        panel.problem = nil
        panel.model:set_children(parent, type(result) == "table" and result.nodes or {})
        -- Below a node that is open there may be open nodes that nobody has asked about yet.
        fetch(
          panel,
          vim.tbl_filter(function(id)
            return panel.model:is_open(id) and not panel.model.children[id]
          end, panel.model.children[parent] or {})
        )
      end
      answered(panel)
    end)
  end
end

--- Ask again, for everything that is shown or for what is below and around some nodes.
---@param ids? string[]
function M.refresh(ids)
  local panel = live()
  if not panel then
    return
  end
  if panel.asking > 0 then
    -- All is wanted when either is all; otherwise both.
    local before = panel.again
    panel.again = (before and #before == 0 or #(ids or {}) == 0) and {}
      or vim.list_extend(before or {}, ids or {})
    return
  end
  fetch(panel, panel.model:stale(ids or {}))
end

--- Say whether anything that lives from tree changes can be seen.
local function tell_visibility()
  local panel = live()
  local visible = panel ~= nil and #windows.showing(panel.buffer) > 0
  if visible ~= state.visible and client.find() then
    state.visible = visible
    client.notify("missions/tree/visibility", { visible = visible })
    return visible
  end
end

-- ------------------------------------------------------------------ what the user does

---@return missions.TreeNode?, missions.Panel?
local function under_cursor()
  local panel = live()
  if not panel or vim.api.nvim_get_current_buf() ~= panel.buffer or not panel.drawing then
    return
  end
  local id = panel.drawing.ids[vim.api.nvim_win_get_cursor(0)[1]]
  return id and panel.model.nodes[id] or nil, panel
end

--- The mission that the line under the cursor belongs to.
---@return string?
function M.mission_at_cursor()
  local node, panel = under_cursor()
  while node and panel do
    local mission = require("missions.mission").of_command(node.command)
    if mission then
      return mission
    end
    node = panel.model.nodes[panel.model.parents[node.id]]
  end
end

---@param open? boolean The other of what it is, if absent.
local function fold(open)
  local node, panel = under_cursor()
  if not node or not panel then
    return
  end
  local model = panel.model
  if not model:can_open(node.id) or (open == false and not model:is_open(node.id)) then
    -- Closing a leaf, or what is closed, closes what it is in.
    local parent = model.parents[node.id]
    if open == false and parent and parent ~= Model.ROOT then
      local line = panel.drawing and window.line_of(panel.drawing, parent)
      if line then
        vim.api.nvim_win_set_cursor(0, { line, 0 })
      end
    end
    return
  end
  if open == nil then
    open = not model:is_open(node.id)
  end
  model:set_open(node.id, open)
  draw()
  if open then
    fetch(panel, { node.id })
  end
end

--- Run what a node offers. The panel is read-only: it follows commands that show something and no others.
---@param command missions.TreeCommand
local function follow(command)
  local argument = command.arguments and command.arguments[1]
  local operation = command.command:match("^missions%.(.+)$")
  if command.command == "open" and type(argument) == "string" then
    require("missions.documents").open(argument)
  elseif vim.tbl_contains({ "open", "control", "show", "status" }, operation) then
    require("missions.commands").execute(operation, argument or {})
  elseif operation == "decide" then
    require("missions.commands").decide(argument or {})
  else
    messages.echo(command.title .. ": use :Missions " .. (operation or command.command))
  end
end

local function activate()
  local node = under_cursor()
  if not node then
    return
  end
  if node.command then
    follow(node.command)
  else
    fold()
  end
end

local function details()
  local node = under_cursor()
  if node then
    windows.float(render.details(node), "markdown")
  end
end

---@param step 1|-1
local function jump(step)
  local panel = live()
  if panel and panel.drawing then
    local line = vim.api.nvim_win_get_cursor(0)[1]
    local target = render.needing_you(panel.model:rows(), panel.drawing.ids, line, step)
    if target then
      vim.api.nvim_win_set_cursor(0, { target, 0 })
    else
      messages.echo("Nothing waits for you.")
    end
  end
end

---@type missions.Key[]
M.KEYS = {
  {
    action = "open",
    keys = { "<CR>", "<2-LeftMouse>" },
    text = "open the document, or unfold",
    run = activate,
  },
  {
    action = "toggle",
    keys = { "<Tab>", "za" },
    text = "unfold or fold",
    run = function()
      fold()
    end,
  },
  {
    action = "unfold",
    keys = { "l", "zo" },
    text = "unfold",
    run = function()
      fold(true)
    end,
  },
  {
    action = "fold",
    keys = { "h", "zc" },
    text = "fold, or go to the parent",
    run = function()
      fold(false)
    end,
  },
  { action = "details", keys = { "K" }, text = "details", run = details },
  {
    action = "next",
    keys = { "]n" },
    text = "next that needs you",
    run = function()
      jump(1)
    end,
  },
  {
    action = "previous",
    keys = { "[n" },
    text = "previous that needs you",
    run = function()
      jump(-1)
    end,
  },
  {
    action = "refresh",
    keys = { "R" },
    text = "refresh",
    run = function()
      M.refresh()
    end,
  },
  {
    action = "close",
    keys = { "q" },
    text = "close",
    run = function()
      M.close()
    end,
  },
  {
    action = "help",
    keys = { "g?" },
    text = "this help",
    run = function()
      windows.float(keys.help("panel", M.KEYS), "missionshelp", " Mission Control ")
    end,
  },
}

-- ------------------------------------------------------------------ life

--- Make a buffer the panel's: a new one, or one that `:edit` or a session read by name.
---@param buffer integer
function M.adopt(buffer)
  local old = live()
  if old and old.buffer ~= buffer then
    pcall(vim.api.nvim_buf_delete, old.buffer, { force = true })
  end
  local model = old and old.model or Model.new()
  state.panel = { buffer = buffer, model = model, asking = 0, round = 0, lost = {} }
  render.define_highlights()
  window.prepare(buffer)
  keys.map(buffer, "panel", M.KEYS)
  local group = vim.api.nvim_create_augroup("missions.panel", {})
  vim.api.nvim_create_autocmd({ "BufWinEnter", "BufWinLeave", "BufHidden", "BufWipeout" }, {
    group = group,
    buffer = buffer,
    desc = "Missions: the server sends tree changes only while they can be seen",
    callback = function()
      vim.schedule(function()
        if tell_visibility() then
          M.refresh()
        end
      end)
    end,
  })
  vim.api.nvim_create_autocmd("ColorScheme", { group = group, callback = render.define_highlights })
  draw()
  client.ensure(function(running)
    local panel = live()
    if panel and not running then
      show_problem(panel, client.failure("The language server does not run."))
      draw()
    elseif panel then
      tell_visibility()
      M.refresh()
    end
  end)
end

--- Open the panel and go there; where it already is, only go there.
---@param mission? string The cursor goes to this one.
function M.open(mission)
  local already = here()
  if already then
    vim.api.nvim_set_current_win(already)
    return M.go_to(mission)
  end
  local panel = live()
  local buffer = panel and panel.buffer
  if not buffer then
    buffer = vim.api.nvim_create_buf(false, true)
    vim.api.nvim_buf_set_name(buffer, window.NAME)
  end
  local config = require("missions.config").get().panel
  windows.open_view(buffer, config.position, config.size, {
    cursorline = true,
    list = true,
    listchars = "extends:…,precedes:…",
    winfixbuf = windows.is_own(config.position),
  })
  if not panel then
    M.adopt(buffer)
  end
  M.go_to(mission)
end

--- Go to a mission, now or as soon as it is drawn.
---@param mission? string
function M.go_to(mission)
  local panel = live()
  if panel and mission then
    panel.wanted = mission
    draw()
  end
end

--- Close it in this tab page; the buffer, with what is unfolded, stays.
function M.close()
  local window_here = here()
  if window_here then
    windows.close(window_here)
  end
end

function M.toggle()
  if here() then
    M.close()
  else
    M.open()
  end
end

--- The server says that nodes changed.
---@param ids string[]
function M.changed(ids)
  local panel = live()
  if panel and #windows.showing(panel.buffer) > 0 then
    M.refresh(ids)
  end
end

---@param panel missions.Panel
local function start_round(panel)
  panel.round, panel.asking, panel.again = panel.round + 1, 0, nil
end

--- Another server, with another tree: what is shown stays until its answers come.
function M.server_started()
  local panel = live()
  if panel then
    start_round(panel)
    tell_visibility()
    M.refresh()
  end
end

function M.server_ended()
  local panel = live()
  if panel then
    start_round(panel)
    show_problem(panel, client.failure("The language server has ended; what is shown may be old."))
    draw()
  end
end

return M
