import assert from "node:assert/strict";
import { test } from "node:test";
import type { SessionState } from "../../src/session";
import { badgeOf, contextOf, escapeMarkdown, itemOf } from "../../src/status-view";

const RUNNING: SessionState = { kind: "running", version: "0.1.0", origin: "the PATH" };
const WAITING = { mission: "mission-a", kind: "decision", text: "Which one?", decision: "d1" } as const;

test("the item shows the server's line without its leading word, and that something runs", () => {
  const view = itemOf(RUNNING, { line: "mission: running · 2/6 ▰▱▱▱", counts: { running: 1 } });
  assert.equal(view.text, "$(sync~spin) running · 2/6 ▰▱▱▱");
  assert.equal(view.background, undefined);
  assert.equal(view.spoken, "Missions: mission: running · 2/6 ▰▱▱▱");
});

test("a category is told as words, and nothing is said of features that are not planned yet", () => {
  assert.equal(itemOf(RUNNING, { line: "mission: planning · 0/0 ▱▱▱▱" }).text, "$(rocket) planning");
  assert.match(itemOf(RUNNING, { line: "mission: blocked · validator_report_failed · 3/6" }).text, /blocked · validator report failed · 3\/6/);
});

test("what waits for the user is a bell, a list in the tooltip and a number at the view", () => {
  const status = { line: "mission: paused", health: "attention", waiting: [WAITING] } as const;
  assert.match(itemOf(RUNNING, status).text, /bell-dot/);
  assert.match(itemOf(RUNNING, status).tooltip, /Which one\?/);
  assert.match(itemOf(RUNNING, status).tooltip, /command:missions\.ui\.decide/);
  assert.deepEqual(badgeOf(status), { value: 1, tooltip: "One thing waits for you" });
});

test("waiting for a provider or another runner asks nothing of the user", () => {
  assert.equal(badgeOf({ line: "", waiting: [{ mission: "m", kind: "provider", text: "" }, { mission: "m", kind: "lock", text: "" }] }), undefined);
  assert.equal(badgeOf(undefined), undefined);
});

test("only what is broken colours the item", () => {
  assert.equal(itemOf(RUNNING, { line: "x", health: "error" }).background, "statusBarItem.errorBackground");
  assert.equal(itemOf({ kind: "missing" }, undefined).background, "statusBarItem.warningBackground");
  assert.equal(itemOf({ kind: "starting" }, undefined).background, undefined);
});

test("a long line is cut for the bar and whole for a screen reader", () => {
  const line = `mission: running · ${"x".repeat(200)}`;
  assert.ok(itemOf(RUNNING, { line }).text.length < 64);
  assert.ok(itemOf(RUNNING, { line }).spoken.includes("x".repeat(200)));
});

test("text from plans shows as text in the tooltip: no link, no command, no icon", () => {
  const hostile = "[run](command:workbench.action.quit) $(flame) <b>";
  const tooltip = itemOf(RUNNING, { line: hostile }).tooltip;
  assert.ok(!tooltip.includes("](command:workbench"));
  assert.ok(!tooltip.includes("$(flame)"));
  assert.equal(escapeMarkdown("a\nb"), "a b");
});

test("context keys say which commands make sense", () => {
  const keys = contextOf(RUNNING, { line: "", counts: { running: 1, completed: 2 }, waiting: [WAITING] });
  assert.equal(keys["missions.ready"], true);
  assert.equal(keys["missions.hasRunning"], true);
  assert.equal(keys["missions.hasResumable"], false);
  assert.equal(keys["missions.hasEnded"], true);
  assert.equal(keys["missions.hasDecision"], true);
  assert.equal(contextOf({ kind: "failed", reason: "" }, undefined)["missions.ready"], false);
});
