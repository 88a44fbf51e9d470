// Mission Control in the side bar: shows the server's nodes by their ids. It keeps no state of missions and starts nothing but
// opening and revealing; what is expanded and selected is the editor's, which keeps it because ids never change.
import * as vscode from "vscode";
import { TreeCache, type NodeChanges } from "./tree-cache";
import type { TreeNode } from "./protocol";
import type { Session } from "./session";

/** Changes that come closer than this are drawn together; the server joins its own, this joins those of several answers. */
const JOIN_MS = 150;
/** The editor draws changes a fifth of a second late; revealing a row before that would bring back its old line. */
const DRAWN_MS = 700;

export class MissionTree implements vscode.TreeDataProvider<string>, vscode.Disposable {
  private readonly cache: TreeCache;
  private readonly changed = new vscode.EventEmitter<string[] | undefined>();
  readonly onDidChangeTreeData = this.changed.event;
  readonly view: vscode.TreeView<string>;
  private pending: Set<string> | "all" | undefined;
  private timer: NodeJS.Timeout | undefined;
  private refreshing = false;
  /** Milliseconds from the answer of the server to the first lines that could be drawn; undefined until then. */
  firstLinesAfter: number | undefined;
  /** What the user opened and closed, by id: a node that moves to another section is a new row to the editor. */
  private readonly folds = new Map<string, boolean>();

  constructor(private readonly session: Session) {
    this.cache = new TreeCache(async (nodeId) => {
      return session.request("missions/tree/children", nodeId === undefined ? {} : { nodeId });
    });
    this.view = vscode.window.createTreeView("missions.control", { treeDataProvider: this, showCollapseAll: true });
    this.view.onDidChangeVisibility(({ visible }) => {
      session.notify("missions/tree/visibility", { visible });
      // Nothing was sent while it could not be seen.
      if (visible) this.refresh();
    });
    this.view.onDidExpandElement(({ element }) => this.folds.set(element, true));
    this.view.onDidCollapseElement(({ element }) => this.folds.set(element, false));
    session.on("missions/tree/didChange", ({ nodeIds }) => {
      this.note(nodeIds === undefined || nodeIds.length === 0 ? "all" : new Set(nodeIds));
    });
    session.onDidChangeState((state) => {
      if (state.kind === "starting") return;
      if (state.kind === "running") {
        this.cache.newServer();
        this.firstLinesAfter = undefined;
        session.notify("missions/tree/visibility", { visible: this.view.visible });
      }
      this.refresh();
    });
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.view.dispose();
    this.changed.dispose();
  }

  node(id: string): TreeNode | undefined {
    return this.cache.node(id);
  }

  refresh(): void {
    this.changed.fire(undefined);
  }

  getTreeItem(id: string): vscode.TreeItem {
    const node = this.cache.node(id);
    const item = new vscode.TreeItem(node?.label ?? "", COLLAPSIBLE[this.fold(id, node?.collapsible ?? "none")]);
    item.id = id;
    if (node === undefined) return item;
    if (node.description) item.description = node.description;
    if (node.contextValue) item.contextValue = node.contextValue;
    if (node.icon) item.iconPath = icon(node);
    if (node.tooltip) {
      // Without icons: the editor makes them of foreign words too, escaped or not.
      const tooltip = new vscode.MarkdownString(node.tooltip, false);
      tooltip.isTrusted = false;
      item.tooltip = tooltip;
    }
    if (node.accessibilityLabel) item.accessibilityInformation = { label: node.accessibilityLabel };
    if (node.command) item.command = { command: "missions.ui.openNode", title: node.command.title, arguments: [id] };
    return item;
  }

  async getChildren(id?: string): Promise<string[]> {
    if (this.session.state.kind !== "running") return [];
    const children = await this.cache.children(id);
    this.firstLinesAfter ??= Date.now() - this.session.answeredAt;
    this.openRows();
    return children;
  }

  async getParent(id: string): Promise<string | undefined> {
    const known = this.cache.parent(id);
    if (known !== undefined || this.cache.isRoot(id)) return known;
    const { ancestors } = await this.session.request("missions/tree/parent", { nodeId: id });
    this.cache.learnWay(ancestors, id);
    return this.cache.parent(id);
  }

  async reveal(id: string): Promise<void> {
    await this.view.reveal(id, { select: true, focus: true, expand: true });
  }

  /** Draws everything again and puts the selection back to where its node is now. */
  private move(): void {
    const [selected] = this.view.selection;
    this.refresh();
    if (selected === undefined) return;
    setTimeout(() => {
      if (!this.view.visible || this.view.selection.includes(selected) || this.cache.node(selected) === undefined) return;
      void this.view.reveal(selected, { select: true, focus: false }).then(undefined, () => undefined);
    }, DRAWN_MS);
  }

  /** The editor heeds how a row starts only when it is new; one that had no children yet is opened by hand, once drawn. */
  private openRows(): void {
    const opened = this.cache.takeOpened();
    if (opened.length > 0) setTimeout(() => void this.expand(opened), DRAWN_MS);
  }

  private async expand(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      if (!this.view.visible || this.cache.node(id) === undefined) return;
      await this.view.reveal(id, { select: false, focus: false, expand: true }).then(undefined, () => undefined);
    }
  }

  private fold(id: string, wanted: NonNullable<TreeNode["collapsible"]>): NonNullable<TreeNode["collapsible"]> {
    const open = this.folds.get(id);
    return wanted === "none" || open === undefined ? wanted : open ? "expanded" : "collapsed";
  }

  private note(ids: Set<string> | "all"): void {
    this.pending = this.pending === "all" || ids === "all" ? "all" : new Set([...(this.pending ?? []), ...ids]);
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.draw();
    }, JOIN_MS);
  }

  private async draw(): Promise<void> {
    // One round at a time; what comes meanwhile is drawn in the next.
    if (this.refreshing || this.pending === undefined) return;
    this.refreshing = true;
    const ids = this.pending;
    this.pending = undefined;
    try {
      if (ids === "all") this.refresh();
      else this.fire(await this.cache.update(ids));
    } catch {
      this.refresh();
    } finally {
      this.refreshing = false;
    }
    await this.draw();
  }

  private fire(changes: NodeChanges): void {
    if (changes.roots) this.move();
    else if (changes.ids.length > 0) this.changed.fire([...changes.ids]);
    this.openRows();
  }
}

const COLLAPSIBLE = {
  none: vscode.TreeItemCollapsibleState.None,
  collapsed: vscode.TreeItemCollapsibleState.Collapsed,
  expanded: vscode.TreeItemCollapsibleState.Expanded,
} as const;

const COLOURS = { error: "list.errorForeground", warning: "list.warningForeground", info: "charts.blue" } as const;

function icon(node: TreeNode): vscode.ThemeIcon {
  const name = node.icon ?? "";
  if (node.severity) return new vscode.ThemeIcon(name, new vscode.ThemeColor(COLOURS[node.severity]));
  if (name === "pass-filled") return new vscode.ThemeIcon(name, new vscode.ThemeColor("testing.iconPassed"));
  if (name.endsWith("~spin") || name === "beaker") return new vscode.ThemeIcon(name, new vscode.ThemeColor("charts.blue"));
  return new vscode.ThemeIcon(name);
}
