import assert from "node:assert/strict";
import { test } from "node:test";
import { parted } from "../../src/question-text";

test("a short question stays whole", () => {
  assert.deepEqual(parted("Go on with it here?"), { message: "Go on with it here?", detail: "" });
});

test("a long question becomes what is asked and, line by line, what will happen", () => {
  const text = "Start “Make tally say more”? 8 units on branch missions/tally of /home/me/tally (plan version 1). Estimate: $0.52, at most $1.10, 24 min. Budget: $20.00, 60 runs. Sandbox: bubblewrap. Network: none.";
  const { message, detail } = parted(text);
  assert.equal(message, "Start “Make tally say more”?");
  assert.deepEqual(detail.split("\n"), [
    "8 units on branch missions/tally of /home/me/tally (plan version 1).",
    "Estimate: $0.52, at most $1.10, 24 min.",
    "Budget: $20.00, 60 runs.",
    "Sandbox: bubblewrap.",
    "Network: none.",
  ]);
});

test("facts that stand in a row become lines, also those with a semicolon inside", () => {
  const facts = "Repository /home/me/tally (on main); Units 9; about 27–554 min, $2.01–$33.78; Budget $5.00, 30 runs; Models worker claude-sonnet-5-5 (medium), validator claude-opus-5-5 (high)";
  assert.deepEqual(parted(`Make tally say more: Start version 1 of the plan? ${facts}`).detail.split("\n"), [
    "Repository /home/me/tally (on main)",
    "Units 9; about 27–554 min, $2.01–$33.78",
    "Budget $5.00, 30 runs",
    "Models worker claude-sonnet-5-5 (medium), validator claude-opus-5-5 (high)",
  ]);
});

test("lines of the server stay lines", () => {
  assert.deepEqual(parted("Sure?\n\none\ntwo"), { message: "Sure?", detail: "one\ntwo" });
});
