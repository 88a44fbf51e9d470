// The user's settings as the server wants them: only what somebody has set. A default of this extension must never win over
// the settings file of the store. Reads the configuration, changes nothing.
import * as vscode from "vscode";
import { storeFolder } from "./discovery";

/** Settings that concern this client alone; the server would report them as unknown. */
const OWN = ["server."] as const;

export function explicitSettings(): Record<string, unknown> {
  const names = settingNames();
  const configuration = vscode.workspace.getConfiguration("missions");
  const tree: Record<string, unknown> = {};
  for (const name of names) {
    const found = configuration.inspect(name);
    // A repository's own workspace settings count only where package.json gave the setting a scope that lets them.
    const set = found?.workspaceFolderValue ?? found?.workspaceValue ?? found?.globalValue;
    if (set !== undefined && set !== null && set !== "") nest(tree, name, configuration.get(name));
  }
  return tree;
}

function settingNames(): string[] {
  const own = vscode.extensions.getExtension<unknown>("missions.missions");
  const manifest = own?.packageJSON as { contributes: { configuration: { properties: Record<string, unknown> }[] } } | undefined;
  const groups = manifest?.contributes.configuration ?? [];
  return groups
    .flatMap((group) => Object.keys(group.properties))
    .map((key) => key.slice("missions.".length))
    .filter((name) => !OWN.some((prefix) => name.startsWith(prefix)));
}

/** The folder that missions are kept in. */
export function store(): string {
  return storeFolder(vscode.workspace.getConfiguration("missions").get<string | null>("server.store") ?? undefined, process.env);
}

/** Puts a value at a dotted name: `a.b` becomes `{a: {b: value}}`. */
export function nest(tree: Record<string, unknown>, name: string, value: unknown): void {
  const [first = "", ...rest] = name.split(".");
  if (rest.length === 0) {
    tree[first] = value;
    return;
  }
  const inner = (tree[first] ??= {}) as Record<string, unknown>;
  nest(inner, rest.join("."), value);
}
