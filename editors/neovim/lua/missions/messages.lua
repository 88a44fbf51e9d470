--- Every long text for the user, and the few ways of saying it. Short-lived success is echoed, what needs the
--- user is a notification, and nothing is said twice.

local M = {}

local NO_EXECUTABLE = [[The program “%s” was not found.
Install it (%s), or say where it is:
  vim.g.missions = { cmd = { "/path/to/missions", "lsp" } }
Then try again. :checkhealth missions shows what is looked for.]]

--- How the program is installed: from the repository that this plugin is a folder of.
---@return string
function M.how_to_install()
  local root = vim.fs.normalize(debug.getinfo(1, "S").source:sub(2))
  for _ = 1, 5 do
    root = vim.fs.dirname(root)
  end
  local is_there = vim.uv.fs_stat(vim.fs.joinpath(root, "pyproject.toml")) ~= nil
  return "pipx install " .. (is_there and vim.fn.fnamemodify(root, ":~") or "<the repository of Missions>")
end

---@param program string
---@return string
function M.no_executable(program)
  return NO_EXECUTABLE:format(program, M.how_to_install())
end

M.did_not_start = { "The language server did not start.", ":checkhealth missions" }

M.ended = { "The language server ended; missions go on.", ":Missions restart" }

M.other_protocol =
  "The server speaks version %s of the protocol and this plugin version %d. Update the older of the two."

M.unsaved = { "%s was changed by a mission; yours is kept.", ":edit! takes the other" }

M.waiting = { "Waiting for the server …" }

M.empty = {
  "No missions yet.",
  "",
  ":Missions new <goal>  plan one in a chat",
  ":Missions demo        watch one, without a key",
}

M.prompt_hint = "Say something. <CR> sends, g? shows the keys."

---@param text string
---@param level? integer
function M.notify(text, level)
  vim.notify(text, level or vim.log.levels.INFO, { title = "Missions" })
end

---@param text string
function M.warn(text)
  M.notify(text, vim.log.levels.WARN)
end

---@param text string
function M.error(text)
  M.notify(text, vim.log.levels.ERROR)
end

--- Something that comes by itself, as one line that fits: Neovim's own notification asks for <Enter> when a
--- text needs more room, and takes the keys of whoever is typing.
---@param text string
---@param step string What to do about it; never cut.
function M.notice(text, step)
  local room = math.max(vim.o.columns - vim.fn.strdisplaywidth(step) - 18, 20)
  local line = vim.trim((text:gsub("[%c%s]+", " ")))
  if vim.fn.strdisplaywidth(line) > room then
    line = vim.fn.strcharpart(line, 0, room - 1) .. "…"
  end
  M.warn(line .. "  " .. step)
end

--- One line below the window, gone with the next.
---@param text string
function M.echo(text)
  local first = vim.split(vim.trim(text), "\n", { plain = true })[1] or ""
  local room = math.max(vim.o.columns - 14, 20)
  if vim.fn.strdisplaywidth(first) > room then
    first = vim.fn.strcharpart(first, 0, room - 1) .. "…"
  end
  vim.api.nvim_echo({ { first } }, true, {})
end

--- An error of a request, as the user should read it.
---@param failure missions.Failure
---@return string
function M.of_failure(failure)
  if failure.next_step ~= "" and not failure.message:find(failure.next_step, 1, true) then
    return failure.message .. " " .. failure.next_step
  end
  return failure.message
end

return M
