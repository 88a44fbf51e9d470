-- Loaded by Neovim at start: names only. Everything else is required when it is first used.
if vim.g.loaded_missions then
  return
end
vim.g.loaded_missions = 1

vim.api.nvim_create_user_command("Missions", function(input)
  require("missions.commands").run(input)
end, {
  nargs = "*",
  desc = "Missions: Mission Control, or an operation",
  complete = function(lead, line, position)
    return require("missions.commands").complete(lead, line, position)
  end,
})

vim.api.nvim_create_autocmd("BufReadCmd", {
  group = vim.api.nvim_create_augroup("missions.read", {}),
  pattern = { "missions:/*", "missions-panel:/*", "missions-chat:/*" },
  desc = "Missions: documents and views that live in the server",
  callback = function(event)
    require("missions.documents").read(event.buf, event.match)
  end,
})

for name, action in pairs({
  panel = "toggle",
  chat = "chat",
  decide = "decide",
  review = "review",
}) do
  vim.keymap.set("n", ("<Plug>(missions-%s)"):format(name), function()
    require("missions")[action]()
  end, { desc = "Missions: " .. name })
end
