--- A conversation as it is known and as text: history, the answer that is being written, lines and
--- highlights. Pure.

---@class missions.Piece
---@field kind "text"|"thinking"|"tool"|"notice"
---@field text string

---@class missions.Said One entry.
---@field id string
---@field role "user"|"assistant"|"tool"|"notice"
---@field pieces missions.Piece[]

---@class missions.Transcript
---@field entries missions.Said[]
---@field more boolean There is older text.
---@field writing? string Id of the answer that is being written.
local Transcript = {}
Transcript.__index = Transcript

---@return missions.Transcript
function Transcript.new()
  return setmetatable({ entries = {}, more = false }, Transcript)
end

local KIND = { user = "text", assistant = "text", tool = "tool", notice = "notice" }

---@param entry missions.ChatEntry
---@return missions.Said
local function said(entry)
  return {
    id = entry.id,
    role = entry.role,
    pieces = { { kind = KIND[entry.role] or "notice", text = entry.text } },
  }
end

--- The newest of what was said; older text that was fetched before stays above it, and an answer that is
--- still being written at the end.
---@param entries missions.ChatEntry[]
---@param more boolean
function Transcript:set_history(entries, more)
  local unfinished = self.writing and self:_entry(self.writing)
  local older = {}
  for index, known in ipairs(self.entries) do
    if entries[1] and known.id == entries[1].id then
      older, more = vim.list_slice(self.entries, 1, index - 1), self.more
      break
    end
  end
  self.entries = vim.list_extend(older, vim.iter(entries):map(said):totable())
  self.more = more
  if unfinished and not self:_entry(unfinished.id) then
    table.insert(self.entries, unfinished)
  end
end

--- Older entries, before those that are known.
---@param entries missions.ChatEntry[]
---@param more boolean
function Transcript:add_older(entries, more)
  self.entries = vim.list_extend(vim.iter(entries):map(said):totable(), self.entries)
  self.more = more
end

---@param id string
---@return missions.Said?
function Transcript:_entry(id)
  for index = #self.entries, 1, -1 do
    if self.entries[index].id == id then
      return self.entries[index]
    end
  end
end

--- What the user has just said; the history will bring it with its own id.
---@param text string
function Transcript:say(text)
  table.insert(
    self.entries,
    { id = "own-" .. #self.entries, role = "user", pieces = { { kind = "text", text = text } } }
  )
end

--- An answer has begun.
---@param message string
function Transcript:begin(message)
  self.writing = message
  if not self:_entry(message) then
    table.insert(self.entries, { id = message, role = "assistant", pieces = {} })
  end
end

--- A piece of an answer. Text goes on where text was; tools and notices are lines of their own.
---@param delta missions.ChatDelta
function Transcript:add(delta)
  self:begin(delta.message)
  local entry = self:_entry(delta.message) --[[@as missions.Said]]
  local last = entry.pieces[#entry.pieces]
  if last and last.kind == delta.kind and (delta.kind == "text" or delta.kind == "thinking") then
    last.text = last.text .. delta.text
  else
    table.insert(entry.pieces, { kind = delta.kind, text = delta.text })
  end
end

--- An answer is complete, was stopped or failed.
---@param ended missions.ChatEnd
function Transcript:finish(ended)
  self.writing = nil
  local entry = self:_entry(ended.message)
  if not entry then
    return
  end
  if ended.outcome == "cancelled" then
    table.insert(entry.pieces, { kind = "notice", text = "Stopped." })
  elseif ended.outcome == "failed" then
    local why = ended.error and vim.trim(ended.error.message .. " " .. (ended.error.nextStep or ""))
    table.insert(entry.pieces, { kind = "notice", text = why or "The answer failed." })
  end
end

---@return string?
function Transcript:oldest()
  return self.entries[1] and self.entries[1].id or nil
end

local SPEAKER = { user = "You", assistant = "Missions" }
local SPEAKER_GROUP = { user = "MissionsUser", assistant = "MissionsAnswer" }
local PREFIX = { tool = "› ", notice = "· ", thinking = "┊ " }
local GROUP = { tool = "MissionsTool", notice = "MissionsNotice", thinking = "MissionsThinking" }

--- Text without what a terminal would act on; newlines and tabs stay.
---@param text string
---@return string
local function clean(text)
  return (text:gsub("\r\n?", "\n"):gsub("[%z\1-\8\11-\31\127]", ""))
end

--- The conversation as lines and highlights.
---@return { lines: string[], marks: missions.Mark[] }
function Transcript:draw()
  local lines, marks = {}, {}
  local speaker
  local function add(line, group)
    if group and line ~= "" then
      marks[#marks + 1] = { row = #lines, from = 0, to = #line, group = group }
    end
    lines[#lines + 1] = line
  end
  if self.more then
    add("… older: <BS>", "MissionsTool")
    add("")
  end
  for _, entry in ipairs(self.entries) do
    -- Tools and notices belong to the answer around them.
    local voice = entry.role == "user" and "user" or "assistant"
    if voice ~= speaker or entry.role == "user" then
      if #lines > 0 and lines[#lines] ~= "" then
        add("")
      end
      add(SPEAKER[voice], SPEAKER_GROUP[voice])
      add("")
      speaker = voice
    end
    local before
    for _, piece in ipairs(entry.pieces) do
      if (piece.kind == "text" or before == "text") and #lines > 0 and lines[#lines] ~= "" then
        add("")
      end
      before = piece.kind
      local prefix, group = PREFIX[piece.kind] or "", GROUP[piece.kind]
      for _, line in ipairs(vim.split(vim.trim(clean(piece.text)), "\n", { plain = true })) do
        add(prefix .. line, group)
      end
    end
  end
  if self.writing then
    add("▍", "MissionsRunning")
  end
  return { lines = lines, marks = marks }
end

return Transcript
