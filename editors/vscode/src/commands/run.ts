// Carries out one operation for the user: sends it, and says in one place how it went.
import * as vscode from "vscode";
import { asFailure } from "../failure";
import { activeDocument } from "../documents";
import { alarm, done } from "../notices";
import { pickMission, Dismissed } from "../pick";
import { targetOf, targetOfPath, type Target } from "../target";
import type { App } from "../app";
import type { Commands, OperationResult } from "../protocol";

export type Handler = (app: App, argument: unknown) => Promise<void>;

/** The commands that change a mission: those that answer with what became of it. */
export type Operation = { [C in keyof Commands]: Commands[C]["result"] extends OperationResult ? C : never }[keyof Commands];

/** Registers a palette command; whatever goes wrong in it ends as one sentence for the user. */
export function register(app: App, id: string, handler: Handler): void {
  app.own(
    vscode.commands.registerCommand(id, async (argument: unknown) => {
      try {
        await handler(app, argument);
      } catch (error) {
        complain(app, error);
      }
    }),
  );
}

const SHOW_LOG = { label: "Show Log", command: "missions.ui.showOutput" };
/** What helps against an error, by its code. */
const WAYS_OUT: Readonly<Record<string, typeof SHOW_LOG>> = {
  no_credentials: { label: "Set API Key…", command: "missions.ui.setApiKey" },
  untrusted: { label: "Manage Workspace Trust", command: "workbench.trust.manage" },
};

export function complain(app: App, error: unknown): void {
  if (error instanceof Dismissed) return;
  const failure = asFailure(error);
  // Whoever said no knows it.
  if (failure.code === "cancelled" || failure.code === "declined") return;
  app.output.warn(`${failure.code}: ${failure.text}`);
  const way = WAYS_OUT[failure.code] ?? SHOW_LOG;
  void alarm(failure.text, way.label).then((answer) => {
    if (answer === way.label) void vscode.commands.executeCommand(way.command);
  });
}

/** Sends an operation and says what became of it. */
export async function operate<C extends Operation>(app: App, command: C, args: Commands[C]["args"]): Promise<void> {
  const result: OperationResult = await app.session.execute(command, args);
  sayResult(app, result);
}

export function sayResult(app: App, result: OperationResult): void {
  if (result.state === "refused") {
    complain(app, result.error === undefined ? new Error(result.message || "It was refused.") : { data: result.error });
    return;
  }
  done(result.message || (result.state === "queued" ? "It takes effect at the next safe point" : "Done"));
}

/** What the command is about: its argument, else the document in front. */
export function target(app: App, argument: unknown): Target {
  const given = targetOf(argument, (id) => app.tree.node(id));
  return given.mission === undefined ? targetOfPath(activeDocument()?.path) : given;
}

/** The mission that is meant: the target's, else one that fits. */
export async function mission(app: App, argument: unknown, title: string, statuses?: readonly string[]): Promise<string> {
  const given = targetOf(argument, (id) => app.tree.node(id)).mission;
  if (given !== undefined) return given;
  return (await pickMission(app.session, `Missions: ${title}`, statuses, app.status.current?.mission)).id;
}
