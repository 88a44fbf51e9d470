--- Quickfix lists: defects, open questions, and what a run changed. The lists are made here; jumping is
--- Neovim's.

local diff = require("missions.diff")
local links = require("missions.links")
local messages = require("missions.messages")
local mission = require("missions.mission")

local M = {}

---@param title string
---@param items vim.quickfix.entry[]
---@param empty string
local function show(title, items, empty)
  if #items == 0 then
    return messages.echo(empty)
  end
  for _, item in ipairs(items) do
    -- Buffers that diagnostics have made are not listed; one that is jumped to should be.
    if item.filename and item.filename ~= "" then
      vim.bo[vim.fn.bufadd(item.filename)].buflisted = true
    end
  end
  vim.fn.setqflist({}, " ", { title = title, items = items })
  local from = vim.api.nvim_get_current_win()
  vim.cmd("botright copen " .. math.min(#items + 1, 10))
  if vim.api.nvim_win_is_valid(from) and vim.bo[vim.api.nvim_win_get_buf(from)].filetype == "qf" then
    return
  end
end

---@param value any
---@return any value with JSON's null as nil
local function present(value)
  if value == vim.NIL then
    return nil
  end
  return value
end

--- A mission's data, or a message why there is none.
---@param operation string
---@param arguments table
---@param callback fun(data: any)
local function ask(operation, arguments, callback)
  mission.execute(operation, arguments, function(failure, result)
    if failure then
      return messages.error(messages.of_failure(failure))
    end
    callback(type(result) == "table" and present(result.data) or nil)
  end)
end

local TYPE = { critical = "E", major = "E", minor = "W" }

--- Defects as quickfix items. Pure.
---@param defects table[]
---@param folder string
---@return vim.quickfix.entry[]
function M.defect_items(defects, folder)
  local items = {}
  for _, defect in ipairs(defects) do
    local state = present(defect.waived) and "waived"
      or present(defect.repairedBy) and "repaired by " .. defect.repairedBy
    local text = ("%s (%s) %s"):format(defect.id, defect.severity or "?", defect.title or "")
    local base = {
      text = state and (text .. " — " .. state) or text,
      type = state and "I" or TYPE[defect.severity] or "W",
      user_data = { defect = defect.id, run = defect.runId },
    }
    local locations = present(defect.locations) or {}
    for _, place in ipairs(locations) do
      local line = present(place.startLine) or present(place.line) or 1
      items[#items + 1] = vim.tbl_extend("force", base, {
        filename = vim.fs.normalize(
          place.path:sub(1, 1) == "/" and place.path or vim.fs.joinpath(folder, place.path)
        ),
        lnum = line,
        end_lnum = present(place.endLine),
      })
    end
    if #locations == 0 then
      items[#items + 1] = base
    end
  end
  return items
end

---@param arguments { mission?: string }
function M.defects(arguments)
  ask("status", arguments, function(status)
    if type(status) ~= "table" then
      return
    end
    ask("show", { mission = status.id, artifact = "defects" }, function(data)
      local list = type(data) == "table" and (present(data.json) or data) or {}
      show("Defects of " .. status.id, M.defect_items(list, status.cwd), "No defects were reported.")
    end)
  end)
end

function M.decisions()
  local items = vim
    .iter(require("missions.decisions").open())
    :map(function(decision)
      return {
        text = decision.question:gsub("%s+", " ") .. "  (:Missions decide)",
        filename = links.name_of_uri("missions:/" .. decision.mission .. "/control.md"),
        lnum = 1,
        type = "W",
        user_data = { mission = decision.mission, decision = decision.decision },
      }
    end)
    :totable()
  show("Open questions", items, "No question waits for you.")
end

--- What a run changed, from git: its commits lie in the user's own repository.
---@param arguments { mission?: string, run: string }
function M.hunks(arguments)
  ask("status", { mission = arguments.mission }, function(status)
    local run = type(status) == "table"
      and vim.iter(status.runs or {}):find(function(candidate)
        return candidate.runId == arguments.run
      end)
    if not run then
      return messages.warn(("There is no run %s."):format(arguments.run))
    end
    local base, tip = present(run.baseCommit), present(run.commit)
    if not base or not tip or base == tip then
      return messages.echo(("Run %s has committed nothing."):format(run.runId))
    end
    vim.system(
      {
        "git",
        "-c",
        "core.quotepath=off",
        "diff",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "-U0",
        base,
        tip,
        "--",
      },
      { cwd = status.cwd, text = true, timeout = 20000 },
      vim.schedule_wrap(function(done)
        if done.code ~= 0 then
          return messages.warn("git: " .. vim.trim(done.stderr or ""))
        end
        show(
          "Changes of run " .. run.runId,
          diff.items(done.stdout or "", status.cwd),
          "Nothing was changed."
        )
      end)
    )
  end)
end

return M
