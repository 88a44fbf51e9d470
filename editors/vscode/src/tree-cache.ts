// What is known of the tree: the last line of each node, its children's ids and its parent. Pure but for the call that asks for
// children. It says which rows changed, so that the view redraws those alone.
import type { TreeChildrenResult, TreeNode } from "./protocol";

export interface NodeChanges {
  /** The list of roots itself has changed: everything is drawn again. */
  readonly roots: boolean;
  readonly ids: readonly string[];
}

type Ask = (nodeId?: string) => Promise<TreeChildrenResult>;

export class TreeCache {
  private readonly nodes = new Map<string, TreeNode>();
  private readonly parents = new Map<string, string | undefined>();
  /** Children's ids as last shown, by node; the roots under undefined. */
  private readonly shown = new Map<string | undefined, readonly string[]>();
  private opened: string[] = [];
  private readonly versions = new Map<string | undefined, number>();

  constructor(private readonly ask: Ask) {}

  node(id: string): TreeNode | undefined {
    return this.nodes.get(id);
  }

  parent(id: string): string | undefined {
    return this.parents.get(id);
  }

  isRoot(id: string): boolean {
    return this.parents.has(id) && this.parents.get(id) === undefined;
  }

  /** Asks for the children of a node and takes over their lines. */
  async children(id?: string): Promise<string[]> {
    const answer = await this.ask(id);
    this.take(id, answer);
    return [...(this.shown.get(id) ?? [])];
  }

  /** Takes over the lines of nodes that the server says have changed; says which rows to draw again. */
  async update(ids: ReadonlySet<string>): Promise<NodeChanges> {
    const redraw = new Set<string>();
    let roots = false;
    const known = [...ids].filter((id) => this.nodes.has(id));
    // A node's own line is told by its parent, which is asked once for all of them.
    for (const parent of new Set(known.map((id) => this.parents.get(id)))) {
      const before = this.shown.get(parent) ?? [];
      const lines = new Map(before.map((id) => [id, JSON.stringify(this.nodes.get(id))]));
      this.take(parent, await this.ask(parent));
      const after = this.shown.get(parent) ?? [];
      if (!sameList(before, after)) {
        // A mission that leaves one section enters another, and the editor refuses an id that it still has elsewhere.
        if (parent === undefined || this.isRoot(parent)) roots = true;
        else redraw.add(parent);
        continue;
      }
      for (const id of after) {
        if (lines.get(id) !== JSON.stringify(this.nodes.get(id))) redraw.add(id);
      }
    }
    // Those that were open get their children asked for again by the view.
    for (const id of known) if (this.nodes.has(id) && this.shown.has(id)) redraw.add(id);
    return { roots, ids: this.outermost(redraw) };
  }

  /** Rows that have got their first children since the last call and want to show them. */
  takeOpened(): readonly string[] {
    const opened = this.opened;
    this.opened = [];
    return opened;
  }

  /** A new server counts its versions anew. */
  newServer(): void {
    this.versions.clear();
  }

  /** Takes over the way from a root to a node that was not shown yet. */
  learnWay(ancestors: readonly TreeNode[], id: string): void {
    let above: string | undefined;
    for (const ancestor of ancestors) {
      this.nodes.set(ancestor.id, ancestor);
      this.parents.set(ancestor.id, above);
      above = ancestor.id;
    }
    this.parents.set(id, above);
  }

  private take(id: string | undefined, answer: TreeChildrenResult): void {
    // An answer that was overtaken by a newer one for the same node is dropped.
    if ((this.versions.get(id) ?? -1) > answer.version) return;
    this.versions.set(id, answer.version);
    const ids = answer.nodes.map((node) => node.id);
    for (const gone of this.shown.get(id) ?? []) if (!ids.includes(gone) && this.parents.get(gone) === id) this.forget(gone);
    for (const node of answer.nodes) {
      const before = this.nodes.get(node.id);
      if (before && (before.collapsible ?? "none") === "none" && node.collapsible === "expanded") this.opened.push(node.id);
      this.nodes.set(node.id, node);
      this.parents.set(node.id, id);
    }
    this.shown.set(id, ids);
  }

  private forget(id: string): void {
    for (const child of this.shown.get(id) ?? []) if (this.parents.get(child) === id) this.forget(child);
    this.nodes.delete(id);
    this.parents.delete(id);
    this.shown.delete(id);
    this.versions.delete(id);
  }

  /** Without those below another one of the list: drawing a node draws what is open below it. */
  private outermost(ids: ReadonlySet<string>): string[] {
    return [...ids].filter((id) => {
      for (let above = this.parents.get(id); above !== undefined; above = this.parents.get(above)) {
        if (ids.has(above)) return false;
      }
      return this.nodes.has(id);
    });
  }
}

function sameList(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((id, index) => id === other[index]);
}
