// Palette commands around a plan: the chat, plans from files, models, the demonstration.
import * as vscode from "vscode";
import { isObject } from "../failure";
import { done, inform } from "../notices";
import { askText, chosen, pickFolder, pickId, pickOne } from "../pick";
import { mission, operate, register, target, type Handler } from "./run";
import type { App } from "../app";

const PLAN_FILES = { "Mission plan": ["json"] };

const COMMANDS: Readonly<Record<string, Handler>> = {
  new: async (app) => {
    const folder = await pickFolder();
    await app.chat.start(folder?.uri);
  },
  newMission: async (app) => {
    await begin(app);
  },
  chat: async (app, argument) => {
    const found = target(app, argument).mission;
    await app.chat.focus(found);
  },
  chatOfMission: async (app, argument) => {
    await app.chat.focus(await mission(app, argument, "Open Chat of Mission"));
  },
  send: async (app, argument) => {
    const id = await mission(app, argument, "Say Something");
    await operate(app, "missions.send", { mission: id, text: await askText({ title: "Say something to the mission", prompt: "It is answered in the mission's chat." }) });
  },
  comment: async (app, argument) => {
    const id = await mission(app, argument, "Comment on Plan", ["planned", "running", "paused", "blocked"]);
    const path = await pickPlace(app, id);
    const text = await askText({ title: path === "/" ? "Comment on the whole plan" : `Comment on ${path}`, prompt: "It is kept with the plan; the planner answers it by a change or a reason." });
    await operate(app, "missions.comment", { mission: id, path, text });
    // One comment seldom comes alone, so the planner is asked only when the user says so.
    const send = "Ask the Planner Now";
    if ((await inform("The comment is kept with the plan. The planner answers all of them when it is asked.", send)) !== send) return;
    await app.chat.focus(id);
    await operate(app, "missions.send", { mission: id, text: "Please answer my comments on the plan." });
  },
  newFromFile: async (app) => {
    const folder = await pickFolder();
    const file = await planFile("Save as Mission", folder?.uri);
    const result = await app.session.execute("missions.new", { planPath: file.fsPath, ...(folder ? { cwd: folder.uri.fsPath } : {}) });
    const run = "Run It…";
    const data = isObject(result.data) ? result.data : {};
    const id = typeof data["mission"] === "string" ? data["mission"] : undefined;
    if ((await inform(result.text || "The plan is saved as a mission.", run)) === run) {
      await vscode.commands.executeCommand("missions.ui.run", id === undefined ? undefined : { mission: id });
    }
  },
  validatePlan: async (app) => {
    const file = await planFile("Check Plan");
    const result = await app.session.execute("missions.validate", { planPath: file.fsPath });
    await app.texts.show("plan-check.md", result.text || JSON.stringify(result.data, null, 2));
  },
  estimate: async (app, argument) => {
    const id = await mission(app, argument, "Estimate");
    const result = await app.session.execute("missions.estimate", { mission: id });
    await app.texts.show("estimate.md", result.text || JSON.stringify(result.data, null, 2));
  },
  models: async (app) => {
    const role = await pickOne("Whose model?", [
      { label: "Planner", detail: "Plans in the chat", value: "planner" },
      { label: "Worker", detail: "Implements features", value: "worker" },
      { label: "Validator", detail: "Checks milestones against the contract", value: "validator" },
      { label: "Orchestrator", detail: "Repairs the plan when something blocks", value: "orchestrator" },
    ]);
    const model = await pickId(app.session, `Model of the ${role}`, "model", undefined);
    const effort = await pickOne("With which effort?", ["low", "medium", "high", "xhigh", "max"].map((one) => ({ label: one, value: one })));
    await app.session.execute("missions.models", { role, model, effort });
    done(`${role}: ${model} (${effort}), for missions that start from now on`);
  },
  demo: async (app) => {
    await demonstrate(app);
  },
};

/** A command that goes on from there, or a template to begin with. */
type Way = { readonly command: string } | { readonly template: string };

/** All ways to a new mission: from nothing, from a kind of work that the planner is told about, from a plan that is there. */
async function begin(app: App): Promise<void> {
  const { items } = await app.session.execute("missions.complete", { kind: "template" });
  const title = "Missions: New Mission";
  const way = await pickOne<Way>(title, [
    { label: "In the chat", detail: "Say what you want to have done", value: { command: "missions.ui.new" } },
    ...items.map((item) => ({ label: item.label ?? item.id, detail: item.detail ?? "", value: { template: item.id } })),
    { label: "From a plan file…", detail: "A plan that was written before", value: { command: "missions.ui.newFromFile" } },
    { label: "The demo mission", detail: "A small repository of its own and a simulated model: no key, no cost", value: { command: "missions.ui.demo" } },
  ]);
  if ("command" in way) {
    await vscode.commands.executeCommand(way.command);
    return;
  }
  const folder = await pickFolder();
  const { data } = await app.session.execute("missions.new", { template: way.template, ...(folder ? { cwd: folder.uri.fsPath } : {}) });
  const chat = isObject(data) ? data["chat"] : undefined;
  if (typeof chat === "string") await app.chat.focus(chat);
}

/** The demonstration needs no key: a small real repository, a simulated model. It runs where the user can watch it. */
async function demonstrate(app: App): Promise<void> {
  app.progresses.asked();
  const result = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: "Preparing the demo mission" },
    async () => app.session.execute("missions.demo", {}),
  );
  await vscode.commands.executeCommand("missions.control.focus");
  const data = isObject(result.data) ? result.data : {};
  const folder = typeof data["repository"] === "string" ? data["repository"] : typeof data["cwd"] === "string" ? data["cwd"] : undefined;
  if (folder === undefined) return;
  const open = "Open Its Repository";
  const answer = await inform("The demo mission works in a small repository of its own; the model is simulated and costs nothing.", open);
  if (answer === open) await vscode.commands.executeCommand("vscode.openFolder", vscode.Uri.file(folder), { forceNewWindow: true });
}

/** A place of the plan: all of it, or one of its parts. */
async function pickPlace(app: App, id: string): Promise<string> {
  const kinds = ["milestone", "feature", "assertion"] as const;
  const found = await Promise.all(kinds.map(async (kind) => (await app.session.execute("missions.complete", { kind, mission: id })).items.map((item) => ({ kind, item }))));
  return pickOne("Comment on what?", [
    { label: "The whole plan", value: "/" },
    ...found.flat().map(({ kind, item }) => ({ label: `${item.id} ${item.label ?? ""}`.trim(), detail: kind, value: item.id })),
  ]);
}

async function planFile(title: string, folder?: vscode.Uri): Promise<vscode.Uri> {
  const active = vscode.window.activeTextEditor?.document;
  if (active?.uri.scheme === "file" && active.languageId === "json" && active.getText().includes('"milestones"')) return active.uri;
  const picked = await vscode.window.showOpenDialog({ title, filters: PLAN_FILES, canSelectMany: false, ...(folder ? { defaultUri: folder } : {}) });
  return chosen(chosen(picked)[0]);
}

export function registerPlanning(app: App): void {
  for (const [name, handler] of Object.entries(COMMANDS)) register(app, `missions.ui.${name}`, handler);
}
