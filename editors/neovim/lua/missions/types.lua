---@meta
-- The payloads of our own methods, as docs/protocol.md of the repository lists them. A test compares the two.

---@class missions.ErrorData
---@field code string
---@field message string
---@field nextStep? string
---@field data? table

---@class missions.TreeCommand
---@field title string
---@field command string
---@field arguments? any[]

---@class missions.TreeNode
---@field id string
---@field label string
---@field description? string
---@field tooltip? string
---@field icon? string
---@field contextValue? string
---@field severity? "error"|"warning"|"info"
---@field collapsible? "none"|"collapsed"|"expanded"
---@field command? missions.TreeCommand
---@field accessibilityLabel? string

---@class missions.StatusCounts
---@field blocked? integer
---@field failed? integer
---@field running? integer
---@field paused? integer
---@field planned? integer
---@field completed? integer

---@class missions.Waiting
---@field mission string
---@field kind "decision"|"block"|"provider"|"budget"|"confirmation"|"lock"
---@field text string
---@field decision? string

---@class missions.Status
---@field line string
---@field health? "ok"|"attention"|"error"
---@field counts? missions.StatusCounts
---@field waiting? missions.Waiting[]
---@field mission? string

---@class missions.ChatEntry
---@field id string
---@field role "user"|"assistant"|"tool"|"notice"
---@field text string
---@field at string

---@class missions.ChatDelta
---@field chat string
---@field message string
---@field kind "text"|"thinking"|"tool"|"notice"
---@field text string

---@class missions.ChatEnd
---@field chat string
---@field message string
---@field outcome "complete"|"cancelled"|"failed"
---@field error? missions.ErrorData
---@field mission? string

---@class missions.DecisionOption
---@field id string
---@field label string
---@field detail? string

---@class missions.Decision
---@field mission string
---@field decision string
---@field state "opened"|"answered"|"withdrawn"
---@field question string
---@field options? missions.DecisionOption[]
---@field freeText? boolean
---@field answer? string
---@field by? string

---@class missions.QuestionData
---@field command? string
---@field request? any
---@field mission? string
---@field decision? string

---@class missions.FilesChanged
---@field mission string
---@field uris string[]

---@class missions.OperationResult
---@field state "applied"|"queued"|"refused"
---@field mission string
---@field request string
---@field seq? integer
---@field message? string
---@field value? any
---@field error? missions.ErrorData

---@class missions.DocumentResult
---@field uri string
---@field shown? boolean

---@class missions.ReportResult
---@field data any
---@field text? string

---@class missions.Completion
---@field id string
---@field label? string
---@field detail? string
