// The life of the extension in a window: makes its parts, starts the server, ends both. Everything else is in the parts.
import * as vscode from "vscode";
import { App } from "./app";
import { callServer, registerLooking } from "./commands/looking";
import { registerOperations } from "./commands/operations";
import { registerPlanning } from "./commands/planning";
import { complain } from "./commands/run";
import { registerUpkeep } from "./commands/upkeep";
import { foldLongBlocks } from "./folded-blocks";
import { completeArguments } from "./commands/missing";

let app: App | undefined;

/** What the editor's Markdown preview takes from this extension. */
export interface Exports {
  readonly extendMarkdownIt: typeof foldLongBlocks;
}

export function activate(context: vscode.ExtensionContext): Exports {
  const made: App = new App(context, async (command, argument) => {
    try {
      return await callServer(made, command, await completeArguments(command, argument));
    } catch (error) {
      complain(made, error);
      return undefined;
    }
  });
  app = made;
  registerOperations(made);
  registerLooking(made);
  registerPlanning(made);
  registerUpkeep(made);
  made.own(
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration("missions.server")) void made.session.restart();
    }),
    // Settings of the workspace count from now on.
    vscode.workspace.onDidGrantWorkspaceTrust(() => void made.session.restart()),
  );
  // Not waited for: the views say how far it is.
  void made.session.restart();
  return { extendMarkdownIt: foldLongBlocks };
}

export async function deactivate(): Promise<void> {
  await app?.session.stop();
  app = undefined;
}
