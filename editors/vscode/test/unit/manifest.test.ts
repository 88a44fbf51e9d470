import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

interface Manifest {
  readonly activationEvents: readonly string[];
  readonly capabilities: { readonly untrustedWorkspaces: { readonly restrictedConfigurations: readonly string[] } };
  readonly contributes: {
    readonly commands: readonly { readonly command: string; readonly title: string }[];
    readonly menus: Readonly<Record<string, readonly { readonly command: string; readonly when?: string }[]>>;
    readonly viewsWelcome: readonly { readonly contents: string }[];
    readonly walkthroughs: readonly { readonly steps: readonly { readonly description: string; readonly media: { readonly markdown: string } }[] }[];
    readonly configuration: readonly { readonly properties: Readonly<Record<string, { readonly scope: string; readonly markdownDescription?: string }>> }[];
  };
}

const manifest = JSON.parse(readFileSync("package.json", "utf8")) as Manifest;
const { contributes } = manifest;
const commands = new Set(contributes.commands.map((command) => command.command));
const sourcesWithout = (left: string): [string, string][] =>
  readdirSync("src", { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && name !== left)
    .map((name) => [name, readFileSync(`src/${name}`, "utf8")]);
const source = sourcesWithout("").map(([, text]) => text).join("\n");

test("the protocol's types are those of the server's document", async () => {
  const generator = (await import(pathToFileURL("scripts/protocol.mjs").href)) as { protocolSource(document: string): string };
  const wanted = generator.protocolSource(readFileSync("../../docs/protocol.md", "utf8"));
  // Compared as a truth: the difference would fill screens.
  assert.ok(readFileSync("src/protocol.ts", "utf8") === wanted, "src/protocol.ts is old; run: node scripts/protocol.mjs");
});

test("every command in menus, welcome texts and the walkthrough exists", () => {
  const texts = [...contributes.viewsWelcome.map((one) => one.contents), ...contributes.walkthroughs.flatMap((one) => one.steps.map((step) => step.description))].join("\n");
  const linked = [...texts.matchAll(/\(command:(missions\.ui\.\w+)\)/g)].map((found) => found[1] ?? "");
  const inMenus = Object.values(contributes.menus).flatMap((entries) => entries.map((entry) => entry.command));
  assert.ok(linked.length > 8);
  for (const command of [...linked, ...inMenus]) assert.ok(commands.has(command), `${command} is contributed`);
});

test("every command that the sources call by name exists, and every contributed one is in the sources", () => {
  for (const [, name] of source.matchAll(/"missions\.ui\.(\w+)"/g)) assert.ok(commands.has(`missions.ui.${name ?? ""}`), name);
  for (const command of commands) {
    const name = command.replace("missions.ui.", "");
    assert.match(source, new RegExp(`\\b${name}: (async )?\\(`), `${command} is registered`);
  }
});

test("every operation of the server can be reached from the palette or a quick fix", () => {
  // What the planner and the server do among themselves, and what the tree and the documents show without being asked.
  const inner = new Set(["missions.answer-comment", "missions.request-confirmation", "missions.write-plan", "missions.show", "missions.watch", "missions.control"]);
  const operations = [...readFileSync("src/protocol.ts", "utf8").matchAll(/readonly "(missions\.[\w-]+)": \{ readonly args/g)].map((found) => found[1] ?? "");
  assert.ok(operations.length > 30);
  const used = sourcesWithout("protocol.ts").map(([, text]) => text).join("\n");
  assert.deepEqual(operations.filter((name) => !inner.has(name) && !used.includes(`"${name}"`)), []);
});

test("notifications are shown in one place, which lets no foreign text act", () => {
  const elsewhere = sourcesWithout("notices.ts").filter(([, text]) => /show(Information|Warning|Error)Message|setStatusBarMessage/.test(text));
  assert.deepEqual(elsewhere.map(([name]) => name), []);
});

test("nothing activates for every window at its start", () => {
  assert.ok(!manifest.activationEvents.includes("*"));
});

test("no command takes a name of the server's, because the editor registers those for everybody", () => {
  for (const command of commands) assert.match(command, /^missions\.ui\./);
});

test("settings have a description, and those that choose programs, services or limits cannot be set by a repository", () => {
  const free = new Set(["missions.notify.level", "missions.workspace.ignore"]);
  const restricted = new Set(manifest.capabilities.untrustedWorkspaces.restrictedConfigurations);
  for (const [name, setting] of contributes.configuration.flatMap((group) => Object.entries(group.properties))) {
    assert.ok(setting.markdownDescription, name);
    if (setting.scope === "machine" || setting.scope === "application" || free.has(name)) continue;
    assert.ok(name.endsWith(".effort") || name === "missions.server.command", `${name} may be set by a workspace`);
    assert.ok(restricted.has(name), `${name} counts only in a trusted workspace`);
  }
});

test("the texts of the walkthrough are there", () => {
  for (const step of contributes.walkthroughs.flatMap((one) => one.steps)) assert.ok(readFileSync(step.media.markdown, "utf8").length > 100);
});
