import assert from "node:assert/strict";
import { test } from "node:test";
import { programOnPath, pythonIsNewEnough, serverCommands, startable, storeFolder } from "../../src/discovery";

const OWN = "/storage/server/bin/missions";
const around = (programs: readonly string[], setting: readonly string[] = [], path = "/one:/two") => ({
  setting,
  path,
  ownProgram: OWN,
  isProgram: (file: string) => programs.includes(file),
});

test("the server on the PATH comes before the extension's own", () => {
  const found = serverCommands(around(["/two/missions", OWN]));
  assert.deepEqual(found.map((one) => [one.command, ...one.args]), [["/two/missions", "lsp"], [OWN, "lsp"]]);
});

test("a setting is taken word by word and stands alone", () => {
  const found = serverCommands(around(["/two/missions", OWN], ["python 3", "-m", "missions", "lsp"]));
  assert.equal(found.length, 1);
  assert.equal(found[0]?.command, "python 3");
  assert.deepEqual(found[0].args, ["-m", "missions", "lsp"]);
  assert.match(found[0].origin, /setting/);
});

test("without any server there is nothing to start", () => {
  assert.deepEqual(serverCommands(around([])), []);
  assert.deepEqual(serverCommands({ ...around([]), path: undefined }), []);
});

test("a program is looked for by its path, or by its name on the PATH", () => {
  const isProgram = (file: string): boolean => file === "/two/python3";
  assert.equal(startable("/two/python3", "/one", isProgram), true);
  assert.equal(startable("python3", "/one:/two", isProgram), true);
  assert.equal(startable("python3", "/one", isProgram), false);
  assert.equal(startable("/nowhere/missions", "/two", isProgram), false);
});

test("relative entries of the PATH are passed over", () => {
  assert.equal(programOnPath("missions", "./bin:bin::/one", (file) => file.endsWith("missions")), "/one/missions");
});

test("missions are kept where the setting says, else where the environment does, else in the home", () => {
  assert.equal(storeFolder("/data/missions", { HOME: "/home/me", MISSIONS_HOME: "/other" }), "/data/missions");
  assert.equal(storeFolder("~/missions", { HOME: "/home/me" }), "/home/me/missions");
  assert.equal(storeFolder(undefined, { HOME: "/home/me", MISSIONS_HOME: "/other" }), "/other");
  assert.equal(storeFolder("", { HOME: "/home/me" }), "/home/me/.missions");
});

test("Python is new enough from 3.11 on", () => {
  assert.equal(pythonIsNewEnough("Python 3.11.2"), true);
  assert.equal(pythonIsNewEnough("Python 3.14.0rc1"), true);
  assert.equal(pythonIsNewEnough("Python 3.9.18"), false);
  assert.equal(pythonIsNewEnough("Python 2.7.18"), false);
  assert.equal(pythonIsNewEnough("zsh: command not found"), false);
});
