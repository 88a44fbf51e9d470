// Palette commands that show something: Mission Control, reviews, diffs, transcripts, nodes of the tree.
import * as vscode from "vscode";
import { openDocument } from "../documents";
import { Failure, isObject } from "../failure";
import { chosen } from "../pick";
import { plainLabel } from "../plain";
import { missionReport, type MissionReport, type RunRow } from "../reports";
import { mission, register, sayResult, target, type Handler } from "./run";
import type { App } from "../app";
import type { OpenArgs, TreeNode } from "../protocol";

const COMMANDS: Readonly<Record<string, Handler>> = {
  control: async (app, argument) => {
    const id = target(app, argument).mission;
    await show(app, id === undefined ? { document: "control" } : { document: "control", mission: id });
  },
  missionControl: async (app, argument) => {
    await show(app, { document: "control", mission: await mission(app, argument, "Open Mission") });
  },
  review: async (app, argument) => {
    await showOfRun(app, argument, "review", "Review Run");
  },
  transcript: async (app, argument) => {
    await showOfRun(app, argument, "transcript", "Open Transcript");
  },
  reviewWithDiff: async (app, argument) => {
    const [report, run] = await pickRun(app, argument, "Review Run beside Its Diff", (one) => one.commit !== undefined);
    await app.diffs.openRun(report, run);
    const { uri } = await app.session.execute("missions.open", { mission: report.id, run: run.runId, document: "review", preview: true });
    await openDocument(vscode.Uri.parse(uri), { beside: true });
  },
  diff: async (app, argument) => {
    const [report, run] = await pickRun(app, argument, "Show Changes of Run", (one) => one.commit !== undefined);
    await app.diffs.openRun(report, run);
  },
  missionDiff: async (app, argument) => {
    await app.diffs.openMission(await reportOf(app, await mission(app, argument, "Show All Changes")));
  },
  report: async (app, argument) => {
    await show(app, { document: "report", mission: await mission(app, argument, "Open Report", ["complete", "failed"]) });
  },
  packet: async (app, argument) => {
    await show(app, { document: "packet", mission: await mission(app, argument, "Open Recovery Packet", ["blocked", "failed"]) });
  },
  plan: async (app, argument) => {
    await show(app, { document: "plan", mission: await mission(app, argument, "Open Plan") });
  },
  openNode: async (app, argument) => {
    const node = typeof argument === "string" ? app.tree.node(argument) : undefined;
    if (node) await openNode(app, node);
  },
  openBeside: async (app, argument) => {
    const node = typeof argument === "string" ? app.tree.node(argument) : undefined;
    if (node) await openNode(app, node, true);
  },
  copyId: async (app, argument) => {
    const found = target(app, argument);
    await vscode.env.clipboard.writeText(found.run ?? found.feature ?? found.mission ?? "");
  },
  refresh: (app) => {
    app.tree.refresh();
    return Promise.resolve();
  },
};

export async function show(app: App, args: OpenArgs, beside = false): Promise<void> {
  const { uri } = await app.session.execute("missions.open", { ...args, preview: true });
  await openDocument(vscode.Uri.parse(uri), { beside });
}

async function showOfRun(app: App, argument: unknown, document: "review" | "transcript", title: string): Promise<void> {
  const [report, run] = await pickRun(app, argument, title, () => true);
  await show(app, { document, mission: report.id, run: run.runId });
}

/** What activating a node does: it opens something, nothing else. */
async function openNode(app: App, node: TreeNode, beside = false): Promise<void> {
  const command = node.command;
  if (command === undefined) return;
  const [argument] = command.arguments ?? [];
  if (command.command === "open") {
    if (typeof argument === "string") await openDocument(vscode.Uri.parse(argument), { beside });
    return;
  }
  await callServer(app, command.command, argument, beside);
}

/** What makes agents work, by itself or at the end. */
const STARTS: ReadonlySet<string> = new Set(["missions.run", "missions.resume", "missions.new", "missions.send"]);

/** Runs a command that the server named (a node, a lens, a quick fix), and shows what it answers. */
export async function callServer(app: App, command: string, argument: unknown, beside = false): Promise<unknown> {
  // `missions.open` would ask back to show the document; asking only for its address lets it open rendered and beside.
  const opens = command === "missions.open" || command === "missions.control";
  const args = isObject(argument) ? argument : {};
  if (!vscode.workspace.isTrusted && STARTS.has(command)) throw new Failure("untrusted", "This window is in restricted mode: missions can be looked at, not run.");
  if (command === "missions.run" || command === "missions.resume") app.progresses.asked();
  const result: unknown = await app.session.executeAny(command, opens && command === "missions.open" ? { ...args, preview: true } : args);
  if (!isObject(result)) return result;
  if (typeof result["uri"] === "string") {
    if (result["shown"] !== true) await openDocument(vscode.Uri.parse(result["uri"]), { beside });
  } else if (result["state"] === "applied" || result["state"] === "queued" || result["state"] === "refused") {
    sayResult(app, result as { state: "applied" | "queued" | "refused"; mission: string; request: string });
  }
  return result;
}

async function reportOf(app: App, id: string): Promise<MissionReport> {
  const { data } = await app.session.execute("missions.status", { mission: id });
  const report = missionReport(data);
  if (report === undefined) throw new Failure("internal", `The status of ${id} cannot be read.`);
  return report;
}

/** A run of a mission: the one that is meant, else one that is picked, newest first. */
async function pickRun(app: App, argument: unknown, title: string, fits: (run: RunRow) => boolean): Promise<[MissionReport, RunRow]> {
  const meant = target(app, argument);
  const report = await reportOf(app, meant.mission ?? (await mission(app, argument, title)));
  const named = report.runs.find((run) => run.runId === meant.run);
  if (named) return [report, named];
  const runs = report.runs.filter(fits).reverse();
  if (runs.length === 0) throw new Failure("not_found", `${report.title} has no such run yet.`);
  const titles = new Map([...report.milestones, ...report.features].map((item) => [item.id, item.title]));
  const picked = await vscode.window.showQuickPick(
    runs.map((run) => ({ label: plainLabel(`${run.itemId} ${titles.get(run.itemId) ?? ""}`.trim()), description: `${run.kind} · ${run.status}`, detail: run.runId, run })),
    { title: `Missions: ${title}`, placeHolder: "Which run?", matchOnDescription: true },
  );
  return [report, chosen(picked).run];
}

export function registerLooking(app: App): void {
  for (const [name, handler] of Object.entries(COMMANDS)) register(app, `missions.ui.${name}`, handler);
}
