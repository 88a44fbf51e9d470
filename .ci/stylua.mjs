// stylua.mjs FOLDER [--check] FILE-OR-FOLDER...: formats Lua files with the WebAssembly build of stylua installed below
// FOLDER (the usual packages fetch their program from a place that a closed network does not reach). The style is that of the
// nearest stylua.toml upwards, or stylua's defaults. It never changes a file when --check is given, nor one that does not parse.
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const [folder, ...rest] = process.argv.slice(2);
const check = rest.includes("--check");
const stylua = createRequire(path.join(path.resolve(folder), "package.json"))("@johnnymorganz/stylua");

const enums = {
  block_newline_gaps: stylua.BlockNewlineGaps,
  call_parentheses: stylua.CallParenType,
  collapse_simple_statement: stylua.CollapseSimpleStatement,
  indent_type: stylua.IndentType,
  line_endings: stylua.LineEndings,
  quote_style: stylua.QuoteStyle,
  space_after_function_names: stylua.SpaceAfterFunctionNames,
  syntax: stylua.LuaVersion,
};

function luaFiles(start) {
  if (!statSync(start).isDirectory()) return [start];
  return readdirSync(start, { recursive: true })
    .filter((name) => name.endsWith(".lua"))
    .map((name) => path.join(start, name))
    .sort();
}

// stylua.toml holds only `name = value` lines for what is used here; anything else is refused, not ignored.
function style(file) {
  const config = stylua.Config.new();
  let place = path.dirname(path.resolve(file));
  while (!existsSync(path.join(place, "stylua.toml"))) {
    if (place === path.dirname(place)) return config;
    place = path.dirname(place);
  }
  for (const line of readFileSync(path.join(place, "stylua.toml"), "utf8").split("\n")) {
    const text = line.replace(/#.*/, "").trim();
    if (text === "") continue;
    const [, name, word, number] = /^(\w+)\s*=\s*(?:"(\w+)"|(\d+))$/.exec(text) ?? [];
    const value = number === undefined ? enums[name]?.[word] : Number(number);
    if (value === undefined || !(name in config)) throw new Error(`stylua.toml: not understood: ${text}`);
    config[name] = value;
  }
  return config;
}

let wrong = 0;
for (const file of rest.filter((word) => word !== "--check").flatMap(luaFiles)) {
  const before = readFileSync(file, "utf8");
  let after;
  try {
    after = stylua.formatCode(before, style(file), undefined, stylua.OutputVerification.None);
  } catch (error) {
    console.error(`${file}: ${error.message ?? error}`);
    wrong += 1;
    continue;
  }
  if (after === before) continue;
  if (check) {
    console.error(`${file}: not formatted (make format)`);
    wrong += 1;
  } else {
    writeFileSync(file, after);
    console.log(`${file}: formatted`);
  }
}
process.exit(wrong ? 1 : 0);
