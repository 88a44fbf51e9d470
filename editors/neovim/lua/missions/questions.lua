--- Questions with buttons that the server asks. One that belongs to what the user has just done is asked at
--- once; one that comes by itself is said and kept, because a menu that opens while somebody types is
--- answered by accident.

local messages = require("missions.messages")
local state = require("missions.state")

local M = {}

---@class missions.Question
---@field message string
---@field actions lsp.MessageActionItem[]
---@field about missions.QuestionData
---@field answer fun(action?: lsp.MessageActionItem)

---@param question missions.Question
---@param done fun(action?: lsp.MessageActionItem)
local function select(question, done)
  vim.ui.select(question.actions, {
    prompt = question.message,
    kind = "missions.question",
    format_item = function(action)
      return (action.title:gsub("[%c]+", " "))
    end,
  }, done)
end

--- Whether the user waits for the question: it belongs to a command of this Neovim, or to the answer that a
--- chat is writing while its user looks on.
---@param question missions.Question
---@return boolean
local function is_expected(question)
  if question.about.command or question.about.decision then
    return question.about.command ~= nil
  end
  local chat = require("missions.chat").current()
  return chat ~= nil and chat.busy and vim.api.nvim_get_mode().mode == "n"
end

--- `window/showMessageRequest`.
---@type lsp.Handler
function M.asked(err, params, context)
  local routine, is_main = coroutine.running()
  if not routine or is_main or #(params.actions or {}) == 0 then
    return vim.lsp.handlers["window/showMessageRequest"](err, params, context)
  end
  local question
  question = {
    message = params.message,
    actions = params.actions,
    about = type(params.data) == "table" and params.data or {},
    answer = function(action)
      state.questions = vim.tbl_filter(function(other)
        return other ~= question
      end, state.questions)
      -- Never before the handler has yielded.
      vim.schedule(function()
        if coroutine.status(routine) == "suspended" then
          coroutine.resume(routine, action or vim.NIL)
        end
      end)
    end,
  }
  if is_expected(question) then
    select(question, question.answer)
  else
    table.insert(state.questions, question)
    -- A mission's decision is told by the status and answered by its own command.
    if not question.about.decision and require("missions.config").get().notify then
      messages.notice(question.message, ":Missions decide")
    end
  end
  return coroutine.yield()
end

--- A decision was answered or withdrawn elsewhere: its question needs no answer any more.
---@param decision missions.Decision
function M.settled(decision)
  for _, question in ipairs(state.questions) do
    if question.about.mission == decision.mission and question.about.decision == decision.decision then
      question.answer(nil)
    end
  end
end

--- Questions that were kept and are no decisions.
---@return missions.Question[]
function M.kept()
  return vim.tbl_filter(function(question)
    return question.about.decision == nil
  end, state.questions)
end

--- Ask one that was kept; a closed menu keeps it.
---@param question missions.Question
function M.ask(question)
  select(question, function(action)
    if action then
      question.answer(action)
    end
  end)
end

return M
