// Asks the user for what a command needs: pickers instead of ids. A picker that is closed means the command does nothing.
import * as vscode from "vscode";
import { inform } from "./notices";
import { plainLabel } from "./plain";
import { missionRows, type MissionRow } from "./reports";
import type { CompleteArgs } from "./protocol";
import type { Session } from "./session";

/** Closed by the user: whoever asked stops, and nobody is told. */
export class Dismissed extends Error {}

export function chosen<T>(value: T | undefined): T {
  if (value === undefined) throw new Dismissed();
  return value;
}

/** A mission that fits, the one of this window's folders first; without a question when there is only one. */
export async function pickMission(session: Session, title: string, statuses: readonly string[] | undefined, preferred?: string): Promise<MissionRow> {
  const { data } = await session.execute("missions.list", {});
  const all = missionRows(data);
  const fitting = statuses === undefined ? all : all.filter((row) => statuses.includes(row.status));
  const [only] = fitting;
  if (only === undefined) {
    void inform(statuses === undefined ? "There is no mission yet." : `No mission is ${statuses.join(" or ")}.`);
    throw new Dismissed();
  }
  if (fitting.length === 1) return only;
  const here = (row: MissionRow): boolean => vscode.workspace.getWorkspaceFolder(vscode.Uri.file(row.cwd)) !== undefined;
  const rank = (row: MissionRow): number => (row.id === preferred ? 0 : here(row) ? 1 : 2);
  const picked = await vscode.window.showQuickPick(
    [...fitting].sort((one, other) => rank(one) - rank(other)).map((row) => ({
      label: plainLabel(row.title),
      description: plainLabel(`${row.status} · ${row.location}${row.needsYou ? " · waits for you" : ""}`),
      row,
    })),
    { title, placeHolder: "Which mission?", matchOnDescription: true },
  );
  return chosen(picked).row;
}

/** An id inside a mission, by what the server proposes. */
export async function pickId(session: Session, title: string, kind: CompleteArgs["kind"], mission: string | undefined, fits?: (detail: string) => boolean): Promise<string> {
  const { items } = await session.execute("missions.complete", { kind, ...(mission === undefined ? {} : { mission }) });
  const fitting = fits === undefined ? items : items.filter((item) => fits(item.detail ?? ""));
  if (fitting.length === 0) {
    void inform(`There is no ${kind} to choose.`);
    throw new Dismissed();
  }
  const picked = await vscode.window.showQuickPick(
    fitting.map((item) => ({ label: plainLabel(item.label || item.id), description: item.label ? item.id : "", detail: plainLabel(item.detail ?? ""), id: item.id })),
    { title, placeHolder: `Which ${kind}?`, matchOnDescription: true, matchOnDetail: true },
  );
  return chosen(picked).id;
}

export interface TextQuestion {
  readonly title: string;
  readonly prompt: string;
  readonly optional?: boolean;
  readonly value?: string;
  readonly check?: (text: string) => string | undefined;
}

/** A line of text; an optional one may be empty. */
export async function askText(question: TextQuestion): Promise<string> {
  const answer = await vscode.window.showInputBox({
    title: question.title,
    prompt: question.prompt,
    ignoreFocusOut: true,
    ...(question.value === undefined ? {} : { value: question.value }),
    validateInput: (text) => {
      if (text.trim() === "") return question.optional === true ? undefined : "Please write something.";
      return question.check?.(text.trim());
    },
  });
  return chosen(answer).trim();
}

export async function pickOne<T>(title: string, choices: readonly { readonly label: string; readonly detail?: string; readonly value: T }[]): Promise<T> {
  const items = choices.map((choice) => ({ ...choice, label: plainLabel(choice.label) }));
  return chosen(await vscode.window.showQuickPick(items, { title, matchOnDetail: true })).value;
}

/** The workspace folder that is meant; asks only when there are several. */
export async function pickFolder(): Promise<vscode.WorkspaceFolder | undefined> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  if (folders.length <= 1) return folders[0];
  return chosen(await vscode.window.showWorkspaceFolderPick({ placeHolder: "In which folder?" }));
}
