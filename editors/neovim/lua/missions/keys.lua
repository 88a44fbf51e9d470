--- The key table of a view: from it come the maps, the help of `g?` and what `vim.g.missions.keys` may
--- change.

local M = {}

---@class missions.Key
---@field action string Name for the user's options.
---@field keys string[]
---@field modes? string[] Normal mode if absent.
---@field text string
---@field run fun()

---@param view string
---@param key missions.Key
---@return string[]
local function keys_of(view, key)
  local wanted = (require("missions.config").get().keys[view] or {})[key.action]
  if wanted == false then
    return {}
  end
  return wanted and { wanted } or key.keys
end

---@param buffer integer
---@param view string
---@param list missions.Key[]
function M.map(buffer, view, list)
  for _, key in ipairs(list) do
    for _, keys in ipairs(keys_of(view, key)) do
      vim.keymap.set(key.modes or { "n" }, keys, key.run, {
        buffer = buffer,
        nowait = true,
        silent = true,
        desc = "Missions: " .. key.text,
      })
    end
  end
end

--- The help of a view, as lines. Pure but for the user's options.
---@param view string
---@param list missions.Key[]
---@return string[]
function M.help(view, list)
  local rows, width = {}, 0
  for _, key in ipairs(list) do
    local keys = keys_of(view, key)
    if #keys > 0 then
      local left = table.concat(keys, "  ")
      if key.modes and not vim.tbl_contains(key.modes, "n") then
        left = left .. " (typing)"
      end
      width = math.max(width, vim.fn.strdisplaywidth(left))
      rows[#rows + 1] = { left, key.text }
    end
  end
  return vim
    .iter(rows)
    :map(function(row)
      return " " .. row[1] .. (" "):rep(width - vim.fn.strdisplaywidth(row[1]) + 3) .. row[2]
    end)
    :totable()
end

return M
