--- `:Missions demo`: a small mission in a repository of its own, watched like one of the user's.

local client = require("missions.client")
local messages = require("missions.messages")

local M = {}

---@param arguments { folder?: string }
function M.run(arguments)
  messages.echo("Setting up the demo …")
  client.execute("demo", arguments, function(failure, result)
    if failure then
      return messages.error(messages.of_failure(failure))
    end
    -- As a folder of this Neovim it has its progress and diagnostics here, and needs no name in commands.
    local running = client.find()
    if running then
      client.add_folder(running, result.data.repository)
    end
    require("missions.panel").open(result.data.mission)
    messages.echo(result.text or "")
  end)
end

return M
