import assert from "node:assert/strict";
import { test } from "node:test";
import { toolLine } from "../../src/chat/tool-line";

test("a tool call is told in words, with its argument apart", () => {
  assert.deepEqual(toolLine("read: src/main.py"), { verb: "Reads", about: "src/main.py" });
  assert.deepEqual(toolLine("mission_write_plan: "), { verb: "Saves the plan", about: "" });
});

test("a tool that nobody has words for keeps its name, and other text stays as it is", () => {
  assert.deepEqual(toolLine("future_tool: a\nb"), { verb: "future_tool", about: "a\nb" });
  assert.deepEqual(toolLine("no tool at all"), { verb: "no tool at all", about: "" });
});
