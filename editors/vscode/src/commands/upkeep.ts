// Palette commands around the server, the store and the extension itself.
import * as vscode from "vscode";
import { Failure, isObject } from "../failure";
import { explicitSettings, store } from "../settings";
import { ask, done, inform } from "../notices";
import { chosen, pickOne } from "../pick";
import { mission, register, type Handler } from "./run";
import type { App } from "../app";

const COMMANDS: Readonly<Record<string, Handler>> = {
  restartServer: async (app) => {
    await app.session.restart();
  },
  installServer: async (app) => {
    await app.installation.install();
    await app.session.restart();
  },
  copyInstallCommand: async (app) => {
    await vscode.env.clipboard.writeText(await app.installation.commandLine());
    void inform("Copied. Run it in a terminal; the extension goes on by itself when the server is there.");
  },
  showOutput: (app) => {
    app.output.show(true);
    return Promise.resolve();
  },
  serverLog: async (app) => {
    const logs = vscode.Uri.joinPath(vscode.Uri.file(store()), "logs");
    const files = await vscode.workspace.fs.readDirectory(logs).then((all) => all, () => []);
    // Their names begin with the time, so that the newest comes first.
    const names = files.filter(([, type]) => type === vscode.FileType.File).map(([name]) => ({ label: name, value: name })).sort((one, other) => other.label.localeCompare(one.label));
    if (names.length === 0) {
      app.output.show(true);
      return;
    }
    await vscode.window.showTextDocument(vscode.Uri.joinPath(logs, names.length === 1 ? (names[0]?.value ?? "") : await pickOne("Which log?", names)));
  },
  debugInformation: async (app) => {
    const state = app.session.state;
    const lines = [
      "# Missions: information for a problem report",
      "",
      `- extension ${app.version}, editor ${vscode.env.appName} ${vscode.version}, host ${vscode.env.remoteName ?? "local"}`,
      `- server: ${JSON.stringify(state)}`,
      `- answered after ${app.session.answeredAfter} ms (at ${app.session.answeredAt}), first lines of the tree ${String(app.tree.firstLinesAfter ?? "not yet")} ms later`,
      `- store: ${store()}`,
      `- folders: ${String(vscode.workspace.workspaceFolders?.length ?? 0)}, trusted: ${String(vscode.workspace.isTrusted)}`,
      "",
      "Settings that are not the default:",
      "",
      "```json",
      JSON.stringify(explicitSettings(), null, 2),
      "```",
    ];
    await app.texts.show("debug-information.md", `${lines.join("\n")}\n`);
  },
  setApiKey: async (app) => {
    await app.keys.ask();
  },
  forgetApiKey: async (app) => {
    await app.keys.forget();
  },
  doctor: async (app) => {
    const result = await app.session.execute("missions.doctor", {});
    await app.texts.show("doctor.md", result.text || JSON.stringify(result.data, null, 2));
  },
  gc: async (app) => {
    const plan = await app.session.execute("missions.gc", { dryRun: true });
    const remove = "Remove";
    const answer = await ask("warning", "Remove snapshots and backups of missions that ended more than 30 days ago?", plan.text ?? "", remove);
    if (answer !== remove) return;
    const done = await app.session.execute("missions.gc", {});
    void inform(done.text || "Removed.", "OK");
  },
  restore: async (app, argument) => {
    const id = await mission(app, argument, "Restore Files from Snapshot");
    const listed = snapshotsOf(await app.session.executeAny("missions.restore", { mission: id, list: true }));
    if (listed.length === 0) throw new Failure("not_found", "This mission has no snapshot.");
    const snapshot = await pickOne("Restore the files of which snapshot?", listed);
    // Asks by itself before it replaces files that were edited since.
    await app.session.executeAny("missions.restore", { mission: id, snapshot });
    done(`The files of ${snapshot} are restored`);
  },
  export: async (app, argument) => {
    const id = await mission(app, argument, "Export");
    const target = chosen(await vscode.window.showSaveDialog({ title: "Export mission", filters: { Mission: ["tar.gz", "tgz"] }, saveLabel: "Export" }));
    const transcripts = await pickOne("With transcripts?", [
      { label: "Without transcripts", value: "no" },
      { label: "With transcripts", detail: "They may hold confidential text", value: "yes" },
    ]);
    const result = await app.session.execute("missions.export", { mission: id, path: target.fsPath, transcripts: transcripts === "yes" });
    void inform(result.text || `Exported to ${target.fsPath}`, "OK");
  },
  import: async (app) => {
    const [file] = chosen(await vscode.window.showOpenDialog({ title: "Import mission", filters: { Mission: ["gz", "tgz"] }, canSelectMany: false }));
    const result = await app.session.execute("missions.import", { path: chosen(file).fsPath });
    void inform(result.text || "The mission is imported; it is paused.", "OK");
  },
  settings: async () => {
    await vscode.commands.executeCommand("workbench.action.openSettings", "@ext:missions.missions");
  },
  walkthrough: async () => {
    await vscode.commands.executeCommand("workbench.action.openWalkthrough", "missions.missions#start", false);
    // The editor heeds a key that changes and not one that is set: a server that was there before would never be ticked off.
    await vscode.commands.executeCommand("setContext", "missions.tour", true);
  },
  menu: async (app) => {
    await menu(app);
  },
};

function snapshotsOf(answer: unknown): { readonly label: string; readonly detail: string; readonly value: string }[] {
  const report = isObject(answer) ? (answer["value"] ?? answer["data"]) : undefined;
  const rows: unknown = isObject(report) ? report["snapshots"] : undefined;
  return (Array.isArray(rows) ? rows : []).filter(isObject).flatMap((row) => {
    const [name, taken, branch] = [row["name"], row["takenAt"], row["branch"]];
    if (typeof name !== "string") return [];
    return [{ label: name, detail: `${typeof taken === "string" ? taken : ""} ${typeof branch === "string" ? branch : ""}`.trim(), value: name }];
  });
}

/** What the status item offers: what fits now, at most a handful. */
async function menu(app: App): Promise<void> {
  const state = app.session.state;
  const status = app.status.current;
  const counts = status?.counts ?? {};
  const items: (vscode.QuickPickItem & { command: string })[] = [];
  const add = (when: boolean, label: string, command: string, description = ""): void => {
    if (when) items.push({ label, command, description });
  };
  const running = state.kind === "running";
  add(running && app.questions.decisions.length > 0, "$(bell-dot) Answer a question…", "missions.ui.decide");
  add(running, "$(rocket) Open Mission Control", "missions.ui.control");
  add(running, "$(comment-discussion) Open chat", "missions.ui.chat");
  add(running && (counts.planned ?? 0) > 0, "$(play) Run a mission…", "missions.ui.run");
  add(running && (counts.paused ?? 0) + (counts.blocked ?? 0) > 0, "$(debug-continue) Resume a mission…", "missions.ui.resume");
  add(running && (counts.running ?? 0) > 0, "$(debug-pause) Pause after the current unit", "missions.ui.pause");
  add(running, "$(add) New mission…", "missions.ui.newMission");
  add(state.kind === "missing" || state.kind === "outdated", "$(cloud-download) Install the server", "missions.ui.installServer");
  add(true, "$(output) Show log", "missions.ui.showOutput");
  add(true, "$(debug-restart) Restart the server", "missions.ui.restartServer", state.kind === "running" ? `server ${state.version}, from ${state.origin}` : "");
  const picked = await vscode.window.showQuickPick(items, { title: status?.line || "Missions" });
  if (picked) await vscode.commands.executeCommand(picked.command);
}

export function registerUpkeep(app: App): void {
  for (const [name, handler] of Object.entries(COMMANDS)) register(app, `missions.ui.${name}`, handler);
}
