// What a command was called for: a node of the tree, an object from another command, or the document that is open. Pure.
import { belongsTo } from "./documents-path";
import { isObject } from "./failure";
import type { TreeNode } from "./protocol";

export interface Target {
  readonly mission?: string;
  readonly run?: string;
  readonly feature?: string;
}

/** The target in the argument of a command: an object, or the id of a node. */
export function targetOf(argument: unknown, node: (id: string) => TreeNode | undefined): Target {
  if (typeof argument === "string") return ofNode(node(argument));
  return isObject(argument) ? ofObject(argument) : {};
}

/** The target of a `missions:` document. */
export function targetOfPath(path: string | undefined): Target {
  return path === undefined ? {} : belongsTo(path);
}

function ofNode(node: TreeNode | undefined): Target {
  const [first] = node?.command?.arguments ?? [];
  if (typeof first === "string") return targetOfPath(pathOf(first));
  return isObject(first) ? ofObject(first) : {};
}

function ofObject(value: Readonly<Record<string, unknown>>): Target {
  const found: { mission?: string; run?: string; feature?: string } = {};
  for (const name of ["mission", "run", "feature"] as const) {
    const one = value[name];
    if (typeof one === "string") found[name] = one;
  }
  return found;
}

function pathOf(uri: string): string | undefined {
  return uri.startsWith("missions:") ? uri.slice("missions:".length) : undefined;
}
