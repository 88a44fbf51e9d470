import assert from "node:assert/strict";
import { test } from "node:test";
import { plainLabel, plainMessage } from "../../src/plain";

test("a title cannot bring a link into a notification", () => {
  assert.equal(plainMessage("“[Allow](command:workbench.action.quit)” asks"), "“[Allow] (command:workbench.action.quit)” asks");
  assert.equal(plainMessage("list[0] and f(x)"), "list[0] and f(x)");
});

test("a title cannot bring an icon into a label", () => {
  assert.equal(plainLabel("$(check) all tests pass"), String.raw`\$(check) all tests pass`);
  assert.equal(plainLabel("costs $3 (or so)"), "costs $3 (or so)");
});
