// The only place that shows notifications and messages of the status bar, so that none lets foreign text act: what stands in them
// often comes from plans and models. The buttons of a notification are the ones given here, and nothing else can be pressed.
import * as vscode from "vscode";
import { plainLabel, plainMessage } from "./plain";

type Answer = Promise<string | undefined>;

export async function inform(text: string, ...buttons: readonly string[]): Answer {
  return vscode.window.showInformationMessage(plainMessage(text), ...buttons);
}

export async function warn(text: string, ...buttons: readonly string[]): Answer {
  return vscode.window.showWarningMessage(plainMessage(text), ...buttons);
}

export async function alarm(text: string, ...buttons: readonly string[]): Answer {
  return vscode.window.showErrorMessage(plainMessage(text), ...buttons);
}

/** Answers that leave everything as it is; the editor adds one of its own where none is offered. */
const CLOSES: ReadonlySet<string> = new Set(["Cancel", "Later"]);

/** A question in the middle of the window, with all that it means; closing it leaves everything as it is. */
export async function ask(kind: "info" | "warning", text: string, detail: string, ...buttons: readonly string[]): Answer {
  const items = buttons.map((title) => ({ title, isCloseAffordance: CLOSES.has(title) }));
  const show = kind === "info" ? vscode.window.showInformationMessage : vscode.window.showWarningMessage;
  return (await show(plainMessage(text), { modal: true, detail }, ...items))?.title;
}

/** That something went well: a line in the status bar that goes away by itself. */
export function done(text: string, icon = "check"): void {
  vscode.window.setStatusBarMessage(`$(${icon}) ${plainLabel(text)}`, 6000);
}
