--- The chat: what is said here goes to the server, and what it answers comes piece by piece. It remembers
--- nothing that the server's history does not have.

local Transcript = require("missions.chat.transcript")
local client = require("missions.client")
local keys = require("missions.keys")
local messages = require("missions.messages")
local state = require("missions.state")
local window = require("missions.chat.window")
local windows = require("missions.windows")

local M = {}

---@class missions.Chat
---@field id string
---@field title string
---@field model string
---@field mission? string
---@field busy boolean
---@field text missions.Transcript
---@field transcript integer Buffer.
---@field prompt integer Buffer.
---@field drawing boolean A redraw is on its way.

---@param chat missions.Chat
---@return string
local function title_of(chat)
  local parts = { chat.title ~= "" and chat.title or "Chat" }
  if chat.model ~= "" then
    parts[#parts + 1] = chat.model
  end
  if chat.busy then
    parts[#parts + 1] = "answering, <C-c> stops"
  end
  return table.concat(parts, " · ")
end

--- Draw once for all pieces that came in one turn of the event loop.
---@param chat missions.Chat
local function draw(chat)
  if chat.drawing then
    return
  end
  chat.drawing = true
  vim.schedule(function()
    chat.drawing = false
    if vim.api.nvim_buf_is_valid(chat.transcript) then
      window.write(chat.transcript, chat.text:draw())
      window.set_title(chat.transcript, title_of(chat))
    end
  end)
end

---@param chat missions.Chat
---@param done? fun()
local function fetch_history(chat, done)
  client.request("missions/chat/history", { chat = chat.id }, function(failure, result)
    if failure then
      messages.error(messages.of_failure(failure))
    elseif type(result) == "table" then
      chat.text:set_history(result.entries or {}, result.more == true)
      draw(chat)
    end
    if done then
      done()
    end
  end)
end

--- The chat whose prompt or transcript is the current buffer.
---@return missions.Chat?
function M.current()
  local buffer = vim.api.nvim_get_current_buf()
  for _, chat in pairs(state.chats) do
    if chat.prompt == buffer or chat.transcript == buffer then
      return chat
    end
  end
end

---@param chat missions.Chat
---@param text string
local function send(chat, text)
  chat.busy = true
  chat.text:say(text)
  draw(chat)
  client.request("missions/chat/send", { chat = chat.id, text = text }, function(failure, result)
    if failure then
      chat.busy = false
      fetch_history(chat)
      -- What was typed must not be lost with the answer.
      if vim.api.nvim_buf_is_valid(chat.prompt) then
        local typed = vim.api.nvim_buf_get_lines(chat.prompt, 0, -1, false)
        if #typed == 1 and typed[1] == "" then
          vim.api.nvim_buf_set_lines(chat.prompt, 0, -1, false, vim.split(text, "\n", { plain = true }))
          window.hint(chat.prompt)
        end
      end
      return messages.error(messages.of_failure(failure))
    end
    if chat.busy and type(result) == "table" then
      chat.text:begin(result.message)
    end
    draw(chat)
  end)
end

local function send_prompt()
  local chat = M.current()
  if not chat then
    return
  end
  local text = vim.trim(table.concat(vim.api.nvim_buf_get_lines(chat.prompt, 0, -1, false), "\n"))
  if text == "" then
    return
  end
  if chat.busy then
    return messages.echo("An answer is being written; <C-c> stops it.")
  end
  vim.cmd.stopinsert()
  vim.api.nvim_buf_set_lines(chat.prompt, 0, -1, false, {})
  window.hint(chat.prompt)
  send(chat, text)
end

local function cancel()
  local chat = M.current()
  if chat and chat.busy then
    client.request("missions/chat/cancel", { chat = chat.id }, function(failure)
      if failure then
        messages.error(messages.of_failure(failure))
      end
    end)
  end
end

local function older()
  local chat = M.current()
  local oldest = chat and chat.text.more and chat.text:oldest()
  if not chat or not oldest then
    return
  end
  client.request("missions/chat/history", { chat = chat.id, before = oldest }, function(failure, result)
    if not failure and type(result) == "table" then
      chat.text:add_older(result.entries or {}, result.more == true)
      draw(chat)
    end
  end)
end

local function close()
  local chat = M.current()
  if chat then
    window.close(chat.transcript, chat.prompt)
  end
end

---@type missions.Key[]
local COMMON = {
  { action = "cancel", keys = { "<C-c>" }, modes = { "n" }, text = "stop the answer", run = cancel },
  { action = "close", keys = { "q" }, text = "close", run = close },
  {
    action = "help",
    keys = { "g?" },
    text = "this help",
    run = function()
      windows.float(keys.help("chat", M.KEYS), "missionshelp", " Chat ")
    end,
  },
}

---@type missions.Key[]
local PROMPT = {
  { action = "send", keys = { "<CR>" }, text = "send", run = send_prompt },
  { action = "send_typing", keys = { "<C-s>" }, modes = { "i" }, text = "send", run = send_prompt },
}

---@type missions.Key[]
local TRANSCRIPT = {
  { action = "older", keys = { "<BS>" }, text = "older text, in the transcript", run = older },
  {
    action = "follow",
    keys = { "gf", "<CR>" },
    text = "open the link, in the transcript",
    run = function()
      require("missions.documents").follow()
    end,
  },
}

--- All keys, for the help.
M.KEYS = vim.list_extend(vim.list_extend(vim.list_extend({}, PROMPT), COMMON), TRANSCRIPT)

--- Make the buffers of a chat that the server has opened, or take those it has.
---@param opened table Answer of `missions/chat/open`.
---@param buffer? integer
---@return missions.Chat
local function take(opened, buffer)
  local chat = state.chats[opened.chat]
  if
    not chat
    or not vim.api.nvim_buf_is_valid(chat.transcript)
    or not vim.api.nvim_buf_is_valid(chat.prompt)
  then
    for _, old in ipairs(chat and { chat.transcript, chat.prompt } or {}) do
      if old ~= buffer then
        pcall(vim.api.nvim_buf_delete, old, { force = true })
      end
    end
    local transcript, prompt = window.buffers(opened.chat, buffer)
    chat = {
      id = opened.chat,
      text = Transcript.new(),
      transcript = transcript,
      prompt = prompt,
      drawing = false,
    }
    state.chats[opened.chat] = chat
    keys.map(transcript, "chat", vim.list_extend(vim.list_extend({}, COMMON), TRANSCRIPT))
    keys.map(prompt, "chat", vim.list_extend(vim.list_extend({}, PROMPT), COMMON))
  end
  chat.title = opened.title or ""
  chat.model = opened.model or ""
  chat.mission = opened.mission
  chat.busy = opened.busy == true
  return chat
end

--- Open a chat and go to its prompt.
---@param wanted? { mission?: string, fresh?: boolean, chat?: string }
---@param first? string What is said at once.
function M.open(wanted, first)
  wanted = wanted or {}
  if not wanted.mission and not wanted.chat then
    -- Of several folders of the server, the one that this Neovim is in now.
    wanted = vim.tbl_extend("keep", wanted, { folder = vim.uri_from_fname(client.folder()) })
  end
  client.request("missions/chat/open", wanted, function(failure, opened)
    if failure then
      return messages.error(messages.of_failure(failure))
    end
    local chat = take(opened, nil)
    window.show(chat.transcript, chat.prompt, title_of(chat))
    if first and vim.trim(first) ~= "" then
      -- After the history, which would take its place.
      fetch_history(chat, function()
        send(chat, first)
      end)
    else
      fetch_history(chat)
      vim.cmd.startinsert()
    end
  end)
end

--- Plan a mission from a template, or with a simulated planner: the server begins it, and the talk goes on in
--- its chat.
---@param arguments table Of `missions.new`.
function M.begin(arguments)
  arguments.cwd = vim.uv.cwd()
  client.execute("new", arguments, function(failure, result)
    if failure then
      return messages.error(messages.of_failure(failure))
    end
    M.open({ chat = result.data.chat })
  end)
end

--- A chat's buffer was read by its name: by `:edit`, or from a session.
---@param buffer integer
---@param name string
function M.adopt(buffer, name)
  local id = name:match("^missions%-chat:/*(.+)$")
  client.request("missions/chat/open", { chat = id }, function(failure, opened)
    if failure then
      return messages.error(messages.of_failure(failure))
    end
    if vim.api.nvim_buf_is_valid(buffer) then
      local known = state.chats[opened.chat]
      if known and known.transcript == buffer then
        -- `:edit` took the buffer's options and text away.
        window.prepare(buffer)
      end
      fetch_history(take(opened, buffer))
    end
  end)
end

---@param delta missions.ChatDelta
function M.delta(delta)
  local chat = state.chats[delta.chat]
  if chat then
    chat.busy = true
    chat.text:add(delta)
    draw(chat)
  end
end

---@param ended missions.ChatEnd
function M.finished(ended)
  local chat = state.chats[ended.chat]
  if not chat then
    return
  end
  chat.busy = false
  chat.mission = ended.mission or chat.mission
  chat.text:finish(ended)
  draw(chat)
  -- An answer that ended well is in the history, word for word; one that did not keeps what was seen of it.
  if ended.outcome == "complete" then
    fetch_history(chat)
  end
end

--- Another server: the chats that are open here are opened there.
function M.server_started()
  for id, chat in pairs(state.chats) do
    if vim.api.nvim_buf_is_valid(chat.transcript) then
      client.request("missions/chat/open", { chat = id }, function(failure, opened)
        if not failure then
          take(opened, nil)
          fetch_history(chat)
        end
      end)
    else
      state.chats[id] = nil
    end
  end
end

function M.server_ended()
  for _, chat in pairs(state.chats) do
    if chat.busy then
      chat.busy = false
      chat.text.writing = nil
      draw(chat)
    end
  end
end

return M
