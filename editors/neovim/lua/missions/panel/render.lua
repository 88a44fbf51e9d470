--- Mission Control as text: from rows to lines, highlights and the id of each line. Pure; the same rows give
--- the same text.

local icons = require("missions.panel.icons")

local M = {}

---@class missions.Mark
---@field row integer From 0.
---@field from integer Bytes, from 0.
---@field to integer
---@field group string

---@class missions.Drawing
---@field lines string[]
---@field marks missions.Mark[]
---@field ids table<integer, string> Id of the node by line, from 1.

local SEVERITY = { error = "MissionsError", warning = "MissionsWarning", info = "MissionsInfo" }
local ICON = {
  ["pass-filled"] = "MissionsDone",
  ["sync~spin"] = "MissionsRunning",
  ["beaker"] = "MissionsRunning",
  ["error"] = "MissionsError",
}

--- One line of text from elsewhere: no control characters, which would draw as something else.
---@param text? string
---@return string
local function clean(text)
  return (tostring(text or ""):gsub("[%c]+", " "))
end

---@param rows missions.Row[]
---@param options { icons: any, title?: string, notice?: string[] }
---@return missions.Drawing
function M.draw(rows, options)
  local lines, marks, ids = {}, {}, {}
  local function mark(from, to, group)
    if to > from then
      marks[#marks + 1] = { row = #lines, from = from, to = to, group = group }
    end
  end
  if options.title then
    mark(0, #options.title, "MissionsTitle")
    lines[1] = options.title
    lines[2] = ""
  end
  for _, row in ipairs(rows) do
    local node = row.node
    local can_open = node.collapsible ~= nil and node.collapsible ~= "none"
    local indent = ("  "):rep(row.depth)
    local twisty = can_open and (row.open and "▾ " or "▸ ") or "  "
    local sign = icons.sign(node.icon, options.icons)
    local label, description = clean(node.label), clean(node.description)
    local line = indent .. twisty
    mark(#indent, #line, "MissionsTwisty")
    if sign ~= "" then
      local group = SEVERITY[node.severity] or ICON[node.icon] or "MissionsIcon"
      mark(#line, #line + #sign, group)
      line = line .. sign .. " "
    end
    local is_section = (node.contextValue or ""):find("^section") ~= nil
    local group = SEVERITY[node.severity] or (is_section and "MissionsSection") or nil
    if group then
      mark(#line, #line + #label, group)
    end
    line = line .. label
    if description ~= "" then
      mark(#line + 2, #line + 2 + #description, "MissionsDescription")
      line = line .. "  " .. description
    end
    lines[#lines + 1] = line
    ids[#lines] = row.id
  end
  for _, line in ipairs(options.notice or {}) do
    mark(0, #line, "MissionsDescription")
    lines[#lines + 1] = line
  end
  return { lines = lines, marks = marks, ids = ids }
end

--- The details of a node for a float: its tooltip, or what the line says.
---@param node missions.TreeNode
---@return string[]
function M.details(node)
  local text = node.tooltip ~= nil and node.tooltip ~= "" and node.tooltip
    or ("**" .. clean(node.label) .. "**  " .. clean(node.description))
  return vim.split(vim.trim((text:gsub("\r", ""))), "\n", { plain = true })
end

--- The line to go to from a line: the next, or the one before, whose node needs the user; around the end.
--- Pure.
---@param rows missions.Row[]
---@param ids table<integer, string>
---@param line integer
---@param step 1|-1
---@return integer?
function M.needing_you(rows, ids, line, step)
  local wanted = {}
  for _, row in ipairs(rows) do
    local kind = row.node.contextValue or ""
    if row.node.severity == "error" or row.node.severity == "warning" or kind:find("^decision") then
      wanted[row.id] = true
    end
  end
  local hits = {}
  for number, id in pairs(ids) do
    if wanted[id] then
      hits[#hits + 1] = number
    end
  end
  table.sort(hits, function(one, other)
    if step == 1 then
      return one < other
    end
    return one > other
  end)
  for _, number in ipairs(hits) do
    if (number - line) * step > 0 then
      return number
    end
  end
  return hits[1]
end

--- Highlight groups of all views; a colour scheme or the user may set them.
function M.define_highlights()
  for group, target in pairs({
    MissionsTitle = "Title",
    MissionsSection = "Title",
    MissionsTwisty = "NonText",
    MissionsIcon = "Identifier",
    MissionsDescription = "Comment",
    MissionsDone = "DiagnosticOk",
    MissionsRunning = "DiagnosticInfo",
    MissionsError = "DiagnosticError",
    MissionsWarning = "DiagnosticWarn",
    MissionsInfo = "DiagnosticInfo",
    MissionsUser = "Title",
    MissionsAnswer = "Special",
    MissionsTool = "Comment",
    MissionsThinking = "Comment",
    MissionsNotice = "DiagnosticInfo",
  }) do
    vim.api.nvim_set_hl(0, group, { link = target, default = true })
  end
end

return M
