--- Signs for the server's codicon names. Plain ones are single cells of ordinary fonts; Nerd Font ones are
--- asked for by option.

local M = {}

---@type table<string, string>
M.plain = {
  ["beaker"] = "◆",
  ["bell-dot"] = "!",
  ["checklist"] = "□",
  ["circle-large-outline"] = "○",
  ["circle-outline"] = "○",
  ["comment-discussion"] = "…",
  ["debug-disconnect"] = "⊘",
  ["debug-pause"] = "‖",
  ["debug-step-over"] = "↷",
  ["ellipsis"] = "…",
  ["error"] = "✗",
  ["files"] = "≡",
  ["info"] = "i",
  ["json"] = "≡",
  ["markdown"] = "≡",
  ["pass-filled"] = "✓",
  ["pass"] = "✓",
  ["check"] = "✓",
  ["question"] = "?",
  ["sync~spin"] = "●",
  ["tools"] = "+",
  ["loading~spin"] = "●",
  ["warning"] = "!",
}

---@type table<string, string>
M.nerd = {
  ["beaker"] = "\u{ea79}",
  ["bell-dot"] = "\u{eb9a}",
  ["checklist"] = "\u{eab3}",
  ["circle-large-outline"] = "\u{ebb5}",
  ["circle-outline"] = "\u{eabc}",
  ["comment-discussion"] = "\u{eac7}",
  ["debug-disconnect"] = "\u{ead0}",
  ["debug-pause"] = "\u{ead1}",
  ["debug-step-over"] = "\u{ead6}",
  ["ellipsis"] = "\u{ea7c}",
  ["error"] = "\u{ea87}",
  ["file"] = "\u{ea7b}",
  ["files"] = "\u{eaf0}",
  ["git-commit"] = "\u{eafc}",
  ["info"] = "\u{ea74}",
  ["json"] = "\u{eb0f}",
  ["markdown"] = "\u{eb1d}",
  ["pass-filled"] = "\u{ebb3}",
  ["pass"] = "\u{eba4}",
  ["check"] = "\u{eab2}",
  ["question"] = "\u{eb32}",
  ["sync~spin"] = "\u{ea77}",
  ["tools"] = "\u{eb6d}",
  ["warning"] = "\u{ea6c}",
}

--- The sign of a codicon; "" for a node that has none, a dot for one that this plugin does not know.
---@param icon? string
---@param wanted "plain"|"nerd"|table<string, string>
---@return string
function M.sign(icon, wanted)
  if not icon or icon == "" then
    return ""
  end
  local set = wanted == "nerd" and M.nerd or M.plain
  return type(wanted) == "table" and wanted[icon] or set[icon] or "·"
end

return M
