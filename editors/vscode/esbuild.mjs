// Bundles the client into out/extension.js and the page of the chat view into out/webview. --production: minified, without
// source map. --tests: the tests instead, each into a file of its own below out/test.
import { readdirSync } from "node:fs";
import * as esbuild from "esbuild";

const production = process.argv.includes("--production");
const common = { bundle: true, minify: production, sourcemap: !production, logLevel: "warning" };
const node = { ...common, platform: "node", target: "node20", format: "cjs", external: ["vscode", "typescript"] };

if (process.argv.includes("--tests")) {
  const names = readdirSync("test", { recursive: true }).filter((name) => name.endsWith(".ts"));
  await esbuild.build({ ...node, entryPoints: names.map((name) => `test/${name}`), outdir: "out/test", outbase: "test" });
} else {
  await esbuild.build({ ...node, entryPoints: ["src/extension.ts"], outfile: "out/extension.js" });
  await esbuild.build({
    ...common,
    platform: "browser",
    target: "es2022",
    format: "esm",
    legalComments: "none",
    entryPoints: ["src/webview/chat.ts", "src/webview/chat.css"],
    outdir: "out/webview",
  });
}
