// Writes src/protocol.ts from docs/protocol.md, which is itself written from the server's types (a test of the server
// ties those two). Run: node scripts/protocol.mjs. A unit test says whether the file is current.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const DOCUMENT = new URL("../../../docs/protocol.md", import.meta.url);
const TARGET = new URL("../src/protocol.ts", import.meta.url);

/** The TypeScript of a type as the document writes it. */
function typeOf(text) {
  const plain = text.replaceAll("\\|", "|").trim();
  if (plain.includes(" | ")) return plain.split(" | ").map(typeOf).join(" | ");
  if (plain.startsWith("list of ")) {
    const inner = typeOf(plain.slice("list of ".length));
    return inner.includes(" ") ? `readonly (${inner})[]` : `readonly ${inner}[]`;
  }
  const link = /^\[(\w+)\]/.exec(plain);
  if (link) return link[1];
  const literal = /^`(.+)`$/.exec(plain);
  if (literal) return JSON.stringify(literal[1]);
  const known = { string: "string", integer: "number", number: "number", boolean: "boolean", any: "unknown", object: "JsonObject", null: "null" };
  if (!(plain in known)) throw new Error(`docs/protocol.md has a type that is not known here: ${plain}`);
  return known[plain];
}

/** Rows of the table that begins at or after a line, and what stands before it. */
function tables(lines) {
  const found = [];
  let before = [];
  let rows;
  for (const line of [...lines, ""]) {
    if (line.startsWith("| ")) {
      rows ??= [];
      const cells = line.slice(2, -2).split(/(?<!\\)\| /).map((cell) => cell.trim());
      if (cells[0] !== "Field") rows.push(cells);
    } else if (line.startsWith("|---")) {
      continue;
    } else if (rows) {
      found.push({ before: before.join("\n"), rows });
      [rows, before] = [undefined, []];
    } else {
      before.push(line);
    }
  }
  return { found, rest: before.join("\n") };
}

function fields(rows) {
  return rows.map(([name, type, standard, meaning]) => {
    const comment = meaning ? `  /** ${meaning.replaceAll("\\|", "|").replaceAll("*/", "* /")} */\n` : "";
    return `${comment}  readonly ${name.replaceAll("`", "")}${standard === "required" ? "" : "?"}: ${typeOf(type)};\n`;
  }).join("");
}

const pascal = (name) => name.split(/[/.-]/).map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");

/** The whole of src/protocol.ts for a document. */
export function protocolSource(document) {
  const version = /capabilities\.experimental\.missions` \(now `(\d+)`\)/.exec(document)[1];
  const sections = document.split(/^## /m).slice(1).map((text) => {
    const [head, ...parts] = text.split(/^### /m);
    return { title: head.split("\n")[0], head, parts: parts.map((part) => ({ title: part.split("\n")[0], lines: part.split("\n").slice(1) })) };
  });
  const section = (title) => sections.find((one) => one.title === title) ?? { head: "", parts: [] };
  const types = [];
  const declare = (name, doc, rows) => {
    const sentence = doc.trim().split("\n").at(-1).replaceAll("*/", "* /");
    types.push(`/** ${sentence} */\nexport interface ${name} {\n${fields(rows)}}\n`);
    return name;
  };

  const maps = { Requests: [], ClientNotifications: [], ServerNotifications: [], Commands: [] };
  const messages = (title, map) => {
    for (const part of section(title).parts) {
      const method = part.title.replaceAll("`", "");
      const base = pascal(method.replace("missions/", ""));
      const { found } = tables(part.lines);
      const [params, answer] = found;
      const argument = params && !params.before.includes("Answer:") ? declare(`${base}Params`, params.before, params.rows) : "undefined";
      if (map !== "Requests") {
        maps[map].push(`  readonly "${method}": ${argument};\n`);
        continue;
      }
      const result = answer ? declare(`${base}Result`, answer.before.replace("Answer: ", ""), answer.rows) : "null";
      maps[map].push(`  readonly "${method}": { readonly params: ${argument}; readonly result: ${result} };\n`);
    }
  };
  messages("Requests of the client", "Requests");
  messages("Notifications of the client", "ClientNotifications");
  messages("Notifications of the server", "ServerNotifications");

  for (const { title, lines } of section("Commands").parts) {
    const name = title.replaceAll("`", "");
    if (!name.startsWith("missions.")) {
      for (const [command, argument, result] of tables(lines).found[0].rows.filter((row) => row[0] !== "Command")) {
        const inner = (text) => /\[`?(\w+)`?\]/.exec(text)?.[1] ?? "JsonObject";
        maps.Commands.push(`  readonly ${JSON.stringify(command.replaceAll("`", ""))}: { readonly args: ${inner(argument)}; readonly result: ${inner(result)} };\n`);
      }
      continue;
    }
    const { found, rest } = tables(lines);
    const text = found[0]?.before ?? rest;
    const result = /Answer: \[(\w+)\]/.exec(text)?.[1] ?? "unknown";
    const args = `${pascal(name.replace("missions.", ""))}Args`;
    const doc = text.replace(/ Answer: .*/, "");
    if (found[0]) declare(args, doc, found[0].rows);
    maps.Commands.push(`  readonly "${name}": { readonly args: ${found[0] ? args : "JsonObject"}; readonly result: ${result} };\n`);
  }
  for (const title of ["Objects in these messages", "Arguments and results of commands"]) {
    for (const part of section(title).parts) {
      const { found, rest } = tables(part.lines);
      declare(part.title, found[0]?.before ?? rest, found[0]?.rows ?? []);
    }
  }
  declare("ErrorData", "What the data of every error answer holds.", tables(section("Errors").head.split("\n")).found[0].rows);

  const map = (name, doc) => `/** ${doc} */\nexport interface ${name} {\n${maps[name].join("")}}\n`;
  return [
    "// Written by scripts/protocol.mjs from docs/protocol.md; change the server's types, not this file. What the two sides say to\n" +
      "// each other beyond the standard protocol: types only, and the version. A field that is absent has the default of that page.\n",
    `/** Announced by both sides as capabilities.experimental.missions. */\nexport const PROTOCOL_VERSION = ${version};\n`,
    "export type JsonObject = Readonly<Record<string, unknown>>;\n",
    map("Requests", "Requests that the client sends."),
    map("ClientNotifications", "Notifications that the client sends."),
    map("ServerNotifications", "Notifications that the server sends."),
    map("Commands", "Workspace commands; each takes one object."),
    ...types,
  ].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(TARGET, protocolSource(readFileSync(DOCUMENT, "utf8")));
}
