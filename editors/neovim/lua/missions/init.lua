--- The public interface: what maps, statuslines and other plugins may call. Everything is required when it is
--- used.

local M = {}

--- Open Mission Control, or close it where it is open.
function M.toggle()
  require("missions.panel").toggle()
end

--- Open Mission Control and go there.
function M.open()
  require("missions.panel").open()
end

--- Open the chat of this folder, or of a mission.
---@param mission? string
function M.chat(mission)
  require("missions.chat").open(mission and { mission = mission } or nil)
end

--- Answer a question that waits for you.
function M.decide()
  require("missions.commands").decide({})
end

--- Open the review of a run; asks which one.
function M.review()
  vim.cmd.Missions("review")
end

--- One line for a statusline: "" while no server runs or no mission is open. Updated before `User
--- MissionsStatus`.
---@return string
function M.statusline()
  return require("missions.status").line(require("missions.state").status)
end

--- The whole status, for those who draw their own; nil while no server runs.
---@return missions.Status?
function M.status()
  return vim.deepcopy(require("missions.state").status)
end

--- Run an operation of the server, as `:Missions` would, with its argument object.
---@param operation string
---@param arguments? table
---@param callback? fun(failure?: missions.Failure, result: any) Without it, the result is shown.
function M.run(operation, arguments, callback)
  if callback then
    return require("missions.client").execute(operation, arguments, callback)
  end
  require("missions.commands").execute(operation, arguments)
end

return M
