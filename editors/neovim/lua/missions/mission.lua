--- Which mission is meant when none is named: the one that the user looks at; else the server knows the one
--- of this folder; else the user is asked.

local client = require("missions.client")

local M = {}

--- The mission that a text names in the place of a mission: in a URI, or in the path of a plan file.
---@param text string
---@return string?
local function named_in(text)
  return text:match("^missions:/*(mission%-[a-z0-9-]+)/") or text:match("/(mission%-[a-z0-9-]+)/plan/[^/]+$")
end

--- The mission of what the cursor is on: a document, a plan file, a chat, or a line of the panel.
---@return string?
function M.at_cursor()
  local chat = require("missions.chat").current()
  if chat then
    return chat.mission
  end
  return named_in(vim.api.nvim_buf_get_name(0)) or require("missions.panel").mission_at_cursor()
end

--- The mission that a node's command is about.
---@param command? missions.TreeCommand
---@return string?
function M.of_command(command)
  local argument = command and command.arguments and command.arguments[1]
  if type(argument) == "string" then
    return named_in(argument)
  end
  return type(argument) == "table" and argument.mission or nil
end

--- The missions of which the user has to choose one, when that is why the server refused.
---@param failure? missions.Failure
---@return { id: string, title?: string, status?: string }[]?
local function candidates_of(failure)
  if not failure then
    return nil
  end
  local list = failure.code == "ambiguous" and failure.data.candidates
    or failure.code == "not_found" and failure.data.elsewhere
  return type(list) == "table" and #list > 0 and list or nil
end

--- Run an operation; when the server cannot tell which mission is meant, the user is asked and it is run for
--- that one.
---@param operation string
---@param arguments? table
---@param callback fun(failure?: missions.Failure, result: any)
function M.execute(operation, arguments, callback)
  client.execute(operation, arguments, function(failure, result)
    local candidates = candidates_of(failure)
    if not candidates or (arguments and arguments.mission) then
      return callback(failure, result)
    end
    vim.ui.select(candidates, {
      prompt = "Which mission?",
      kind = "missions.mission",
      format_item = function(candidate)
        return ("%s  %s  (%s)"):format(candidate.title or "", candidate.status or "", candidate.id)
      end,
    }, function(candidate)
      if candidate then
        M.execute(operation, vim.tbl_extend("force", arguments or {}, { mission = candidate.id }), callback)
      end
    end)
  end)
end

return M
