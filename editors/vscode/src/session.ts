// The connection to `missions lsp`: finds it, starts it, checks its version, starts it again. Knows the types of what is said
// over it, not what it means. Holds no mission state: that is in the store and comes by the server.
import { accessSync, constants, statSync } from "node:fs";
import * as vscode from "vscode";
import { ExecuteCommandRequest, LanguageClient, RevealOutputChannelOn, State, type Executable, type Middleware } from "vscode-languageclient/node";
import { serverCommands, startable, type ServerCommand } from "./discovery";
import { asFailure, Failure, isObject } from "./failure";
import { PROTOCOL_VERSION, type ClientNotifications, type Commands, type JsonObject, type Requests, type ServerNotifications } from "./protocol";
import { store } from "./settings";

export type SessionState =
  | { readonly kind: "starting" }
  | { readonly kind: "running"; readonly version: string; readonly origin: string }
  | { readonly kind: "missing" }
  | { readonly kind: "outdated"; readonly found: string; readonly origin: string }
  | { readonly kind: "failed"; readonly reason: string };

/** How often a missing server is looked for again: a look costs one stat for each folder of the PATH. */
const LOOK_AGAIN_MS = 5000;

export class Session implements vscode.Disposable {
  private client: LanguageClient | undefined;
  private readonly stateChanged = new vscode.EventEmitter<SessionState>();
  readonly onDidChangeState = this.stateChanged.event;
  private current: SessionState = { kind: "starting" };
  private readonly handlers = new Map<string, (params: unknown) => unknown>();
  private readonly answers = new Map<string, (params: unknown) => unknown>();
  private restarting: Promise<void> | undefined;
  private restartAgain = false;
  private looking: NodeJS.Timeout | undefined;
  private ended = false;
  /** When the server that runs now answered. */
  answeredAt = 0;
  /** Milliseconds from its start to its answer. */
  answeredAfter = 0;

  constructor(
    private readonly output: vscode.LogOutputChannel,
    private readonly ownProgram: string,
    private readonly middleware: Middleware,
  ) {}

  get state(): SessionState {
    return this.current;
  }

  /** Stops the server if one runs and starts it anew; calls that come meanwhile are joined into one more. */
  restart(): Promise<void> {
    if (this.restarting) {
      this.restartAgain = true;
      return this.restarting;
    }
    this.restarting = (async () => {
      do {
        this.restartAgain = false;
        await this.stopClient();
        if (!this.hasEnded()) await this.start();
      } while (this.wantsAgain());
    })().finally(() => {
      this.restarting = undefined;
    });
    return this.restarting;
  }

  /** Ends the session for good. */
  async stop(): Promise<void> {
    this.ended = true;
    clearInterval(this.looking);
    await this.restarting;
    await this.stopClient();
  }

  dispose(): void {
    void this.stop();
    this.stateChanged.dispose();
  }

  /** Takes a notification of every server that is started from now on; one handler for a method. */
  on<M extends keyof ServerNotifications>(method: M, handler: (params: ServerNotifications[M]) => void): void {
    this.handlers.set(method, handler as (params: unknown) => unknown);
  }

  /** Takes a notification of the standard of every server that is started from now on, instead of the client library. */
  hear(method: string, handler: (params: unknown) => void): void {
    this.handlers.set(method, handler);
  }

  /** Answers a request of every server that is started from now on, instead of the client library. */
  answer(method: string, handler: (params: unknown) => unknown): void {
    this.answers.set(method, handler);
  }

  async request<M extends keyof Requests>(method: M, params: Requests[M]["params"]): Promise<Requests[M]["result"]> {
    try {
      return await this.running().sendRequest<Requests[M]["result"]>(method, params);
    } catch (error) {
      throw asFailure(error);
    }
  }

  async execute<C extends keyof Commands>(command: C, args: Commands[C]["args"]): Promise<Commands[C]["result"]> {
    try {
      const params = { command, arguments: [args] };
      return (await this.running().sendRequest(ExecuteCommandRequest.type, params)) as Commands[C]["result"];
    } catch (error) {
      throw asFailure(error);
    }
  }

  /** A command that the server itself named, in a node, a lens or a quick fix. */
  async executeAny(command: string, args: JsonObject): Promise<unknown> {
    try {
      const params = { command, arguments: [args] };
      return (await this.running().sendRequest(ExecuteCommandRequest.type, params)) as unknown;
    } catch (error) {
      throw asFailure(error);
    }
  }

  /** Sends a notification, or nothing while no server runs: whoever sends state sends it again when one does. */
  notify<M extends keyof ClientNotifications>(method: M, params: ClientNotifications[M]): void {
    if (this.current.kind === "running") void this.client?.sendNotification(method, params);
  }

  cancelProgress(token: string | number): void {
    if (this.current.kind === "running") void this.client?.sendNotification("window/workDoneProgress/cancel", { token });
  }

  private running(): LanguageClient {
    if (this.client === undefined || this.current.kind !== "running") {
      throw new Failure("server_unavailable", "The Missions server is not running.", "See the Missions view for what to do.");
    }
    return this.client;
  }

  private hasEnded(): boolean {
    return this.ended;
  }

  private wantsAgain(): boolean {
    return this.restartAgain && !this.ended;
  }

  private async start(): Promise<void> {
    clearInterval(this.looking);
    this.become({ kind: "starting" });
    const candidates = this.candidates();
    if (candidates.length === 0) {
      this.output.info("no server: `missions` is neither on the PATH nor in the extension's own environment");
      this.become({ kind: "missing" });
      this.lookAgain();
      return;
    }
    let outcome: SessionState = { kind: "missing" };
    for (const candidate of candidates) {
      outcome = await this.tryStart(candidate);
      if (outcome.kind === "running") break;
    }
    this.become(outcome);
  }

  private candidates(): ServerCommand[] {
    const setting = vscode.workspace.getConfiguration("missions").get<string[]>("server.command", []);
    return serverCommands({ setting, path: process.env["PATH"], ownProgram: this.ownProgram, isProgram });
  }

  private lookAgain(): void {
    this.looking = setInterval(() => {
      if (this.candidates().length > 0) void this.restart();
    }, LOOK_AGAIN_MS);
  }

  private async tryStart(candidate: ServerCommand): Promise<SessionState> {
    const began = Date.now();
    if (!startable(candidate.command, process.env["PATH"], isProgram)) {
      const reason = `There is no program ${candidate.command}, which ${candidate.origin} names.`;
      this.output.error(reason);
      return { kind: "failed", reason };
    }
    this.output.info(`starting ${[candidate.command, ...candidate.args].join(" ")} (from ${candidate.origin})`);
    // No transport is named: with one, the library would append --stdio to the command line.
    const server: Executable = { command: candidate.command, args: [...candidate.args], options: { env: { ...process.env, MISSIONS_HOME: store() } } };
    const client = new QuietClient("missions", "Missions", server, {
      // Diff views show other schemes; lenses and hints of plan files would be wrong there.
      documentSelector: [{ scheme: "file" }, { scheme: "missions" }],
      outputChannel: this.output,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      middleware: this.middleware,
    });
    client.registerFeature({
      fillClientCapabilities: (capabilities) => {
        const before: unknown = capabilities.experimental;
        capabilities.experimental = { ...(isObject(before) ? before : {}), missions: PROTOCOL_VERSION };
      },
      initialize: () => undefined,
      getState: () => ({ kind: "static" }),
      clear: () => undefined,
    });
    for (const [method, handler] of this.handlers) client.onNotification(method, (params: unknown) => void handler(params));
    for (const [method, handler] of this.answers) client.onRequest(method, (params: unknown) => handler(params));
    try {
      await client.start();
    } catch (error) {
      const reason = asFailure(error).message;
      this.output.error(`the language server did not start: ${reason}`);
      return { kind: "failed", reason };
    }
    const version = client.initializeResult?.serverInfo?.version ?? "?";
    const offered: unknown = client.initializeResult?.capabilities.experimental;
    if (!isObject(offered) || offered["missions"] !== PROTOCOL_VERSION) {
      this.output.warn(`the server ${version} from ${candidate.origin} speaks another protocol than this extension (${PROTOCOL_VERSION})`);
      await stopQuietly(client);
      return { kind: "outdated", found: version, origin: candidate.origin };
    }
    this.answeredAt = Date.now();
    this.answeredAfter = this.answeredAt - began;
    this.output.info(`server ${version} answered after ${this.answeredAfter} ms`);
    this.client = client;
    const running: SessionState = { kind: "running", version, origin: candidate.origin };
    client.onDidChangeState((change) => {
      if (this.client !== client) return;
      if (change.newState === State.Running) this.become(running);
      else if (change.newState === State.Starting) this.become({ kind: "starting" });
      else this.become({ kind: "failed", reason: "The server has ended." });
    });
    return running;
  }

  private async stopClient(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    if (client) await stopQuietly(client);
  }

  private become(state: SessionState): void {
    if (this.ended) return;
    this.current = state;
    this.stateChanged.fire(state);
  }
}

/** The library's own error notifications lead nowhere; the Missions view says what can be done, and the output has the details. */
class QuietClient extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}

async function stopQuietly(client: LanguageClient): Promise<void> {
  try {
    // A server that has ended by itself cannot be stopped again.
    if (client.needsStop()) await client.stop();
  } catch {
    // It was stopped because it is not wanted any more; how it went is of no use to anybody.
  }
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
