// A part for the editor's Markdown preview: in transcripts, long outputs are folded behind their first line. Pure.
import type { MarkdownIt } from "markdown-it";
import { isObject } from "./failure";

/** Shorter blocks stay open. */
const LINES = 10;

export function foldLongBlocks(markdown: MarkdownIt): MarkdownIt {
  const plain = markdown.renderer.rules.fence;
  markdown.renderer.rules.fence = (tokens, index, options, env, self) => {
    const drawn = plain ? plain(tokens, index, options, env, self) : self.renderToken(tokens, index, options);
    const lines = (tokens[index]?.content ?? "").trimEnd().split("\n");
    if (!ofTranscript(env) || lines.length <= LINES) return drawn;
    const first = markdown.utils.escapeHtml((lines.find((line) => line.trim() !== "") ?? "").slice(0, 100));
    return `<details><summary><code>${first}</code> (${lines.length} lines)</summary>\n${drawn}</details>\n`;
  };
  return markdown;
}

/** The preview tells its plugins which document it draws. */
function ofTranscript(env: unknown): boolean {
  const uri = isObject(env) ? env["currentDocument"] : undefined;
  return isObject(uri) && uri["scheme"] === "missions" && String(uri["path"]).endsWith("/transcript.md");
}
