--- Writing text that somebody else made into a read-only buffer. Only what lies between a common beginning
--- and a common end is written, so that folds, marks and cursors in the rest stay as they are.

local M = {}

--- What must be written: the new lines `first` to `last` stand for the shown lines `first` to `old_last`; nil
--- when nothing differs. Pure; all from 1.
---@param shown string[]
---@param wanted string[]
---@return { first: integer, old_last: integer, last: integer }?
function M.difference(shown, wanted)
  local first, shared = 1, math.min(#shown, #wanted)
  while first <= shared and shown[first] == wanted[first] do
    first = first + 1
  end
  local old_last, last = #shown, #wanted
  while old_last >= first and last >= first and shown[old_last] == wanted[last] do
    old_last, last = old_last - 1, last - 1
  end
  if old_last < first and last < first then
    return nil
  end
  return { first = first, old_last = old_last, last = last }
end

--- Make a buffer hold these lines; it cannot be changed by hand, before and after.
---@param buffer integer
---@param wanted string[]
---@return integer? first The first line that is another one now, from 1; nil when all was there.
function M.write(buffer, wanted)
  local change = M.difference(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), wanted)
  if not change then
    return nil
  end
  local options = vim.bo[buffer]
  local levels = options.undolevels
  options.modifiable = true
  -- An old text is no state to go back to.
  options.undolevels = -1
  vim.api.nvim_buf_set_lines(
    buffer,
    change.first - 1,
    change.old_last,
    false,
    vim.list_slice(wanted, change.first, change.last)
  )
  options.undolevels = levels
  options.modifiable = false
  options.modified = false
  return change.first
end

return M
