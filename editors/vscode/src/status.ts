// The status item with its menu, the badge of the tree and the context keys that enable commands: all from the one status
// notification of the server and the state of the connection.
import * as vscode from "vscode";
import type { StatusParams } from "./protocol";
import type { Session, SessionState } from "./session";
import { badgeOf, contextOf, itemOf } from "./status-view";
import type { MissionTree } from "./tree";

export class Status implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem("missions.status", vscode.StatusBarAlignment.Left, 10);
  private readonly changed = new vscode.EventEmitter<StatusParams>();
  readonly onDidChange = this.changed.event;
  private last: StatusParams | undefined;

  constructor(
    session: Session,
    private readonly tree: MissionTree,
  ) {
    this.item.name = "Missions";
    this.item.command = "missions.ui.menu";
    session.on("missions/status", (status) => {
      this.last = status;
      this.show(session.state);
      this.changed.fire(status);
    });
    session.onDidChangeState((state) => {
      if (state.kind !== "running") this.last = undefined;
      this.show(state);
    });
    this.show(session.state);
  }

  get current(): StatusParams | undefined {
    return this.last;
  }

  dispose(): void {
    this.item.dispose();
    this.changed.dispose();
  }

  private show(state: SessionState): void {
    const view = itemOf(state, this.last);
    this.item.text = view.text;
    this.item.backgroundColor = view.background === undefined ? undefined : new vscode.ThemeColor(view.background);
    this.item.accessibilityInformation = { label: view.spoken, role: "button" };
    // Without icons: the editor makes them of foreign words too, escaped or not.
    const tooltip = new vscode.MarkdownString(view.tooltip, false);
    tooltip.isTrusted = { enabledCommands: ["missions.ui.menu", "missions.control.focus", "missions.ui.showOutput", "missions.ui.decide", "missions.ui.chat"] };
    this.item.tooltip = tooltip;
    this.item.show();
    const badge = badgeOf(this.last);
    this.tree.view.badge = badge;
    for (const [key, value] of Object.entries(contextOf(state, this.last))) {
      void vscode.commands.executeCommand("setContext", key, value);
    }
  }
}
