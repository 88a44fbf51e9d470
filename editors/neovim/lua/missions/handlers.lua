--- What the server may send on its own, in one table: notifications of our extension and the requests that
--- Neovim does not answer as we need it. Each hands over to the module that shows it.

---@type table<string, lsp.Handler>
return {
  ["missions/tree/didChange"] = function(_, params)
    require("missions.panel").changed(params.nodeIds or {})
  end,

  ["missions/status"] = function(_, params)
    require("missions.status").received(params)
  end,

  ["missions/decision"] = function(_, params)
    require("missions.decisions").changed(params)
  end,

  ["missions/chat/delta"] = function(_, params)
    require("missions.chat").delta(params)
  end,

  ["missions/chat/end"] = function(_, params)
    require("missions.chat").finished(params)
  end,

  ["missions/filesChanged"] = function(_, params)
    require("missions.files").changed(params)
  end,

  ["workspace/textDocumentContent/refresh"] = function(_, params)
    require("missions.documents").refresh(params.uri)
    return vim.NIL
  end,

  ["window/showMessageRequest"] = function(err, params, context)
    return require("missions.questions").asked(err, params, context)
  end,

  -- Neovim's own would open the document in the window that happens to be current: the panel, or the chat.
  ["window/showDocument"] = function(err, params, context)
    if params.external then
      return vim.lsp.handlers["window/showDocument"](err, params, context)
    end
    local shown = require("missions.documents").open(params.uri, {
      focus = params.takeFocus ~= false,
      range = params.selection,
    })
    return { success = shown }
  end,
}
