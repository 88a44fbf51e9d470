--- Folds of documents: a heading opens one of its level, a fenced block is one inside it. Pure but for the
--- line asked for.

local state = require("missions.state")

local M = {}

--- Fold levels of all lines, as `foldexpr` wants them.
---@param lines string[]
---@return string[]
function M.levels(lines)
  local levels, depth, fence = {}, 0, nil
  for number, line in ipairs(lines) do
    local mark = line:match("^%s*(```+)") or line:match("^%s*(~~~+)")
    if fence then
      if mark and mark:sub(1, #fence) == fence and vim.trim(line) == mark then
        levels[number], fence = "<" .. (depth + 1), nil
      else
        levels[number] = tostring(depth + 1)
      end
    elseif mark then
      levels[number], fence = ">" .. (depth + 1), mark
    else
      local heading = line:match("^(#+)%s")
      if heading then
        depth = #heading
        levels[number] = ">" .. depth
      else
        levels[number] = tostring(depth)
      end
    end
  end
  return levels
end

--- `foldexpr` of the current line. It is asked for every line, so the levels of the newest text are kept.
---@return string
function M.level()
  local buffer = vim.api.nvim_get_current_buf()
  local tick = vim.api.nvim_buf_get_changedtick(buffer)
  local kept = state.folds
  if not kept or kept.buffer ~= buffer or kept.tick ~= tick then
    kept = {
      buffer = buffer,
      tick = tick,
      levels = M.levels(vim.api.nvim_buf_get_lines(buffer, 0, -1, false)),
    }
    state.folds = kept
  end
  return kept.levels[vim.v.lnum] or "0"
end

return M
