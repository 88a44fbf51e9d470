import assert from "node:assert/strict";
import { test } from "node:test";
import { fromView } from "../../src/chat/messages";
import { EMPTY, reduce, type ChatEvent, type ChatState } from "../../src/chat/state";

const after = (...events: ChatEvent[]): ChatState => events.reduce(reduce, EMPTY);
const piece = (role: "assistant" | "thinking" | "tool" | "notice", text: string, message = "a1"): ChatEvent => ({ type: "delta", message, role, text });

test("pieces of one kind join into one entry, and a tool call between them parts it", () => {
  const state = after({ type: "said", id: "u1", text: "Hello" }, piece("assistant", "I "), piece("assistant", "look."), piece("tool", "read README.md"), piece("tool", "glob *.py"), piece("assistant", "Done."));
  assert.deepEqual(state.entries.map((entry) => [entry.role, entry.text]), [
    ["user", "Hello"],
    ["assistant", "I look."],
    ["tool", "read README.md"],
    ["tool", "glob *.py"],
    ["assistant", "Done."],
  ]);
  assert.equal(new Set(state.entries.map((entry) => entry.id)).size, 5);
  assert.equal(state.busy, true);
});

test("an answer that ends leaves the view free; one that failed says why; one that was stopped says so", () => {
  assert.equal(after(piece("assistant", "x"), { type: "ended", message: "a1", outcome: "complete" }).busy, false);
  const failed = after({ type: "ended", message: "a1", outcome: "failed", problem: "No key is set." });
  assert.equal(failed.entries.at(-1)?.text, "No key is set.");
  assert.equal(after({ type: "ended", message: "a1", outcome: "cancelled" }).entries.at(-1)?.role, "notice");
});

test("two answers never flow into each other", () => {
  const state = after(piece("assistant", "one", "a1"), { type: "ended", message: "a1", outcome: "complete" }, piece("assistant", "two", "a2"));
  assert.deepEqual(state.entries.map((entry) => entry.text), ["one", "two"]);
});

test("earlier entries come before the known ones and none comes twice", () => {
  const known = reduce(EMPTY, { type: "reset", state: { ...EMPTY, more: true, entries: [{ id: "3", role: "user", text: "c" }] } });
  const state = reduce(known, { type: "older", more: false, entries: [{ id: "2", role: "assistant", text: "b" }, { id: "3", role: "user", text: "c" }] });
  assert.deepEqual(state.entries.map((entry) => entry.id), ["2", "3"]);
  assert.equal(state.more, false);
});

test("a saved mission is remembered by the chat that planned it", () => {
  assert.equal(after({ type: "ended", message: "a1", outcome: "complete", mission: "mission-a" }).mission, "mission-a");
});

test("the page can send nothing but what it is meant to", () => {
  assert.deepEqual(fromView({ type: "send", text: "hi", more: 1 }), { type: "send", text: "hi" });
  assert.deepEqual(fromView({ type: "answer", question: "d", answer: "yes" }), { type: "answer", question: "d", answer: "yes" });
  for (const bad of [undefined, null, 3, "send", {}, { type: "send" }, { type: "send", text: 3 }, { type: "run", command: "rm" }, { type: "answer", question: "d" }]) {
    assert.equal(fromView(bad), undefined);
  }
});
