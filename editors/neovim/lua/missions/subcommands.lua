--- Every `:Missions <sub>`: its words, its meaning and, where it is more than an operation of the server,
--- what runs it.

---@class missions.Subcommand
---@field text string For completion, help and the documentation.
---@field arguments missions.Argument[]
---@field operation? string The server's, if the name is another one.
---@field run? fun(arguments: table) What runs it instead of the server's command.
---@field title? string Of the report that it answers.

local MISSION = { name = "mission", kind = "mission", at_cursor = true }
local ANY_MISSION = { name = "mission", kind = "mission" }

---@param extra? missions.Argument
---@return missions.Argument
local function text(name, extra)
  return vim.tbl_extend("force", { name = name, kind = "text", rest = true }, extra or {})
end

---@return missions.Argument
local function flag(name)
  return { name = name, kind = "flag" }
end

---@type table<string, missions.Subcommand>
local M = {}

-- Planning and talking.
M.new = {
  text = "plan a mission in a conversation, or save a plan file (planPath=…, template=…)",
  arguments = {
    text("goal"),
    { name = "planPath", kind = "path" },
    { name = "template", kind = "template" },
    flag("demo"),
  },
  run = function(arguments)
    local goal = arguments.goal
    if arguments.planPath then
      arguments.cwd = vim.uv.cwd()
      return require("missions.commands").execute("new", arguments)
    elseif arguments.template or arguments.demo then
      return require("missions.chat").begin(arguments)
    end
    require("missions.chat").open({ fresh = true }, goal)
  end,
}
M.chat = {
  text = "talk about a mission, or go on with the last conversation",
  arguments = { MISSION, flag("fresh") },
  run = function(arguments)
    require("missions.chat").open(arguments)
  end,
}
M.send = {
  text = "say something in a mission's chat",
  arguments = { MISSION, text("text", { ask = "Say what? " }) },
}
M.validate = {
  text = "check a mission's plan, or the plan file of this window",
  title = "Plan check",
  arguments = { ANY_MISSION, { name = "planPath", kind = "path" } },
  run = function(arguments)
    local name = vim.api.nvim_buf_get_name(0)
    if not arguments.mission and not arguments.planPath then
      if name:find("%.json$") then
        arguments.planPath = name
      else
        arguments.mission = require("missions.mission").at_cursor()
      end
    end
    require("missions.commands").execute("validate", arguments)
  end,
}
M.estimate = {
  text = "runs, time and cost to expect",
  arguments = { MISSION, { name = "planPath", kind = "path" } },
}
M.comment = {
  text = "leave a remark on the plan (path=F3 says where); the planner answers it",
  arguments = { MISSION, text("text", { ask = "Which remark? " }), { name = "path", kind = "text" } },
}
M["apply-plan"] =
  { text = "apply the plan files you edited as a revision", arguments = { MISSION, text("reason") } }

-- Running.
M.run = { text = "start a planned mission, or resume it; asks first", arguments = { MISSION } }
M.resume = { text = "resume a paused or unblocked mission; asks first", arguments = { MISSION } }
M.pause = { text = "pause after the current unit, or now", arguments = { MISSION, flag("now") } }
M.cancel = { text = "end the current run; the mission pauses", arguments = { MISSION, text("reason") } }
M.steer = {
  text = "say something to the running unit",
  arguments = { MISSION, text("text", { ask = "Say what? " }) },
}
M.decide = {
  text = "answer a question that waits for you",
  arguments = {
    ANY_MISSION,
    { name = "decision", kind = "decision" },
    { name = "answer", kind = "answer", rest = true },
  },
  run = function(arguments)
    require("missions.commands").decide(arguments)
  end,
}
M.budget = {
  text = "change the limits: usd=, tokens=, wallMinutes=, runs=, unitUsd=, unitMinutes=, unitTurns=",
  arguments = {
    MISSION,
    { name = "usd", kind = "number" },
    { name = "tokens", kind = "number" },
    { name = "wallMinutes", kind = "number" },
    { name = "runs", kind = "number" },
    { name = "unitUsd", kind = "number" },
    { name = "unitMinutes", kind = "number" },
    { name = "unitTurns", kind = "number" },
    { name = "reason", kind = "text" },
  },
}

-- When something is wrong.
M.retry = {
  text = "let a failed feature run again",
  arguments = { MISSION, { name = "feature", kind = "feature" }, text("note") },
}
M["rerun-validation"] = {
  text = "validate a milestone again",
  arguments = {
    MISSION,
    { name = "milestone", kind = "milestone" },
    { name = "mode", kind = "choice", choices = { "scrutiny", "user-testing" } },
    text("reason"),
  },
}
M.skip = {
  text = "leave a feature out, with a reason",
  arguments = {
    MISSION,
    { name = "feature", kind = "feature", ask = "Which feature?" },
    text("reason", { ask = "Why is it left out? " }),
  },
}
M.waive = {
  text = "accept a defect, with a reason",
  arguments = {
    MISSION,
    { name = "defect", kind = "defect", ask = "Which defect?" },
    text("reason", { ask = "Why is it accepted? " }),
  },
}
M.repair = {
  text = "turn a defect into a repair feature",
  arguments = { MISSION, { name = "defect", kind = "defect", ask = "Which defect?" } },
}
M.block = { text = "stop a mission by hand", arguments = { MISSION, text("reason") } }
M.unblock = {
  text = "take a block away; --adopt keeps what someone else changed",
  arguments = { MISSION, text("reason"), flag("adopt") },
}

-- Ending and keeping.
M.finish = {
  text = "go back to your branch; --merge fast-forwards it",
  arguments = { MISSION, flag("merge") },
}
M.abandon = { text = "give a mission up; its branch is kept", arguments = { MISSION, text("reason") } }
M.delete = { text = "remove a mission's records; asks first", arguments = { MISSION, flag("force") } }
M.clear = {
  text = "hide completed missions; asks first",
  arguments = { { name = "missions", kind = "mission", many = true } },
}
M.export = {
  text = "write a mission to one file",
  arguments = {
    MISSION,
    { name = "path", kind = "path", ask = "Write to which file? " },
    flag("transcripts"),
  },
}
M.restore = {
  text = "put files back from a snapshot; --list shows the snapshots",
  title = "Snapshots",
  arguments = {
    MISSION,
    { name = "snapshot", kind = "text" },
    { name = "paths", kind = "text", many = true },
    flag("list"),
  },
}
M.import = {
  text = "read a mission from a file; it comes in paused",
  arguments = { { name = "path", kind = "path", ask = "Read which file? " } },
}
M.gc = {
  text = "remove snapshots and backups of missions that ended long ago",
  arguments = { { name = "olderThanDays", kind = "number" }, flag("dryRun") },
}

-- Looking.
M.control = {
  text = "Mission Control: the panel, or one mission as a document",
  arguments = { ANY_MISSION },
  run = function(arguments)
    if arguments.mission then
      return require("missions.commands").execute("control", arguments)
    end
    require("missions.panel").open()
  end,
}
M.status = { text = "how a mission stands", arguments = { MISSION }, title = "Status" }
M.list = { text = "every mission, newest first", arguments = { flag("all") }, title = "Missions" }
M.show = {
  text = "an artifact as text",
  title = "Artifact",
  arguments = {
    MISSION,
    {
      name = "artifact",
      kind = "choice",
      choices = {
        "status",
        "plan",
        "objective",
        "contract",
        "report",
        "handoff",
        "validation",
        "packet",
        "transcript",
        "events",
        "defects",
        "decisions",
        "runs",
        "settings",
      },
    },
    { name = "run", kind = "run" },
  },
}
M.open = {
  text = "open a document of a mission",
  arguments = {
    MISSION,
    {
      name = "document",
      kind = "choice",
      choices = { "control", "report", "review", "transcript", "handoff", "packet", "plan" },
      ask = "Which document?",
    },
    { name = "run", kind = "run" },
  },
}
M.review = {
  text = "a run's handoff or report, with its diff, commands and cost",
  arguments = { MISSION, { name = "run", kind = "run", ask = "Which run?" } },
  run = function(arguments)
    arguments.document = "review"
    require("missions.commands").execute("open", arguments)
  end,
}
M.transcript = {
  text = "what a run said and did",
  arguments = { MISSION, { name = "run", kind = "run", ask = "Which run?" } },
  run = function(arguments)
    arguments.document = "transcript"
    require("missions.commands").execute("open", arguments)
  end,
}
M.defects = {
  text = "defects as a quickfix list",
  arguments = { MISSION },
  run = function(arguments)
    require("missions.quickfix").defects(arguments)
  end,
}
M.decisions = {
  text = "open questions as a quickfix list",
  arguments = {},
  run = function()
    require("missions.quickfix").decisions()
  end,
}
M.hunks = {
  text = "what a run changed, as a quickfix list",
  arguments = { MISSION, { name = "run", kind = "run", ask = "Which run?" } },
  run = function(arguments)
    require("missions.quickfix").hunks(arguments)
  end,
}
M.watch = {
  text = "the latest events",
  title = "Events",
  arguments = { MISSION, { name = "sinceSeq", kind = "number" } },
}

-- The installation.
M.models = {
  text = "show or set the model of a role",
  title = "Models",
  arguments = {
    { name = "role", kind = "choice", choices = { "planner", "worker", "validator", "orchestrator" } },
    { name = "model", kind = "model" },
    { name = "effort", kind = "text" },
    { name = "fallback", kind = "text" },
  },
}
M.doctor = {
  text = "check the store and the surroundings; --repair repairs",
  arguments = { ANY_MISSION, flag("repair") },
  title = "Doctor",
}
M.demo = {
  text = "watch a small mission, without a key or cost",
  arguments = { { name = "folder", kind = "path" } },
  run = function(arguments)
    require("missions.demo").run(arguments)
  end,
}
M.log = {
  text = "the logs of the server and of Neovim's client",
  arguments = {},
  run = function()
    require("missions.health").open_log()
  end,
}
M.restart = {
  text = "start the language server anew; missions go on",
  arguments = {},
  run = function()
    require("missions.client").restart()
  end,
}
M.stop = {
  text = "end the language server; missions go on",
  arguments = {},
  run = function()
    require("missions.client").stop()
  end,
}

return M
