--- Questions that only the user can answer: they are said once when they open, and answered through
--- `vim.ui.select`. Silence and a closed menu are never an answer.

local client = require("missions.client")
local messages = require("missions.messages")
local state = require("missions.state")

local M = {}

---@param decision missions.Decision
---@return string
local function key(decision)
  return decision.mission .. "/" .. decision.decision
end

--- The server says that a question was opened, answered or withdrawn.
---@param decision missions.Decision
function M.changed(decision)
  if decision.state ~= "opened" then
    state.decisions[key(decision)] = nil
    return require("missions.questions").settled(decision)
  end
  state.decisions[key(decision)] = decision
end

--- The open questions as far as this client knows: those it was told of and those the status names.
---@return missions.Decision[]
function M.open()
  local found = vim.tbl_extend("force", {}, state.decisions)
  for _, waiting in ipairs(state.status and state.status.waiting or {}) do
    if waiting.decision and not found[waiting.mission .. "/" .. waiting.decision] then
      found[waiting.mission .. "/" .. waiting.decision] = {
        mission = waiting.mission,
        decision = waiting.decision,
        state = "opened",
        question = waiting.text,
      }
    end
  end
  local list = vim.tbl_values(found)
  table.sort(list, function(one, other)
    return key(one) < key(other)
  end)
  return list
end

---@class missions.Choice
---@field id? string Without it, the answer is typed.
---@field label string
---@field detail? string

--- The options of a question, and that it may be answered in words where it may.
---@param options table[]
---@param free_text? boolean
---@return missions.Choice[]
local function choices_of(options, free_text)
  local choices = vim.tbl_map(function(option)
    return { id = option.id, label = option.label, detail = option.detail or option.consequence }
  end, options)
  if free_text and #choices > 0 then
    table.insert(choices, { label = "In your own words …" })
  end
  return choices
end

--- What a question can be answered with. Only the mission's status knows it when the question was opened
--- before this Neovim came.
---@param decision missions.Decision
---@param callback fun(question: string, choices: missions.Choice[])
local function with_choices(decision, callback)
  if #(decision.options or {}) > 0 then
    return callback(decision.question, choices_of(decision.options, decision.freeText))
  end
  client.execute("status", { mission = decision.mission }, function(failure, result)
    local data = not failure and type(result) == "table" and result.data
    for _, known in ipairs(type(data) == "table" and data.decisions or {}) do
      if known.id == decision.decision then
        return callback(known.question, choices_of(known.options or {}, known.freeText))
      end
    end
    callback(decision.question, {})
  end)
end

---@param decision missions.Decision
---@param callback fun(arguments: table)
local function ask(decision, callback)
  local function done(answer)
    if answer and vim.trim(answer) ~= "" then
      callback({ mission = decision.mission, decision = decision.decision, answer = answer })
    end
  end
  with_choices(decision, function(question, choices)
    if #choices == 0 then
      return vim.ui.input({ prompt = question .. " " }, done)
    end
    vim.ui.select(choices, {
      prompt = question,
      kind = "missions.decision",
      format_item = function(choice)
        local detail = choice.detail or ""
        return detail ~= "" and (choice.label .. " — " .. detail) or choice.label
      end,
    }, function(choice)
      if choice and not choice.id then
        vim.ui.input({ prompt = question .. " " }, done)
      elseif choice then
        done(choice.id)
      end
    end)
  end)
end

--- Let the user choose a question, if there are several, and answer it.
---@param callback fun(arguments: table) With the arguments of `missions.decide`.
---@param wanted? { mission?: string, decision?: string }
function M.choose(callback, wanted)
  local open = vim.tbl_filter(function(decision)
    return not wanted
      or (not wanted.mission or wanted.mission == decision.mission)
        and (not wanted.decision or wanted.decision == decision.decision)
  end, M.open())
  if #open == 0 and wanted and wanted.mission and wanted.decision then
    return ask(vim.tbl_extend("force", { state = "opened", question = "Your answer?" }, wanted), callback)
  end
  local items = vim.tbl_map(function(decision)
    return {
      text = decision.question .. "  (" .. decision.mission .. ")",
      act = function()
        ask(decision, callback)
      end,
    }
  end, open)
  for _, question in ipairs(not wanted and require("missions.questions").kept() or {}) do
    table.insert(items, {
      text = question.message,
      act = function()
        require("missions.questions").ask(question)
      end,
    })
  end
  if #items == 0 then
    return messages.echo("No question waits for you.")
  elseif #items == 1 then
    return items[1].act()
  end
  vim.ui.select(items, {
    prompt = "Which question?",
    kind = "missions.decision",
    format_item = function(item)
      return item.text
    end,
  }, function(item)
    if item then
      item.act()
    end
  end)
end

return M
