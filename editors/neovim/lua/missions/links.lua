--- Links in documents and the names of buffers that stand for URIs. Pure: no buffer is read here.

local M = {}

--- A document's URI as a buffer name. Neovim takes `missions:x` for a file below the working folder; with a
--- slash it is a name.
---@param uri string
---@return string
function M.name_of_uri(uri)
  local path = uri:match("^missions:/*(.*)$")
  if path then
    return "missions:/" .. path
  end
  return uri:find("^file:") and vim.uri_to_fname(uri) or uri
end

--- The URI that the server knows a buffer by.
---@param name string
---@return string
function M.uri_of_name(name)
  return name
end

---@param uri string
---@return string uri
---@return string? fragment
function M.split_fragment(uri)
  local bare, fragment = uri:match("^(.-)#(.*)$")
  if bare then
    return bare, vim.uri_decode(fragment)
  end
  return uri, nil
end

--- `L12`, `L12-L20`, `12` → 12.
---@param fragment? string
---@return integer?
function M.line_of_fragment(fragment)
  return fragment and tonumber(fragment:match("^L?(%d+)")) or nil
end

--- The target of the link at a column of a line: `[text](target)`, `<target>` or a bare URI.
---@param line string
---@param column integer From 1, in bytes.
---@return string?
function M.at(line, column)
  local from = 1
  while true do
    local first, last, target = line:find("%[[^%]]*%]%(([^)%s]+)[^)]*%)", from)
    if not first then
      break
    end
    if column >= first and column <= last then
      return target
    end
    from = last + 1
  end
  from = 1
  while true do
    local first, last, target = line:find("([%a][%w+.-]*:[^%s<>()%[%]`\"']+)", from)
    if not first then
      return nil
    end
    if column >= first and column <= last then
      local scheme = target:match("^(%a+):")
      if vim.tbl_contains({ "missions", "file", "http", "https" }, scheme) then
        return (target:gsub("[.,;:!?]+$", ""))
      end
    end
    from = last + 1
  end
end

--- A link as a whole URI: relative ones are relative to the document, plain paths to the working folder.
---@param target string
---@param base string URI of the document.
---@param folder string
---@return string
function M.resolve(target, base, folder)
  if target:find("^%a[%w+.-]*:") then
    return target
  end
  if target:sub(1, 1) == "#" then
    return base .. target
  end
  local path, fragment = target:match("^([^#]*)(#?.*)$")
  path = vim.uri_decode(path)
  if base:find("^missions:") and path:sub(1, 1) ~= "/" then
    local parent = base:match("^missions:/*(.*/)[^/]*$") or ""
    return "missions:/" .. vim.fs.normalize("/" .. parent .. path):sub(2) .. fragment
  end
  local whole = path:sub(1, 1) == "/" and path or vim.fs.joinpath(folder, path)
  return vim.uri_from_fname(whole) .. fragment
end

return M
