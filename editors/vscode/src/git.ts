// Reads commits of a repository with git: paths that changed and the text of a file. Never writes, never runs what the
// repository brings along (hooks, filters, external diffs).
import { execFile } from "node:child_process";

export interface ChangedPath {
  readonly kind: "added" | "deleted" | "modified" | "renamed";
  readonly path: string;
  readonly oldPath: string;
}

/** Larger files are not shown: a diff of them helps nobody. */
const LARGEST = 10_000_000;

export async function changedPaths(repository: string, base: string, tip: string): Promise<ChangedPath[]> {
  const output = await git(repository, ["diff", "--no-ext-diff", "--name-status", "-z", "-M", base, tip, "--"]);
  return parseNameStatus(output.toString("utf8"));
}

/** The output of `git diff --name-status -z`: letter, path, and for renames a second path. */
export function parseNameStatus(output: string): ChangedPath[] {
  const words = output.split("\0");
  const found: ChangedPath[] = [];
  for (let at = 0; at + 1 < words.length; ) {
    const letter = words[at]?.[0] ?? "";
    const path = words[at + 1] ?? "";
    if (letter === "R" || letter === "C") {
      const target = words[at + 2] ?? "";
      found.push({ kind: letter === "R" ? "renamed" : "added", path: target, oldPath: path });
      at += 3;
      continue;
    }
    found.push({ kind: letter === "A" ? "added" : letter === "D" ? "deleted" : "modified", path, oldPath: path });
    at += 2;
  }
  return found;
}

/** The bytes of a file in a commit. */
export function fileAt(repository: string, commit: string, path: string): Promise<Buffer> {
  return git(repository, ["cat-file", "blob", `${commit}:${path}`]);
}

function git(repository: string, args: readonly string[]): Promise<Buffer> {
  const safe = ["--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-C", repository];
  return new Promise((resolve, reject) => {
    execFile("git", [...safe, ...args], { encoding: "buffer", maxBuffer: LARGEST, timeout: 20_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(stderr.toString("utf8").trim() || error.message));
      else resolve(stdout);
    });
  });
}
