--- Unified diffs as quickfix items, one for each hunk. Pure.

local M = {}

---@param path string As git writes it after `+++ `, perhaps quoted.
---@return string
local function unquoted(path)
  local inner = path:match('^"(.*)"$')
  if not inner then
    return (path:gsub("\t$", ""))
  end
  return (
    inner
      :gsub("\\(%d%d%d)", function(octal)
        return string.char(tonumber(octal, 8))
      end)
      :gsub('\\(["\\tn])', { ['"'] = '"', ["\\"] = "\\", t = "\t", n = "\n" })
  )
end

--- Each hunk of a diff, at its line in the new file; a deleted file stands for itself.
---@param text string
---@param folder string Root of the repository.
---@return vim.quickfix.entry[]
function M.items(text, folder)
  local items = {}
  local old, new, left
  for line in (text .. "\n"):gmatch("(.-)\n") do
    if left and left > 0 and line:find("^[-+ ]") then
      -- Inside a hunk: a changed line may look like a header.
      left = left - 1
    elseif line:find("^%-%-%- ") then
      old = unquoted(line:sub(5))
    elseif line:find("^%+%+%+ ") then
      new = unquoted(line:sub(5))
      if new == "/dev/null" and old then
        items[#items + 1] =
          { filename = vim.fs.joinpath(folder, old:sub(3)), lnum = 1, text = "deleted", type = "I" }
      end
    elseif line:find("^@@ ") then
      local removed, start, added, about = line:match("^@@ %-%d+,?(%d*) %+(%d+),?(%d*) @@ ?(.*)$")
      if removed then
        local minus = removed == "" and 1 or tonumber(removed)
        local plus = added == "" and 1 or tonumber(added)
        left = minus + plus
        if new and new ~= "/dev/null" then
          items[#items + 1] = {
            filename = vim.fs.joinpath(folder, new:sub(3)),
            lnum = math.max(tonumber(start), 1),
            end_lnum = math.max(tonumber(start) + math.max(plus - 1, 0), 1),
            text = vim.trim(("+%d −%d  %s"):format(plus, minus, about)),
            type = "I",
          }
        end
      end
    end
  end
  return items
end

return M
