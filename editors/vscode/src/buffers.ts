// Tells the server which files have unsaved changes, and the user when a mission changed one of those on disk.
import * as vscode from "vscode";
import { warn } from "./notices";
import type { Session } from "./session";

export class Buffers implements vscode.Disposable {
  private readonly subscriptions: vscode.Disposable[];
  private last = "[]";

  constructor(private readonly session: Session) {
    const look = (): void => {
      this.tell();
    };
    this.subscriptions = [
      vscode.workspace.onDidChangeTextDocument(look),
      vscode.workspace.onDidSaveTextDocument(look),
      vscode.workspace.onDidCloseTextDocument(look),
      session.onDidChangeState(() => {
        // A new server knows nothing yet.
        this.last = "[]";
        look();
      }),
    ];
    session.on("missions/filesChanged", ({ uris }) => {
      this.filesChanged(uris);
    });
  }

  dispose(): void {
    vscode.Disposable.from(...this.subscriptions).dispose();
  }

  private tell(): void {
    const dirty = vscode.workspace.textDocuments
      .filter((document) => document.isDirty && document.uri.scheme === "file")
      .map((document) => document.uri.toString())
      .sort();
    const now = JSON.stringify(dirty);
    if (now === this.last) return;
    this.last = now;
    this.session.notify("missions/buffers", { dirty });
  }

  private filesChanged(uris: readonly string[]): void {
    const changed = new Set(uris);
    const unsaved = vscode.workspace.textDocuments.filter((document) => document.isDirty && changed.has(document.uri.toString()));
    // The editor reloads those without unsaved changes by itself.
    const [first] = unsaved;
    if (first === undefined) return;
    const names = unsaved.map((document) => vscode.workspace.asRelativePath(document.uri)).join(", ");
    const compare = "Compare";
    void warn(`A mission changed ${names} on disk; your unsaved changes are still in the editor.`, compare).then(async (answer) => {
      if (answer !== compare) return;
      await vscode.window.showTextDocument(first);
      await vscode.commands.executeCommand("workbench.files.action.compareWithSaved");
    });
  }
}
