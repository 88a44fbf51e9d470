// Opens documents of missions: `missions:` documents as rendered Markdown, others as what they are. Their text comes from the
// server by the standard request, which the client library answers for; nothing is kept here.
import * as vscode from "vscode";

const TEXTS = "missions-text";
const PREVIEW = "vscode.markdown.preview.editor";

export interface Where {
  readonly beside?: boolean;
  readonly preserveFocus?: boolean;
}

/** Shows a document where people read: Markdown of ours rendered, all else in an editor. */
export async function openDocument(uri: vscode.Uri, where: Where = {}): Promise<void> {
  const options: vscode.TextDocumentShowOptions = {
    preview: true,
    preserveFocus: where.preserveFocus ?? false,
    viewColumn: where.beside === true ? vscode.ViewColumn.Beside : vscode.ViewColumn.Active,
  };
  if (uri.scheme === "missions" && uri.path.endsWith(".md")) {
    await vscode.commands.executeCommand("vscode.openWith", uri, PREVIEW, options);
  } else {
    await vscode.commands.executeCommand("vscode.open", uri, options);
  }
}

/** The `missions:` document of the tab that has the focus, whether it is rendered or shown as text. */
export function activeDocument(): vscode.Uri | undefined {
  const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  const uri = input instanceof vscode.TabInputCustom || input instanceof vscode.TabInputText ? input.uri : undefined;
  return uri?.scheme === "missions" ? uri : undefined;
}

/** Texts that were asked for once, such as a report of the doctor: shown read-only, kept until the window closes. */
export class Texts implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly registration = vscode.workspace.registerTextDocumentContentProvider(TEXTS, this);
  private readonly texts = new Map<string, string>();
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  readonly onDidChange = this.changed.event;

  dispose(): void {
    this.registration.dispose();
    this.changed.dispose();
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.texts.get(uri.path) ?? "";
  }

  async show(name: string, text: string): Promise<void> {
    const uri = vscode.Uri.from({ scheme: TEXTS, path: `/${name}` });
    this.texts.set(uri.path, text);
    this.changed.fire(uri);
    await vscode.window.showTextDocument(uri, { preview: true });
  }
}
