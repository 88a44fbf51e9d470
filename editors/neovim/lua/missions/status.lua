--- The one line about missions, for statuslines and for whoever listens to `User MissionsStatus`.

local state = require("missions.state")

local M = {}

--- The line, ready for a statusline: `%` is doubled, nothing is there without a server or an open mission.
--- Pure.
---@param status? missions.Status
---@return string
function M.line(status)
  if not status or not status.line then
    return ""
  end
  local counts = status.counts or {}
  local open = vim.iter({ "blocked", "failed", "running", "paused", "planned" }):any(function(name)
    return (counts[name] or 0) > 0
  end)
  if not open and (status.health or "ok") == "ok" then
    return ""
  end
  local sign = ({ attention = "! ", error = "✗ " })[status.health] or ""
  -- The reason of a block is one word with underscores, for programs.
  return (sign .. status.line:gsub("[%c_]", " ")):gsub("%%", "%%%%")
end

local ASKS = { decision = true, confirmation = true, budget = true }

--- What of a status has to be said: what waits for the user now and did not before. Pure.
---@param before? missions.Status
---@param now missions.Status
---@return { text: string, step: string }[]
function M.news(before, now)
  local known = {}
  local function key(waiting)
    return table.concat({ waiting.mission, waiting.kind, waiting.decision or waiting.text }, "\n")
  end
  for _, waiting in ipairs(before and before.waiting or {}) do
    known[key(waiting)] = true
  end
  local news = {}
  for _, waiting in ipairs(now.waiting or {}) do
    if not known[key(waiting)] then
      if ASKS[waiting.kind] then
        news[#news + 1] = { text = waiting.text, step = ":Missions decide" }
      elseif waiting.kind == "block" then
        news[#news + 1] = { text = "Blocked: " .. waiting.text, step = ":Missions status" }
      end
    end
  end
  return news
end

--- The server sent its status. What waited before this Neovim came is shown, but not said.
---@param status missions.Status
function M.received(status)
  local before = state.status
  state.status = status
  M.changed()
  if before and require("missions.config").get().notify then
    for _, news in ipairs(M.news(before, status)) do
      require("missions.messages").notice(news.text, news.step)
    end
  end
end

--- The status is another one now.
function M.changed()
  vim.api.nvim_exec_autocmds("User", { pattern = "MissionsStatus", modeline = false, data = state.status })
  vim.cmd.redrawstatus({ bang = true })
end

return M
