--- `:checkhealth missions`: what is needed, what was found, and what to do about the difference.

local client = require("missions.client")

local M = {}

local OLDEST = { 0, 11, 0 }

---@param command string[]
---@return string? output
---@return string? problem
local function ask(command)
  local started, process = pcall(vim.system, command, { text = true, timeout = 10000 })
  if not started then
    return nil, tostring(process)
  end
  local done = process:wait(11000)
  if done.code == 124 then
    return nil, "did not answer within 10 s"
  elseif done.code ~= 0 then
    return nil, ("ended with %d: %s"):format(done.code, vim.trim(done.stderr or ""))
  end
  return vim.trim(done.stdout or "")
end

local function check_neovim()
  vim.health.start("Neovim")
  if vim.fn.has("nvim-" .. table.concat(OLDEST, ".")) == 1 then
    vim.health.ok(tostring(vim.version()))
  else
    vim.health.error(("%s is too old"):format(vim.version()), "Use Neovim 0.11 or newer.")
  end
  if vim.fn.executable("git") == 0 then
    vim.health.error("git was not found", "Missions work on git repositories: install git.")
  end
end

local function check_options()
  vim.health.start("Options")
  local _, problems = require("missions.config").merge(vim.g.missions)
  if #problems == 0 then
    vim.health.ok("vim.g.missions is understood")
  end
  for _, problem in ipairs(problems) do
    vim.health.warn(problem, ":h missions-options")
  end
end

---@return boolean
local function check_executable()
  vim.health.start("Server program")
  local command = vim.lsp.config[client.NAME].cmd
  if type(command) ~= "table" then
    vim.health.info("cmd is a function of yours")
    return true
  end
  local path = vim.fn.exepath(command[1])
  if path == "" then
    vim.health.error(("“%s” was not found"):format(command[1]), {
      require("missions.messages").how_to_install(),
      'or say where it is: vim.g.missions = { cmd = { "/path/to/missions", "lsp" } }',
    })
    return false
  end
  vim.health.ok(path)
  -- A command of the user's own may be a wrapper that knows no other arguments.
  if vim.fs.basename(command[1]) == "missions" then
    local version, problem = ask({ path, "--version" })
    if version then
      vim.health.ok(version)
    else
      vim.health.warn("missions --version " .. problem)
    end
  end
  return true
end

local function check_client()
  vim.health.start("Language server")
  local running = client.find()
  if not running then
    return vim.health.info("not running; :Missions starts it, or vim.lsp.enable('missions')")
  end
  local info = running.server_info or {}
  vim.health.ok(("running: %s %s"):format(info.name or running.name, info.version or ""))
  local version = client.protocol_of(running)
  if version == client.PROTOCOL then
    vim.health.ok(("protocol %d"):format(version))
  else
    vim.health.error(
      ("the server speaks protocol %s, this plugin %d"):format(version or "none", client.PROTOCOL),
      "Update the older of the two."
    )
  end
  for _, folder in ipairs(running.workspace_folders or {}) do
    vim.health.info("folder: " .. vim.uri_to_fname(folder.uri))
  end
  if #vim.lsp.get_clients({ name = client.NAME }) > 1 then
    vim.health.warn("more than one server runs", "Start it in one way only: by :Missions or vim.lsp.enable.")
  end
  vim.health.info("log of the server: " .. M.server_log())
  vim.health.info("log of Neovim's client: " .. vim.lsp.log.get_filename())
end

--- Where the server writes its log.
---@return string
function M.server_log()
  local config = require("missions.config").get()
  local home = config.cmd_env.MISSIONS_HOME
    or vim.env.MISSIONS_HOME
    or vim.fs.joinpath(vim.uv.os_homedir(), ".missions")
  return vim.fs.joinpath(home, "logs")
end

--- Open the newest log of the server, else the client's.
function M.open_log()
  local newest, newest_time
  for name, kind in vim.fs.dir(M.server_log()) do
    local path = vim.fs.joinpath(M.server_log(), name)
    local stat = kind == "file" and vim.uv.fs_stat(path)
    if stat and (not newest_time or stat.mtime.sec > newest_time) then
      newest, newest_time = path, stat.mtime.sec
    end
  end
  vim.cmd.tabedit(vim.fn.fnameescape(newest or vim.lsp.log.get_filename()))
  vim.cmd("normal! G")
end

function M.check()
  check_neovim()
  check_options()
  check_executable()
  check_client()
end

return M
