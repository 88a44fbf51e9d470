// The extension's own environment: a virtual environment in its storage, made on request from the wheel that travels inside the
// extension. Never touches a Python environment of the user.
import { execFile } from "node:child_process";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import * as vscode from "vscode";
import { pythonIsNewEnough, PYTHONS } from "./discovery";
import { asFailure, Failure } from "./failure";

const run = promisify(execFile);

export class Installation {
  private readonly home: string;

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly output: vscode.LogOutputChannel,
  ) {
    this.home = join(context.globalStorageUri.fsPath, "server");
  }

  /** `missions` of the own environment, installed or not. */
  get program(): string {
    return join(this.home, "bin", "missions");
  }

  /** The line that does by hand what install() does; the extension finds the result by itself. */
  async commandLine(): Promise<string> {
    const wheel = quote(await this.wheel());
    return `python3 -m venv ${quote(this.home)} && ${quote(join(this.home, "bin", "pip"))} install ${wheel}`;
  }

  /** Makes the environment anew and installs the server into it; the progress can be cancelled. */
  async install(): Promise<void> {
    const wheel = await this.wheel();
    const options = { location: vscode.ProgressLocation.Notification, title: "Installing the Missions server", cancellable: true };
    await vscode.window.withProgress(options, async (progress, cancelled) => {
      const stop = new AbortController();
      cancelled.onCancellationRequested(() => {
        stop.abort();
      });
      try {
        progress.report({ message: "looking for Python 3.11 or later" });
        const python = await findPython();
        await rm(this.home, { recursive: true, force: true });
        progress.report({ message: "making an environment" });
        await this.step(python, ["-m", "venv", this.home], stop.signal);
        progress.report({ message: "installing the server and what it needs" });
        await this.step(join(this.home, "bin", "python"), ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", wheel], stop.signal);
      } catch (error) {
        // Half an environment must not be taken for a server.
        await rm(this.home, { recursive: true, force: true });
        if (cancelled.isCancellationRequested) return;
        throw error;
      }
    });
  }

  private async wheel(): Promise<string> {
    const folder = join(this.context.extensionPath, "bundled");
    const names = await readdir(folder).catch(() => []);
    const name = names.find((one) => one.endsWith(".whl"));
    if (name === undefined) {
      throw new Failure("not_found", "This build of the extension brings no server along.", "Install it with `make setup` in its repository, or name it in the setting missions.server.command.");
    }
    return join(folder, name);
  }

  private async step(program: string, args: readonly string[], signal: AbortSignal): Promise<void> {
    this.output.info(`running ${[program, ...args].join(" ")}`);
    try {
      const { stdout } = await run(program, [...args], { signal, maxBuffer: 10_000_000 });
      if (stdout.trim()) this.output.debug(stdout.trim());
    } catch (error) {
      const said = (error as { readonly stderr?: string }).stderr?.trim() ?? "";
      this.output.error(said || asFailure(error).message);
      const last = said.split("\n").at(-1) ?? "";
      throw new Failure("install_failed", `The server could not be installed${last ? `: ${last}` : "."}`, "The output tells more.");
    }
  }
}

async function findPython(): Promise<string> {
  for (const name of PYTHONS) {
    try {
      const { stdout } = await run(name, ["--version"], { timeout: 10_000 });
      if (pythonIsNewEnough(stdout)) return name;
    } catch {
      // Not there; the next one may be.
    }
  }
  throw new Failure("not_found", "No Python 3.11 or later was found.", "Install one (with its venv module), then try again.");
}

function quote(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}
