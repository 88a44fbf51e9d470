import assert from "node:assert/strict";
import { test } from "node:test";
import MarkdownIt from "markdown-it";
import { foldLongBlocks } from "../../src/folded-blocks";

const markdown = foldLongBlocks(new MarkdownIt());
const TRANSCRIPT = { currentDocument: { scheme: "missions", path: "/mission-a/runs/run-1/transcript.md" } };
const block = (lines: number): string => `\`\`\`text\n${Array.from({ length: lines }, (_, n) => `<line ${n}>`).join("\n")}\n\`\`\`\n`;

test("a long output in a transcript is folded behind its first line, as text", () => {
  const html = markdown.render(block(40), TRANSCRIPT);
  assert.match(html, /<details><summary><code>&lt;line 0&gt;<\/code> \(40 lines\)<\/summary>/);
  assert.ok(!html.includes("<line"));
});

test("short outputs, and blocks of any other document, stay as they are", () => {
  assert.ok(!markdown.render(block(3), TRANSCRIPT).includes("<details>"));
  assert.ok(!markdown.render(block(40), { currentDocument: { scheme: "file", path: "/a/transcript.md" } }).includes("<details>"));
  assert.ok(!markdown.render(block(40), {}).includes("<details>"));
});
