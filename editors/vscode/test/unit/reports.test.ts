import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { asFailure, Failure } from "../../src/failure";
import { changedPaths, fileAt, parseNameStatus } from "../../src/git";
import { missionReport, missionRows } from "../../src/reports";
import { targetOf, targetOfPath } from "../../src/target";

test("a report is read with care: what is not as expected is absent, and only commit ids become arguments of git", () => {
  const report = missionReport({
    id: "mission-a",
    title: "A",
    status: "running",
    cwd: "/repo",
    milestones: [{ id: "M1", title: "One", status: "pending", features: [{ id: "F1", title: "First", status: "complete" }, "odd"] }],
    runs: [{ runId: "run-1", kind: "worker", itemId: "F1", status: "complete", baseCommit: "--output=/etc/passwd", commit: "a".repeat(40) }, 7],
  });
  assert.equal(report?.runs.length, 1);
  assert.equal(report.runs[0]?.baseCommit, undefined);
  assert.equal(report.runs[0]?.commit, "a".repeat(40));
  assert.deepEqual(report.features.map((feature) => feature.id), ["F1"]);
  assert.equal(missionReport([]), undefined);
  assert.deepEqual(missionRows({ missions: [{ id: "mission-a" }, {}, null] }).map((row) => row.title), ["mission-a"]);
});

test("changed paths are read with renames and odd names", () => {
  assert.deepEqual(parseNameStatus("A\0new file.py\0M\0a\nb\0D\0gone\0R090\0old.py\0new.py\0"), [
    { kind: "added", path: "new file.py", oldPath: "new file.py" },
    { kind: "modified", path: "a\nb", oldPath: "a\nb" },
    { kind: "deleted", path: "gone", oldPath: "gone" },
    { kind: "renamed", path: "new.py", oldPath: "old.py" },
  ]);
  assert.deepEqual(parseNameStatus(""), []);
});

test("both sides of a commit come out of a real repository", async () => {
  const folder = mkdtempSync(join(tmpdir(), "missions-git-"));
  try {
    const git = (...args: string[]): string => execFileSync("git", ["-C", folder, "-c", "user.name=t", "-c", "user.email=t@example.invalid", ...args], { encoding: "utf8" }).trim();
    git("init", "-q");
    writeFileSync(join(folder, "a.txt"), "one\n");
    git("add", ".");
    git("commit", "-qm", "one");
    const base = git("rev-parse", "HEAD");
    writeFileSync(join(folder, "a.txt"), "two\n");
    writeFileSync(join(folder, "ä b.txt"), "new\n");
    git("add", ".");
    git("commit", "-qm", "two");
    const tip = git("rev-parse", "HEAD");
    const changes = await changedPaths(folder, base, tip);
    assert.deepEqual(changes.map((change) => [change.kind, change.path]), [["modified", "a.txt"], ["added", "ä b.txt"]]);
    assert.equal((await fileAt(folder, base, "a.txt")).toString(), "one\n");
    assert.equal((await fileAt(folder, tip, "ä b.txt")).toString(), "new\n");
    await assert.rejects(fileAt(folder, base, "ä b.txt"));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("an error of the server keeps its code, sentence and next step", () => {
  const failure = asFailure({ code: -32803, message: "x", data: { code: "wrong_state", message: "It is running.", nextStep: "Pause it." } });
  assert.equal(failure.code, "wrong_state");
  assert.equal(failure.text, "It is running. Pause it.");
  assert.equal(asFailure({ code: -32601, message: "Method not found" }).code, "not_offered");
  assert.equal(asFailure(new Error("boom")).message, "boom");
  const own = new Failure("a", "b");
  assert.equal(asFailure(own), own);
});

test("a command finds what it was called for: a node, an object, a document", () => {
  const node = { id: "n", label: "x", command: { title: "Open", command: "missions.open", arguments: [{ mission: "mission-a", run: "run-1", document: "review" }] } };
  const link = { id: "l", label: "x", command: { title: "Open", command: "open", arguments: ["missions:/mission-b/runs/run-2/review.md"] } };
  const nodes = (id: string) => (id === "n" ? node : id === "l" ? link : undefined);
  assert.deepEqual(targetOf("n", nodes), { mission: "mission-a", run: "run-1" });
  assert.deepEqual(targetOf("l", nodes), { mission: "mission-b", run: "run-2" });
  assert.deepEqual(targetOf("gone", nodes), {});
  assert.deepEqual(targetOf({ mission: "mission-c", run: 7 }, nodes), { mission: "mission-c" });
  assert.deepEqual(targetOf(undefined, nodes), {});
  assert.deepEqual(targetOfPath("/mission-b/control.md"), { mission: "mission-b" });
  assert.deepEqual(targetOfPath("/control.md"), {});
});
