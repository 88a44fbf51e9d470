// Runs inside the extension host of a real VS Code; tests/editors starts it there.
import assert from "node:assert/strict";
import * as vscode from "vscode";

export async function run(): Promise<void> {
  const extension = vscode.extensions.getExtension("missions.missions");
  assert.ok(extension, "the extension is known to the host");
  await extension.activate();
  const commands = await vscode.commands.getCommands(true);
  for (const command of ["missions.ui.restartServer", "missions.ui.showOutput"]) {
    assert.ok(commands.includes(command), `${command} is registered`);
  }
  const failing = vscode.workspace.getConfiguration("missionsTest").get<boolean>("fail", false);
  assert.equal(failing, false, "this run was asked to fail");
}
