--- `:Missions`: running subcommands, asking for what is missing, showing what came of it, and completion,
--- which asks a server that runs but never starts one.

local arguments = require("missions.arguments")
local client = require("missions.client")
local messages = require("missions.messages")
local mission = require("missions.mission")
local subcommands = require("missions.subcommands")
local windows = require("missions.windows")

local M = {}

--- How long completion waits for the server, in milliseconds.
local PATIENCE = 1000

---@param result any
---@param title string
local function show(result, title)
  if type(result) ~= "table" then
    return
  end
  if result.uri then
    if not result.shown then
      require("missions.documents").open(result.uri)
    end
  elseif result.state then
    if result.state == "refused" then
      messages.error(messages.of_failure(client.failure(result.error or result.message or "Refused.")))
    else
      local text = result.message ~= "" and result.message
      messages.echo(text or (result.state == "queued" and "Asked; it is applied soon." or "Done."))
    end
  elseif result.text and result.text ~= "" then
    if result.text:find("\n.") then
      windows.report(title, result.text)
    else
      messages.echo(result.text)
    end
  elseif result.data ~= nil and result.data ~= vim.NIL then
    windows.report(title, vim.json.encode(result.data), "json")
  end
end

--- Run an operation of the server and show what came of it.
---@param operation string
---@param given? table
---@param title? string
function M.execute(operation, given, title)
  mission.execute(operation, given, function(failure, result)
    if failure and failure.code ~= "cancelled" and failure.code ~= "declined" then
      return messages.error(messages.of_failure(failure))
    elseif failure then
      return messages.echo(failure.message)
    end
    show(result, title or (subcommands[operation] and subcommands[operation].title) or operation)
  end)
end

--- Answer a question, asking for what is not given.
---@param given { mission?: string, decision?: string, answer?: string }
function M.decide(given)
  if given.answer then
    return M.execute("decide", given)
  end
  require("missions.decisions").choose(function(answer)
    M.execute("decide", answer)
  end, next(given) and given or nil)
end

---@param argument missions.Argument
---@param values table
---@param callback fun(value: string)
local function ask_for_id(argument, values, callback)
  local function ask(failure, result)
    if failure then
      return messages.error(messages.of_failure(failure))
    end
    local items = type(result) == "table" and result.items or {}
    if #items == 0 then
      return messages.echo(("There is no %s to choose."):format(argument.kind))
    end
    vim.ui.select(items, {
      prompt = argument.ask,
      kind = "missions." .. argument.kind,
      format_item = function(item)
        local parts = { item.id, item.label or "", item.detail or "" }
        return vim.trim(table.concat(parts, "  "))
      end,
    }, function(item)
      if item then
        callback(item.id)
      end
    end)
  end
  -- Completion keeps silent where the mission is not clear; its status says which it is, or asks.
  mission.execute("status", { mission = values.mission }, function(failure, result)
    if failure then
      return messages.error(messages.of_failure(failure))
    end
    values.mission = result.data.id
    client.execute("complete", { kind = argument.kind, mission = values.mission }, ask)
  end)
end

--- Ask for everything that must be there and is not; closing a menu ends it.
---@param list missions.Argument[]
---@param values table
---@param callback fun(values: table)
local function complete_values(list, values, callback)
  local missing = vim.iter(list):find(function(argument)
    return argument.ask and values[argument.name] == nil
  end)
  if not missing then
    return callback(values)
  end
  local function take(value)
    if value and vim.trim(value) ~= "" then
      values[missing.name] = missing.kind == "path" and vim.fs.normalize(value) or value
      complete_values(list, values, callback)
    end
  end
  if missing.kind == "choice" then
    vim.ui.select(missing.choices, { prompt = missing.ask }, take)
  elseif missing.kind == "text" or missing.kind == "path" then
    vim.ui.input({ prompt = missing.ask, completion = missing.kind == "path" and "file" or nil }, take)
  else
    ask_for_id(missing, values, take)
  end
end

--- The mission that the user looks at, for subcommands that are about one mission and no file.
---@param subcommand missions.Subcommand
---@param values table What was given.
---@return string?
local function mission_at_cursor(subcommand, values)
  local about_one = vim.iter(subcommand.arguments):any(function(argument)
    return argument.kind == "mission" and argument.at_cursor == true
  end)
  return about_one and not values.planPath and mission.at_cursor() or nil
end

---@return string[]
function M.names()
  local names = vim.tbl_keys(subcommands)
  table.sort(names)
  return names
end

--- `:Missions …`
---@param input vim.api.keyset.create_user_command.command_args
function M.run(input)
  local name = input.fargs[1]
  if not name then
    return require("missions.panel").open()
  end
  local subcommand = subcommands[name]
  if not subcommand then
    local near = arguments.nearest(name, M.names())
    return messages.error(
      ("There is no “:Missions %s”. %s"):format(
        name,
        near and ("Did you mean “%s”?"):format(near) or ":Missions <Tab> lists what there is."
      )
    )
  end
  local parsed = arguments.parse(subcommand.arguments, vim.list_slice(input.fargs, 2))
  if parsed.problem then
    return messages.error((":Missions %s: %s."):format(name, parsed.problem))
  end
  parsed.values.mission = parsed.values.mission or mission_at_cursor(subcommand, parsed.values)
  complete_values(subcommand.arguments, parsed.values, function(values)
    if subcommand.run then
      subcommand.run(values)
    else
      M.execute(subcommand.operation or name, values, subcommand.title)
    end
  end)
end

---@param argument missions.Argument
---@param lead string
---@param values table
---@return string[]
local function ids(argument, lead, values)
  if argument.kind == "answer" then
    return M.answers(values)
  end
  local params =
    client.command_params("complete", { kind = argument.kind, prefix = lead, mission = values.mission })
  local result = client.request_now("workspace/executeCommand", params, PATIENCE)
  return vim
    .iter(type(result) == "table" and result.items or {})
    :map(function(item)
      return item.id
    end)
    :totable()
end

--- The options of the question that is being answered, as far as they are known without asking.
---@param values table
---@return string[]
function M.answers(values)
  for _, decision in ipairs(require("missions.decisions").open()) do
    if not values.decision or decision.decision == values.decision then
      return vim
        .iter(decision.options or {})
        :map(function(option)
          return option.id
        end)
        :totable()
    end
  end
  return {}
end

--- What an argument may be that is given by its name.
---@param argument missions.Argument
---@param lead string
---@param values table
---@return string[]
local function values_of(argument, lead, values)
  if argument.kind == "choice" then
    return argument.choices
  elseif argument.kind == "path" then
    return vim.fn.getcompletion(lead, "file")
  elseif vim.tbl_contains({ "text", "number", "flag" }, argument.kind) then
    return {}
  end
  return ids(argument, lead, values)
end

--- What may stand in the place of the word that is being typed.
---@param subcommand missions.Subcommand
---@param words string[] Those before it.
---@param lead string
---@param values table
---@return string[]
local function words_for(subcommand, words, lead, values)
  local candidates, asked = arguments.candidates(subcommand.arguments, words)
  for _, argument in ipairs(asked) do
    vim.list_extend(candidates, ids(argument, lead, values))
  end
  local next_argument = arguments.parse(subcommand.arguments, words).next
  if next_argument and next_argument.kind == "path" then
    vim.list_extend(candidates, vim.fn.getcompletion(lead, "file"))
  end
  return vim.list_extend(candidates, arguments.keys(subcommand.arguments, words, lead))
end

--- Completion of `:Missions`.
---@param lead string
---@param line string
---@param position integer
---@return string[]
function M.complete(lead, line, position)
  local typed = vim.split(vim.trim(line:sub(1, position - #lead)), "%s+")
  -- The command itself, and what stands before it (`:silent`, a range), is not ours.
  while #typed > 0 and not typed[1]:find("^Missions") do
    table.remove(typed, 1)
  end
  table.remove(typed, 1)
  local candidates
  if #typed == 0 then
    candidates = M.names()
  else
    local subcommand = subcommands[typed[1]]
    if not subcommand then
      return {}
    end
    local words = vim.list_slice(typed, 2)
    local values = arguments.parse(subcommand.arguments, words).values
    values.mission = values.mission or mission_at_cursor(subcommand, values)
    local key, value = lead:match("^(%a[%w-]*)=(.*)$")
    local keyed = key and arguments.named(subcommand.arguments, key)
    candidates = keyed and values_of(keyed, value, values) or words_for(subcommand, words, lead, values)
    if keyed then
      candidates = vim.tbl_map(function(candidate)
        return ("%s=%s"):format(key, candidate)
      end, candidates)
    end
  end
  local seen = {}
  return vim.tbl_filter(function(candidate)
    local fresh = not seen[candidate] and vim.startswith(candidate, lead)
    seen[candidate] = true
    return fresh
  end, candidates)
end

return M
