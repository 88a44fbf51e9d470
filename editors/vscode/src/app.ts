// The one object that holds the parts of the extension together and owns what must be given back at its end.
import * as vscode from "vscode";
import type { Middleware } from "vscode-languageclient/node";
import { Buffers } from "./buffers";
import { ChatView } from "./chat/view";
import { Diffs } from "./diff";
import { openDocument, Texts } from "./documents";
import { isObject } from "./failure";
import { Installation } from "./installation";
import { Keys } from "./keys";
import { Progresses } from "./progress";
import { notificationLevel, Questions } from "./questions";
import { Session } from "./session";
import { explicitSettings } from "./settings";
import { Status } from "./status";
import { MissionTree } from "./tree";

/** Runs a command that the server named, with the user's answers where it lacks them. */
export type ServerCommand = (command: string, argument: unknown) => Promise<unknown>;

export class App {
  readonly output = vscode.window.createOutputChannel("Missions", { log: true });
  readonly version: string;
  readonly installation: Installation;
  readonly session: Session;
  readonly progresses: Progresses;
  readonly tree: MissionTree;
  readonly status: Status;
  readonly questions: Questions;
  readonly chat: ChatView;
  readonly diffs = new Diffs();
  readonly texts = new Texts();
  readonly keys: Keys;

  constructor(
    private readonly context: vscode.ExtensionContext,
    serverCommand: ServerCommand,
  ) {
    const manifest: unknown = context.extension.packageJSON;
    this.version = isObject(manifest) && typeof manifest["version"] === "string" ? manifest["version"] : "?";
    this.installation = new Installation(context, this.output);
    this.progresses = new Progresses(
      (token) => {
        this.session.cancelProgress(token);
      },
      () => notificationLevel() === "all",
    );
    this.session = new Session(this.output, this.installation.program, this.middleware(serverCommand));
    this.tree = new MissionTree(this.session);
    this.status = new Status(this.session, this.tree);
    this.chat = new ChatView(context, this.session, this.output, () => this.questions);
    this.questions = new Questions(
      this.session,
      (question) => this.chat.ask(question),
      (mission) => this.chat.shows(mission),
    );
    this.keys = new Keys(context.secrets, this.session, this.output);
    this.own(this.output, this.session, this.tree, this.status, this.questions, this.chat, this.diffs, this.texts, this.keys, new Buffers(this.session));
    this.own(
      this.questions.onDidChange(() => {
        this.chat.showQuestions();
      }),
      this.status.onDidChange((status) => {
        this.questions.statusChanged(status);
        this.chat.missionIs(status.mission);
      }),
      this.session.onDidChangeState((state) => {
        if (state.kind !== "running") this.progresses.clear();
      }),
    );
  }

  own(...disposables: { dispose(): unknown }[]): void {
    this.context.subscriptions.push(...disposables);
  }

  private middleware(serverCommand: ServerCommand): Middleware {
    return {
      // The library would register the server's commands as they are: an answer would be lost, an error shown as a stack.
      executeCommand: (command: string, args: unknown[]) => serverCommand(command, args[0]),
      handleWorkDoneProgress: (token, params) => {
        this.progresses.handle(token, params);
      },
      workspace: {
        configuration: (params) => params.items.map((item) => (item.section === "missions" ? explicitSettings() : null)),
      },
      window: {
        showDocument: async (params, token, next) => {
          const uri = vscode.Uri.parse(params.uri);
          if (uri.scheme !== "missions") return next(params, token);
          await openDocument(uri, { preserveFocus: params.takeFocus !== true });
          return { success: true };
        },
      },
    };
  }
}
