// The API key: kept in the editor's secret storage, handed to the server over its own connection, shown nowhere.
import * as vscode from "vscode";
import { asFailure } from "./failure";
import { done, inform } from "./notices";
import type { Session } from "./session";

const KEY = "missions.apiKey";

const SOURCES: Readonly<Record<string, string>> = {
  environment: "the environment (ANTHROPIC_API_KEY)",
  command: "the command in the settings",
  keyring: "the system keyring",
  file: "the key file",
  client: "this editor's secret storage",
};

export class Keys implements vscode.Disposable {
  private readonly subscription: vscode.Disposable;

  constructor(
    private readonly secrets: vscode.SecretStorage,
    private readonly session: Session,
    private readonly output: vscode.LogOutputChannel,
  ) {
    this.subscription = session.onDidChangeState((state) => {
      if (state.kind === "running") void this.handOver();
    });
  }

  dispose(): void {
    this.subscription.dispose();
  }

  async ask(): Promise<void> {
    const key = await vscode.window.showInputBox({
      title: "Missions: API key",
      prompt: "Kept in the secret storage of this editor. Leave empty to keep what is there.",
      placeHolder: "sk-ant-…",
      password: true,
      ignoreFocusOut: true,
      validateInput: (text) => (/\s/.test(text.trim()) ? "A key has no spaces in it." : undefined),
    });
    if (key === undefined || key.trim() === "") return;
    await this.secrets.store(KEY, key.trim());
    const source = await this.send(key.trim());
    const where = source === "client" ? "It is used from now on." : `But the key from ${SOURCES[source] ?? source} is used first.`;
    done("API key stored", "key");
    if (source !== "client") void inform(`The API key is stored. ${where}`, "OK");
  }

  async forget(): Promise<void> {
    await this.secrets.delete(KEY);
    const { source } = await this.session.request("missions/credentials", {});
    const rest = source === "none" ? "No key is left." : `The key from ${SOURCES[source] ?? source} is used from now on.`;
    done(`API key removed from this editor. ${rest}`, "key");
  }

  private async handOver(): Promise<void> {
    const key = await this.secrets.get(KEY);
    if (key === undefined) return;
    try {
      await this.send(key);
    } catch (error) {
      this.output.warn(`the API key could not be handed over: ${asFailure(error).text}`);
    }
  }

  private async send(apiKey: string): Promise<string> {
    const { source } = await this.session.request("missions/credentials", { apiKey });
    this.output.info(`the key that will be used comes from: ${source}`);
    return source;
  }
}
