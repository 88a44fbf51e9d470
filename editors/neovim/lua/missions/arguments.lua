--- The words after `:Missions <sub>` as the one argument object of an operation. Pure.

local M = {}

---@alias missions.IdKind "mission"|"milestone"|"feature"|"run"|"decision"|"defect"|"role"|"model"|"template"

---@class missions.Argument
---@field name string Field of the argument object.
---@field kind missions.IdKind|"choice"|"flag"|"number"|"path"|"text"|"answer"
---@field choices? string[]
---@field rest? boolean Takes all words that are left.
---@field ask? string What to ask when it is missing; without it, it may be missing.
---@field many? boolean A list, of one or more words.
---@field at_cursor? boolean Of a mission: without a name, the one that the user looks at is meant.

---@param arguments missions.Argument[]
---@param name string As typed; `base-version` and `baseVersion` are the same.
---@return missions.Argument?
function M.named(arguments, name)
  local wanted = name:gsub("%-(%l)", string.upper)
  for _, argument in ipairs(arguments) do
    if argument.name == wanted then
      return argument
    end
  end
end

M.is_mission = function(word)
  return word:find("^mission%-[a-z0-9-]+$") ~= nil
end

---@param argument missions.Argument
---@param word string
---@return any value
---@return string? problem
local function value_of(argument, word)
  if argument.kind == "number" then
    local number = tonumber(word)
    if not number then
      return nil, ("%s must be a number, not “%s”"):format(argument.name, word)
    end
    return number
  elseif argument.kind == "choice" and not vim.tbl_contains(argument.choices, word) then
    local choices = table.concat(argument.choices, ", ")
    return nil, ("%s must be one of %s, not “%s”"):format(argument.name, choices, word)
  elseif argument.kind == "flag" then
    return word ~= "false"
  elseif argument.kind == "path" then
    return vim.fs.normalize(vim.fn.fnamemodify(word, ":p"))
  end
  return word
end

--- Where the words stand: the arguments that have a value, and the one that the next word would go to.
---@class missions.Parsed
---@field values table<string, any>
---@field problem? string
---@field next? missions.Argument

---@param arguments missions.Argument[]
---@param words string[]
---@return missions.Parsed
function M.parse(arguments, words)
  local values = {}
  local open ---@type missions.Argument? takes the words that are left
  local has_text = vim.iter(arguments):any(function(argument)
    return argument.rest == true
  end)

  local function next_positional(word)
    for _, argument in ipairs(arguments) do
      if argument.kind ~= "flag" and values[argument.name] == nil then
        -- An id is recognised by its form, so it may always be left out.
        if argument.kind ~= "mission" or not word or M.is_mission(word) then
          return argument
        end
      end
    end
  end

  local function put(argument, word)
    local value, problem = value_of(argument, word)
    if problem then
      return problem
    end
    if argument.rest and values[argument.name] then
      value = values[argument.name] .. " " .. value
    elseif argument.many then
      value = vim.list_extend(values[argument.name] or {}, { value })
    end
    values[argument.name] = value
    open = argument.rest and argument or nil
  end

  for _, word in ipairs(words) do
    local key, given = word:match("^%-?%-?(%a[%w-]*)=(.*)$")
    local keyed = key and M.named(arguments, key)
    local flag = word:match("^%-%-(%a[%w-]*)$")
    -- Where free text is allowed, a flag must look like one: "adopt" may be the first word of a reason.
    flag = flag or (not has_text and word:match("^%a[%w-]*$")) or nil
    local flagged = flag and M.named(arguments, flag)
    local problem
    if keyed then
      problem = put(keyed, given)
    elseif flagged and flagged.kind == "flag" then
      values[flagged.name] = true
    elseif open then
      problem = put(open, word)
    else
      local positional = next_positional(word)
      local listed = not positional
        and vim.iter(arguments):find(function(argument)
          return argument.many == true
        end)
      if positional or listed then
        problem = put(positional or listed, word)
      else
        problem = ("“%s” is one word too many"):format(word)
      end
    end
    if problem then
      return { values = values, problem = problem }
    end
  end
  return { values = values, next = open or next_positional(nil) }
end

--- What may stand in the place of the word that is being typed, apart from ids, which only the server knows.
---@param arguments missions.Argument[]
---@param words string[] Those before it.
---@return string[] candidates
---@return missions.Argument[] asked Arguments whose ids fit here.
function M.candidates(arguments, words)
  local parsed = M.parse(arguments, words)
  local candidates, asked = {}, {}
  local function consider(argument)
    if argument.kind == "choice" then
      vim.list_extend(candidates, argument.choices)
    elseif not vim.tbl_contains({ "flag", "number", "text", "path" }, argument.kind) then
      asked[#asked + 1] = argument
    end
  end
  for _, argument in ipairs(arguments) do
    if argument.kind == "flag" and not parsed.values[argument.name] then
      candidates[#candidates + 1] = "--" .. argument.name
    end
  end
  if parsed.next then
    consider(parsed.next)
    -- A mission may be left out, so what comes after it fits here too.
    if parsed.next.kind == "mission" then
      local after
      for _, argument in ipairs(arguments) do
        if argument.kind ~= "mission" and argument.kind ~= "flag" and not parsed.values[argument.name] then
          after = after or argument
        end
      end
      if after then
        consider(after)
      end
    end
  end
  return candidates, asked
end

--- The `name=` that the word being typed may become; none before its first letter, as there would be many.
---@param arguments missions.Argument[]
---@param words string[] Those before it.
---@param lead string The word so far.
---@return string[]
function M.keys(arguments, words, lead)
  local values = M.parse(arguments, words).values
  local keys = {}
  for _, argument in ipairs(arguments) do
    if lead ~= "" and argument.kind ~= "flag" and not argument.rest and values[argument.name] == nil then
      keys[#keys + 1] = argument.name .. "="
    end
  end
  return keys
end

--- The name nearest to a mistyped one, if any is near. Pure.
---@param word string
---@param names string[]
---@return string?
function M.nearest(word, names)
  local best, best_distance
  for _, name in ipairs(names) do
    local previous = {}
    for column = 0, #name do
      previous[column] = column
    end
    for row = 1, #word do
      local current = { [0] = row }
      for column = 1, #name do
        local same = word:byte(row) == name:byte(column)
        current[column] =
          math.min(previous[column] + 1, current[column - 1] + 1, previous[column - 1] + (same and 0 or 1))
      end
      previous = current
    end
    local distance = previous[#name]
    if not best_distance or distance < best_distance then
      best, best_distance = name, distance
    end
  end
  return best_distance and best_distance <= math.max(2, math.floor(#word / 3)) and best or nil
end

return M
