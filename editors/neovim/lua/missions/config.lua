--- The user's options: `vim.g.missions` over the defaults. A wrong option is said once and its default used.

local M = {}

---@class missions.Config
---@field cmd string[] How the language server is started.
---@field cmd_env table<string, string> Added to its environment.
---@field settings table Settings of the server, section `missions`.
---@field icons "plain"|"nerd"|table<string, string> Signs in the panel; a table gives some by codicon name.
---@field panel missions.PanelConfig
---@field chat missions.ChatConfig
---@field keys table<string, table<string, string|false>> Other keys, or none, by view and action.
---@field notify boolean Say it when something waits for you.

---@class missions.PanelConfig
---@field position "left"|"right"|"top"|"bottom"|"tab"|"current"
---@field size integer Columns, or lines for top and bottom.

---@class missions.ChatConfig
---@field position "left"|"right"|"top"|"bottom"|"tab"|"current"
---@field size integer
---@field prompt_height integer

---@type missions.Config
M.defaults = {
  cmd = { "missions", "lsp" },
  cmd_env = {},
  settings = {},
  icons = "plain",
  panel = { position = "left", size = 52 },
  chat = { position = "right", size = 84, prompt_height = 6 },
  keys = {},
  notify = true,
}

local POSITIONS = { "left", "right", "top", "bottom", "tab", "current" }

local function one_of(values)
  return function(value)
    return vim.tbl_contains(values, value), "one of " .. table.concat(values, ", ")
  end
end

local function positive(value)
  return type(value) == "number" and value >= 1 and value % 1 == 0, "a whole number above 0"
end

local function of_type(name)
  return function(value)
    return type(value) == name, "a " .. name
  end
end

---@type table<string, fun(value: any): boolean, string>
local CHECKS = {
  ["cmd"] = function(value)
    return vim.islist(value) and #value > 0 and type(value[1]) == "string", "a list of strings"
  end,
  ["cmd_env"] = of_type("table"),
  ["settings"] = of_type("table"),
  ["icons"] = function(value)
    return value == "plain" or value == "nerd" or type(value) == "table", '"plain", "nerd" or a table'
  end,
  ["panel"] = of_type("table"),
  ["panel.position"] = one_of(POSITIONS),
  ["panel.size"] = positive,
  ["chat"] = of_type("table"),
  ["chat.position"] = one_of(POSITIONS),
  ["chat.size"] = positive,
  ["chat.prompt_height"] = positive,
  ["keys"] = of_type("table"),
  ["notify"] = of_type("boolean"),
}

---@param name string Dotted.
---@return any
local function default(name)
  return vim.tbl_get(M.defaults, unpack(vim.split(name, ".", { plain = true })))
end

--- The options in force, and what is wrong with those given. Pure.
---@param given any
---@return missions.Config
---@return string[] problems
function M.merge(given)
  local problems = {}
  if given == nil then
    return vim.deepcopy(M.defaults), problems
  end
  if type(given) ~= "table" then
    return vim.deepcopy(M.defaults), { "vim.g.missions must be a table" }
  end
  local merged = vim.deepcopy(M.defaults)
  local function take(name, value)
    local check = CHECKS[name]
    if not check then
      problems[#problems + 1] = ("unknown option %s"):format(name)
      return false
    end
    local good, wanted = check(value)
    if not good then
      problems[#problems + 1] = ("option %s must be %s; using %s"):format(
        name,
        wanted,
        vim.inspect(default(name), { newline = "", indent = "" })
      )
    end
    return good
  end
  for name, value in pairs(given) do
    if take(name, value) then
      if name == "panel" or name == "chat" then
        for inner, part in pairs(value) do
          if take(name .. "." .. inner, part) then
            merged[name][inner] = part
          end
        end
      else
        merged[name] = value
      end
    end
  end
  table.sort(problems)
  return merged, problems
end

--- The options in force now.
---@return missions.Config
function M.get()
  local merged, problems = M.merge(vim.g.missions)
  if #problems > 0 then
    vim.notify_once("Missions: " .. table.concat(problems, "; "), vim.log.levels.WARN)
  end
  return merged
end

return M
