--- The one client of this Neovim: configuration, start, requests. It shows nothing but why it could not
--- start.

local messages = require("missions.messages")
local state = require("missions.state")

local M = {}

M.NAME = "missions"
M.PROTOCOL = 1

---@class missions.Failure An error answer, always whole.
---@field code string
---@field message string
---@field next_step string
---@field data table

--- Errors of any origin in one shape.
---@param err lsp.ResponseError|missions.ErrorData|string
---@return missions.Failure
function M.failure(err)
  if type(err) == "string" then
    return { code = "client", message = err, next_step = "", data = {} }
  end
  local data = type(err.data) == "table" and err.data.code and err.data or err
  return {
    code = tostring(data.code or "internal"),
    message = data.message or err.message or "The server answered with an error.",
    next_step = data.nextStep or "",
    data = type(data.data) == "table" and data.data or {},
  }
end

---@return vim.lsp.Client?
function M.find()
  for _, client in ipairs(vim.lsp.get_clients({ name = M.NAME })) do
    if not client:is_stopped() then
      return client
    end
  end
end

--- The version of our extension that a server speaks; nil for none.
---@param client vim.lsp.Client
---@return integer?
function M.protocol_of(client)
  local experimental = (client.server_capabilities or {}).experimental
  return type(experimental) == "table" and tonumber(experimental.missions) or nil
end

---@param path string
---@return string? root
local function root_of(path)
  return vim.fs.root(path, ".git")
end

---@param client vim.lsp.Client
---@param root string
---@return boolean
local function knows(client, root)
  return vim.iter(client.workspace_folders or {}):any(function(folder)
    return vim.uri_to_fname(folder.uri) == root
  end)
end

--- Tell the server of another folder that this Neovim works in.
---@param client vim.lsp.Client
---@param root string
function M.add_folder(client, root)
  if knows(client, root) then
    return
  end
  local folder = { uri = vim.uri_from_fname(root), name = vim.fs.basename(root) }
  client.workspace_folders = client.workspace_folders or {}
  table.insert(client.workspace_folders, folder)
  client:notify("workspace/didChangeWorkspaceFolders", {
    event = { added = { folder }, removed = {} },
  })
end

local function flush(client)
  local waiting = state.starting
  state.starting = {}
  for _, callback in ipairs(waiting) do
    callback(client)
  end
end

---@param client vim.lsp.Client
local function initialized(client)
  state.client_id = client.id
  state.stopping = false
  local theirs = M.protocol_of(client)
  if theirs ~= M.PROTOCOL then
    vim.notify_once(
      messages.other_protocol:format(theirs or "none", M.PROTOCOL),
      vim.log.levels.WARN,
      { title = "Missions" }
    )
  end
  for _, root in ipairs(state.folders) do
    M.add_folder(client, root)
  end
  state.folders = {}
  require("missions.files").started()
  flush(client)
  require("missions.panel").server_started()
  require("missions.chat").server_started()
end

--- Stopping is not asynchronous while Neovim itself ends; nothing is said then.
---@param code integer
---@param signal integer
---@param client_id integer
local function exited(code, signal, client_id)
  if client_id ~= state.client_id and state.client_id then
    return
  end
  local asked, started = state.stopping, state.client_id ~= nil
  state.client_id, state.status, state.dirty, state.visible = nil, nil, nil, nil
  state.decisions, state.questions = {}, {}
  state.stopping = false
  if vim.v.exiting ~= vim.NIL then
    return
  end
  flush(nil)
  require("missions.status").changed()
  require("missions.panel").server_ended()
  require("missions.chat").server_ended()
  -- Neovim itself says when a server ended badly; only a quiet end needs our words.
  if not asked and code == 0 and (signal == 0 or signal == 15) then
    messages.notice(unpack(started and messages.ended or messages.did_not_start))
  end
end

--- One client serves all folders: two would show every mission twice.
---@param client vim.lsp.Client
---@param config vim.lsp.ClientConfig
---@return boolean
local function reuse(client, config)
  if client.name ~= M.NAME or client:is_stopped() then
    return false
  end
  local root = config.root_dir
  if root then
    if client.initialized then
      M.add_folder(client, root)
    else
      table.insert(state.folders, root)
    end
  end
  return true
end

--- The configuration that `lsp/missions.lua` returns.
---@return vim.lsp.Config
function M.config()
  local config = require("missions.config").get()
  return {
    name = M.NAME,
    cmd = config.cmd,
    cmd_env = next(config.cmd_env) and config.cmd_env or nil,
    settings = { missions = next(config.settings) and config.settings or vim.empty_dict() },
    capabilities = {
      experimental = { missions = M.PROTOCOL },
      workspace = { textDocumentContent = { dynamicRegistration = false } },
    },
    handlers = require("missions.handlers"),
    reuse_client = reuse,
    root_dir = function(buffer, on_dir)
      local root = root_of(vim.api.nvim_buf_get_name(buffer))
      -- A file outside every repository is none of the server's business, unless it runs or is starting:
      -- then it may be a plan.
      if root or M.find() or #state.starting > 0 then
        on_dir(root)
      end
    end,
    on_init = function(client)
      initialized(client)
    end,
    on_exit = function(code, signal, client_id)
      vim.schedule(function()
        exited(code, signal, client_id)
      end)
    end,
  }
end

--- The folder that the user works in now: the repository of the current file, else of the working folder.
---@return string
function M.folder()
  local name = vim.bo.buftype == "" and vim.api.nvim_buf_get_name(0) or ""
  local working = vim.uv.cwd() or vim.uv.os_homedir() or "/"
  return name ~= "" and root_of(name) or root_of(working) or working
end

--- Start the server if none runs, and call back when it can be asked; with nil when it cannot.
---@param callback fun(client?: vim.lsp.Client)
function M.ensure(callback)
  local client = M.find()
  if client and client.initialized then
    return callback(client)
  end
  table.insert(state.starting, callback)
  if client then
    return
  end
  local config = vim.lsp.config[M.NAME]
  local cmd = config.cmd
  if type(cmd) == "table" and vim.fn.executable(cmd[1]) == 0 then
    messages.error(messages.no_executable(cmd[1]))
    return flush(nil)
  end
  config = vim.deepcopy(config)
  config.root_dir = M.folder()
  -- A working folder that has gone must not keep the server from starting.
  config.cmd_cwd = vim.uv.cwd() and config.cmd_cwd or vim.uv.os_homedir()
  if not vim.lsp.start(config, { attach = false }) then
    return flush(nil)
  end
  -- From now on the files of this Neovim are attached as with any other server.
  vim.lsp.enable(M.NAME)
end

--- Ask the server, starting it if need be.
---@param method string
---@param params? table
---@param callback fun(failure?: missions.Failure, result: any)
function M.request(method, params, callback)
  M.ensure(function(client)
    if not client then
      return callback(M.failure("The language server does not run."), nil)
    end
    ---@diagnostic disable-next-line: param-type-mismatch
    local sent = client:request(method, params or vim.empty_dict(), function(err, result)
      if result == vim.NIL then
        result = nil
      end
      callback(err and M.failure(err) or nil, result)
    end)
    if not sent then
      callback(M.failure("The language server has just ended."), nil)
    end
  end)
end

--- Ask a server that already runs, and wait a little: for completion, which must never start anything.
---@param method string
---@param params table
---@param timeout integer Milliseconds.
---@return any result nil for no server, no answer in time or an error
function M.request_now(method, params, timeout)
  local client = M.find()
  if not client or not client.initialized then
    return nil
  end
  ---@diagnostic disable-next-line: param-type-mismatch
  local answer = client:request_sync(method, params, timeout)
  return answer and not answer.err and answer.result or nil
end

--- Tell a server that runs; without one there is nobody to tell.
---@param method string
---@param params table
function M.notify(method, params)
  local client = M.find()
  if client and client.initialized then
    ---@diagnostic disable-next-line: param-type-mismatch
    client:notify(method, params)
  end
end

---@param operation string
---@param arguments? table
---@return table
function M.command_params(operation, arguments)
  local object = arguments and next(arguments) and arguments or vim.empty_dict()
  return { command = "missions." .. operation, arguments = { object } }
end

--- Run a workspace command of the server.
---@param operation string
---@param arguments? table
---@param callback fun(failure?: missions.Failure, result: any)
function M.execute(operation, arguments, callback)
  M.request("workspace/executeCommand", M.command_params(operation, arguments), callback)
end

--- End the server; missions in a process of their own go on.
function M.stop()
  local client = M.find()
  if client then
    state.stopping = true
    client:stop()
  end
end

function M.restart()
  local client = M.find()
  if not client then
    return M.ensure(function() end)
  end
  state.stopping = true
  client:stop()
  local timer = assert(vim.uv.new_timer())
  local tries = 0
  timer:start(
    20,
    20,
    vim.schedule_wrap(function()
      tries = tries + 1
      if timer:is_closing() then
        return
      end
      if state.client_id == nil then
        timer:close()
        M.ensure(function() end)
      elseif tries > 250 then
        timer:close()
        client:stop(true)
      end
    end)
  )
end

return M
