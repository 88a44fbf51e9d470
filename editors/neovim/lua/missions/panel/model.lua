--- The tree as far as it is known: nodes by id, children by parent, and what the user opened. Pure; it asks
--- nobody.

---@class missions.TreeModel
---@field nodes table<string, missions.TreeNode>
---@field children table<string, string[]> Ids by parent; the roots are the children of "".
---@field parents table<string, string>
---@field opened table<string, boolean> What the user opened or closed; the server's wish for the rest.
local Model = {}
Model.__index = Model

Model.ROOT = ""

---@return missions.TreeModel
function Model.new()
  return setmetatable({ nodes = {}, children = {}, parents = {}, opened = {} }, Model)
end

--- The children of a node are these now. What is no longer below any node is forgotten; what the user opened
--- is not, because a mission that moves from one section to another comes back.
---@param parent string
---@param nodes missions.TreeNode[]
function Model:set_children(parent, nodes)
  local kept = {}
  for _, node in ipairs(nodes) do
    kept[node.id] = true
  end
  for _, id in ipairs(self.children[parent] or {}) do
    if not kept[id] and self.parents[id] == parent then
      self:_forget(id)
    end
  end
  local ids = {}
  for _, node in ipairs(nodes) do
    ids[#ids + 1] = node.id
    self.nodes[node.id] = node
    self.parents[node.id] = parent
  end
  self.children[parent] = ids
end

---@param id string
function Model:_forget(id)
  for _, child in ipairs(self.children[id] or {}) do
    if self.parents[child] == id then
      self:_forget(child)
    end
  end
  self.nodes[id], self.children[id], self.parents[id] = nil, nil, nil
end

---@param id string
---@return boolean
function Model:can_open(id)
  local node = self.nodes[id]
  return node ~= nil and node.collapsible ~= nil and node.collapsible ~= "none"
end

---@param id string
---@return boolean
function Model:is_open(id)
  if id == Model.ROOT then
    return true
  end
  if not self:can_open(id) then
    return false
  end
  local opened = self.opened[id]
  if opened == nil then
    return self.nodes[id].collapsible == "expanded"
  end
  return opened
end

---@param id string
---@param open boolean
function Model:set_open(id, open)
  self.opened[id] = open
end

--- Unfold all that a node is in, unless the user folded some of it.
---@param id string
function Model:reveal(id)
  local folded, seen = {}, {}
  local above = self.parents[id]
  while above and above ~= Model.ROOT and not seen[above] do
    seen[above] = true
    if self.opened[above] == false then
      return
    elseif not self:is_open(above) then
      folded[#folded + 1] = above
    end
    above = self.parents[above]
  end
  for _, node in ipairs(folded) do
    self.opened[node] = true
  end
end

--- Parents whose children must be asked for when these nodes changed: what they are in, they themselves, and
--- what is open below them; all that are shown when the list is empty.
---@param ids string[]
---@return string[]
function Model:stale(ids)
  local stale, seen = {}, {}
  local function add(id)
    if not seen[id] then
      seen[id] = true
      stale[#stale + 1] = id
    end
  end
  if #ids == 0 or not self.children[Model.ROOT] then
    add(Model.ROOT)
    for _, row in ipairs(self:rows()) do
      if row.open then
        add(row.id)
      end
    end
    return stale
  end
  -- A node that changed may have changed anywhere below it.
  local function add_below(id)
    if self.children[id] and not seen[id] then
      add(id)
      for _, child in ipairs(self.children[id]) do
        if self:is_open(child) then
          add_below(child)
        end
      end
    end
  end
  for _, id in ipairs(ids) do
    add_below(id)
  end
  for _, id in ipairs(ids) do
    if self.parents[id] then
      add(self.parents[id])
    end
  end
  return stale
end

---@class missions.Row
---@field id string
---@field node missions.TreeNode
---@field depth integer From 0.
---@field open boolean

--- What is visible, from top to bottom.
---@return missions.Row[]
function Model:rows()
  local rows, above = {}, {}
  local function walk(parent, depth)
    for _, id in ipairs(self.children[parent] or {}) do
      local node = self.nodes[id]
      -- A server that names a node below itself must not hang the editor.
      if node and not above[id] then
        local open = self:is_open(id)
        rows[#rows + 1] = { id = id, node = node, depth = depth, open = open }
        if open then
          above[id] = true
          walk(id, depth + 1)
          above[id] = nil
        end
      end
    end
  end
  walk(Model.ROOT, 0)
  return rows
end

return Model
