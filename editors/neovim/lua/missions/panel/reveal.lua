--- The cursor stays on its node: also when the server folds away what the node is in, or the node moves to
--- another section, which may be folded. What the user folded stays folded.

local client = require("missions.client")
local state = require("missions.state")
local window = require("missions.panel.window")
local windows = require("missions.windows")

local M = {}

---@class missions.Lost
---@field window integer
---@field id string
---@field line? integer Where the cursor was left meanwhile.

--- Before a drawing: unfold around the nodes under the cursors.
---@param panel missions.Panel
---@return missions.Lost[] lost Nodes that nobody knows any more.
function M.before(panel)
  local lost = {}
  for _, shown in ipairs(panel.drawing and windows.showing(panel.buffer) or {}) do
    local id = panel.drawing.ids[vim.api.nvim_win_get_cursor(shown)[1]]
    if id and panel.model.nodes[id] then
      panel.model:reveal(id)
    elseif id then
      lost[#lost + 1] = { window = shown, id = id }
    end
  end
  return lost
end

--- After it: ask where a lost node is now, unfold the way to it, and go there if the cursor was not moved
--- since.
---@param panel missions.Panel
---@param lost missions.Lost[]
---@param fetch fun(panel: missions.Panel, parents: string[])
function M.after(panel, lost, fetch)
  for _, one in ipairs(lost) do
    one.line = vim.api.nvim_win_get_cursor(one.window)[1]
    local round = panel.round
    client.request("missions/tree/parent", { nodeId = one.id }, function(failure, result)
      local ancestors = not failure and type(result) == "table" and result.ancestors or {}
      if panel ~= state.panel or panel.round ~= round or #ancestors == 0 then
        return
      end
      for _, node in ipairs(ancestors) do
        if panel.model.opened[node.id] == false then
          return
        end
      end
      table.insert(panel.lost, one)
      local unasked = {}
      for _, node in ipairs(ancestors) do
        panel.model:set_open(node.id, true)
        if panel.model.nodes[node.id] and not panel.model.children[node.id] then
          unasked[#unasked + 1] = node.id
        end
      end
      fetch(panel, unasked)
    end)
  end
end

--- Once a lost node is drawn again, its cursor goes to it.
---@param panel missions.Panel
function M.go_to_found(panel)
  panel.lost = vim.tbl_filter(function(one)
    local there = vim.api.nvim_win_is_valid(one.window)
      and vim.api.nvim_win_get_buf(one.window) == panel.buffer
      and vim.api.nvim_win_get_cursor(one.window)[1] == one.line
    local line = there and window.line_of(panel.drawing, one.id)
    if line then
      vim.api.nvim_win_set_cursor(one.window, { line, 0 })
    end
    return there and not line and panel.model.nodes[one.id] == nil
  end, panel.lost)
end

--- The first line about a mission, once there is one: the cursor goes there.
---@param panel missions.Panel
function M.go_to_wanted(panel)
  for line, id in pairs(panel.wanted and panel.drawing.ids or {}) do
    local node = panel.model.nodes[id]
    if
      node
      and (node.contextValue or ""):find("^mission%.")
      and require("missions.mission").of_command(node.command) == panel.wanted
    then
      panel.wanted = nil
      for _, shown in ipairs(windows.showing(panel.buffer)) do
        vim.api.nvim_win_set_cursor(shown, { line, 0 })
      end
      return
    end
  end
end

return M
