// The changes of a run in the editor's own diff views: both sides come out of git's history, so that they stay what they were
// while the work goes on.
import { extname } from "node:path";
import * as vscode from "vscode";
import { Failure } from "./failure";
import { changedPaths, fileAt, type ChangedPath } from "./git";
import type { MissionReport, RunRow } from "./reports";

const SCHEME = "missions-git";

export class Diffs implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly registration = vscode.workspace.registerTextDocumentContentProvider(SCHEME, this);

  dispose(): void {
    this.registration.dispose();
  }

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const query = new URLSearchParams(uri.query);
    const [repository, commit, path] = [query.get("repository"), query.get("commit"), query.get("path")];
    // One side of an added or deleted file.
    if (repository === null || commit === null || path === null) return "";
    const bytes = await fileAt(repository, commit, path);
    return bytes.includes(0) ? `(binary file, ${bytes.length} bytes)\n` : bytes.toString("utf8");
  }

  /** Opens what a run changed; a run without commits says so. */
  async openRun(mission: MissionReport, run: RunRow): Promise<void> {
    if (run.baseCommit === undefined || run.commit === undefined || run.baseCommit === run.commit) {
      throw new Failure("not_found", `${run.runId} has no commit to show.`, "Its review tells what it did.");
    }
    await this.open(`${run.itemId}: changes of attempt ${run.attempt}`, mission.cwd, run.baseCommit, run.commit);
  }

  /** Opens everything that the mission has changed so far. */
  async openMission(mission: MissionReport): Promise<void> {
    if (mission.baseCommit === undefined || mission.tipCommit === undefined) {
      throw new Failure("not_found", `${mission.title} has no commits yet.`);
    }
    await this.open(`${mission.title} — all changes`, mission.cwd, mission.baseCommit, mission.tipCommit);
  }

  private async open(title: string, repository: string, base: string, tip: string): Promise<void> {
    const changes = await changedPaths(repository, base, tip);
    const [only] = changes;
    if (only === undefined) throw new Failure("not_found", "The commits change no file.");
    const resources = changes.map((change) => sides(repository, base, tip, change));
    const [first] = resources;
    if (changes.length === 1 && first) {
      await vscode.commands.executeCommand("vscode.diff", first[1], first[2], `${only.path} (${title})`, { preview: true });
    } else {
      await vscode.commands.executeCommand("vscode.changes", title, resources);
    }
  }
}

/** The file as it is now, and its text before and after. */
function sides(repository: string, base: string, tip: string, change: ChangedPath): [vscode.Uri, vscode.Uri, vscode.Uri] {
  const side = (commit: string, path: string, there: boolean): vscode.Uri =>
    vscode.Uri.from({
      scheme: SCHEME,
      // The path is what the diff view shows and what chooses the language.
      path: `/${path}`,
      query: there ? new URLSearchParams({ repository, commit, path }).toString() : `nothing${extname(path)}=${commit}`,
    });
  return [
    vscode.Uri.joinPath(vscode.Uri.file(repository), change.path),
    side(base, change.oldPath, change.kind !== "added"),
    side(tip, change.path, change.kind !== "deleted"),
  ];
}
