// The chat view: takes what the server streams, keeps it as one value, and gives it to the page; carries out what the page asks
// for. The page itself is in ../webview and can do nothing but talk to this.
import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import { openDocument } from "../documents";
import { asFailure } from "../failure";
import type { ChatEndParams, ChatEntry, ChatOpenParams } from "../protocol";
import type { Questions } from "../questions";
import type { Session } from "../session";
import { fromView, type FromView, type ToView } from "./messages";
import { EMPTY, reduce, type ChatEvent, type ChatState, type Entry, type Question } from "./state";

const VIEW = "missions.chat";
const PAGE = 60;
/** The chat that this workspace had open, so that a window that comes back shows it again. */
const LAST = "missions.chat";

const KEY_CARD: Question = {
  id: "set-api-key",
  text: "The planner needs an API key.",
  buttons: [{ id: "set", label: "Set API Key…" }],
  freeText: false,
};

export class ChatView implements vscode.WebviewViewProvider, vscode.Disposable {
  private readonly subscriptions: vscode.Disposable[];
  private view: vscode.WebviewView | undefined;
  private state: ChatState = EMPTY;
  /** A question of the server that stands in the chat until it is answered. */
  private asked: { readonly question: Question; readonly give: (answer: string | undefined) => void } | undefined;
  private counter = 0;
  /** The last answer failed because there is no key. */
  private keyIsMissing = false;
  /** Where a new chat will plan; it is made with its first message, because a chat is a mission in planning. */
  private folder: vscode.Uri | undefined;
  /** The user wants a new chat: the mission of this window does not take its place. */
  private fresh = false;

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly session: Session,
    private readonly output: vscode.LogOutputChannel,
    private readonly questions: () => Questions,
  ) {
    session.on("missions/chat/delta", ({ chat, message, kind, text }) => {
      if (chat === this.state.chat) this.event({ type: "delta", message, role: kind === "text" ? "assistant" : kind, text });
    });
    session.on("missions/chat/end", (end) => {
      this.ended(end);
    });
    this.subscriptions = [
      vscode.window.registerWebviewViewProvider(VIEW, this),
      session.onDidChangeState((state) => {
        if (state.kind === "running") void this.connected();
        else this.event({ type: "unavailable", reason: state.kind === "starting" ? "The server is starting…" : "The Missions server is not running." });
      }),
    ];
  }

  dispose(): void {
    vscode.Disposable.from(...this.subscriptions).dispose();
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    this.view = view;
    const media = vscode.Uri.joinPath(this.context.extensionUri, "out", "webview");
    view.webview.options = { enableScripts: true, localResourceRoots: [media] };
    view.webview.onDidReceiveMessage((message: unknown) => {
      const known = fromView(message);
      if (known) void this.carryOut(known);
    });
    view.onDidDispose(() => {
      this.view = undefined;
      this.asked?.give(undefined);
    });
    view.webview.html = this.page(view.webview, media);
  }

  /** Begins a new planning chat and puts the cursor into it. */
  async start(folder?: vscode.Uri): Promise<void> {
    await vscode.commands.executeCommand(`${VIEW}.focus`);
    this.folder = folder;
    this.fresh = true;
    this.empty();
    this.post({ type: "focus" });
  }

  /** The mission of this window: its chat is shown unless the user is in another one. */
  missionIs(mission: string | undefined): void {
    if (mission !== undefined && this.state.chat === undefined && !this.fresh && vscode.workspace.isTrusted) void this.open({ mission });
  }

  /** Shows the chat, of a mission if one is named. */
  async focus(mission?: string): Promise<void> {
    await vscode.commands.executeCommand(`${VIEW}.focus`);
    if (mission !== undefined && mission !== this.state.mission) await this.open({ mission });
    this.post({ type: "focus" });
  }

  /** Shows a question of the server in the chat while an answer is being written there; undefined when it belongs elsewhere. */
  ask(question: { readonly text: string; readonly buttons: readonly string[] }): Promise<string | undefined> | undefined {
    if (this.view?.visible !== true || !this.state.busy || this.asked !== undefined) return undefined;
    this.counter += 1;
    const buttons = question.buttons.map((label) => ({ id: label, label }));
    const shown: Question = { id: `asked-${this.counter}`, text: question.text, buttons, freeText: false };
    return new Promise((resolve) => {
      this.asked = {
        question: shown,
        give: (answer) => {
          this.asked = undefined;
          this.showQuestions();
          resolve(answer);
        },
      };
      this.showQuestions();
    });
  }

  /** Whether the chat of this mission is in front of the user. */
  shows(mission: string): boolean {
    return this.view?.visible === true && this.state.mission === mission;
  }

  /** Decisions of this chat's mission, and what the server asks, as cards. */
  showQuestions(): void {
    const decisions = this.questions().decisions.filter((decision) => decision.mission === this.state.mission);
    const cards = decisions.map((decision): Question => {
      const options = decision.options ?? [];
      const facts = this.questions().detailOf(decision.decision).split("\n").filter((line) => line !== "");
      return { id: decision.decision, text: [decision.question, ...facts.map((fact) => `- ${fact}`)].join("\n"), buttons: options, freeText: decision.freeText ?? options.length === 0 };
    });
    if (this.keyIsMissing) cards.unshift(KEY_CARD);
    this.event({ type: "questions", questions: this.asked === undefined ? cards : [this.asked.question, ...cards] });
  }

  private async connected(): Promise<void> {
    const last = this.state.chat ?? this.context.workspaceState.get<string>(LAST);
    this.empty();
    if (last !== undefined && !this.fresh) await this.open({ chat: last });
    // The mission may be gone; then a new chat is as good.
    if (this.state.chat === undefined) this.empty();
    if (!vscode.workspace.isTrusted) this.event({ type: "unavailable", reason: "This window is in restricted mode: missions can be looked at. Trust the workspace to plan and to talk." });
  }

  private empty(): void {
    if (this.view) this.view.description = "";
    this.event({ type: "reset", state: EMPTY });
  }

  private async open(params: ChatOpenParams): Promise<void> {
    try {
      const chat = await this.session.request("missions/chat/open", params);
      const history = await this.session.request("missions/chat/history", { chat: chat.chat, limit: PAGE });
      this.event({
        type: "reset",
        state: {
          chat: chat.chat,
          title: chat.title,
          model: chat.model ?? "",
          busy: chat.busy ?? false,
          more: history.more ?? false,
          entries: history.entries.map(entry),
          questions: [],
          ...(chat.mission === undefined ? {} : { mission: chat.mission }),
        },
      });
      this.fresh = false;
      await this.context.workspaceState.update(LAST, chat.chat);
      this.showQuestions();
    } catch (error) {
      const failure = asFailure(error);
      this.output.warn(`the chat cannot be opened: ${failure.text}`);
      this.event({ type: "unavailable", reason: failure.text });
    }
  }

  private async carryOut(message: FromView): Promise<void> {
    try {
      switch (message.type) {
        case "ready":
          this.post({ type: "reset", state: this.state });
          return;
        case "send":
          await this.send(message.text);
          return;
        case "stop":
          if (this.state.chat !== undefined) await this.session.request("missions/chat/cancel", { chat: this.state.chat });
          return;
        case "older":
          await this.older();
          return;
        case "answer":
          await this.answer(message.question, message.answer);
          return;
        case "open":
          await this.follow(message.href);
          return;
        case "copy":
          await vscode.env.clipboard.writeText(message.text);
          return;
      }
    } catch (error) {
      this.counter += 1;
      this.event({ type: "ended", message: `local-${this.counter}`, outcome: "failed", problem: asFailure(error).text });
    }
  }

  private async send(text: string): Promise<void> {
    if (text.trim() === "") return;
    if (this.state.chat === undefined) await this.open({ fresh: true, ...(this.folder ? { folder: this.folder.toString() } : {}) });
    const chat = this.state.chat;
    if (chat === undefined) return;
    this.counter += 1;
    this.event({ type: "said", id: `said-${this.counter}`, text });
    const { message } = await this.session.request("missions/chat/send", { chat, text });
    if (this.state.busy && this.state.answering === undefined) this.event({ type: "answering", message });
  }

  private async older(): Promise<void> {
    const [first] = this.state.entries;
    if (this.state.chat === undefined || first === undefined) return;
    const { entries, more } = await this.session.request("missions/chat/history", { chat: this.state.chat, before: first.id, limit: PAGE });
    this.event({ type: "older", entries: entries.map(entry), more: more ?? false });
  }

  private async answer(question: string, answer: string): Promise<void> {
    if (question === KEY_CARD.id) {
      this.keyIsMissing = false;
      this.showQuestions();
      await vscode.commands.executeCommand("missions.ui.setApiKey");
      return;
    }
    if (this.asked?.question.id === question) {
      this.asked.give(answer);
      return;
    }
    const decision = this.questions().decisionWith(question);
    if (decision) await this.questions().give(decision.mission, decision.decision, answer);
  }

  /** Links of an answer: documents of missions and files of this window open here, the web outside; anything else stays dead. */
  private async follow(href: string): Promise<void> {
    const uri = vscode.Uri.parse(href);
    if (uri.scheme === "missions") await openDocument(uri);
    else if (uri.scheme === "https" || uri.scheme === "http") await vscode.env.openExternal(uri);
    else if (uri.scheme === "file" && vscode.workspace.getWorkspaceFolder(uri)) await openDocument(uri);
    else if (!/^[a-z][a-z0-9+.-]*:/i.test(href)) await this.openRelative(href);
  }

  private async openRelative(href: string): Promise<void> {
    const [path = "", line] = href.split("#L");
    for (const folder of vscode.workspace.workspaceFolders ?? []) {
      const uri = vscode.Uri.joinPath(folder.uri, path);
      const found = await vscode.workspace.fs.stat(uri).then(() => true, () => false);
      // A path may not lead out of the folder.
      if (!found || vscode.workspace.getWorkspaceFolder(uri) !== folder) continue;
      const at = new vscode.Position(Math.max(0, Number(line ?? 1) - 1 || 0), 0);
      await vscode.window.showTextDocument(uri, { selection: new vscode.Range(at, at) });
      return;
    }
  }

  private ended(end: ChatEndParams): void {
    if (end.chat !== this.state.chat) return;
    const problem = end.error ? [end.error.message, end.error.nextStep].filter(Boolean).join(" ") : undefined;
    this.event({
      type: "ended",
      message: end.message,
      outcome: end.outcome,
      ...(problem === undefined ? {} : { problem }),
      ...(end.mission === undefined ? {} : { mission: end.mission }),
    });
    this.keyIsMissing = end.error?.code === "no_credentials";
    this.showQuestions();
    // A plan that was saved has named its mission.
    void this.retitle();
  }

  private async retitle(): Promise<void> {
    if (this.state.chat === undefined || this.session.state.kind !== "running") return;
    const chat = await this.session.request("missions/chat/open", { chat: this.state.chat }).catch(() => undefined);
    if (chat && chat.chat === this.state.chat) this.event({ type: "titled", title: chat.title, model: chat.model ?? "" });
  }

  private event(event: ChatEvent): void {
    this.state = reduce(this.state, event);
    this.post(event);
  }

  private post(message: ToView): void {
    void this.view?.webview.postMessage(message);
  }

  private page(webview: vscode.Webview, media: vscode.Uri): string {
    const nonce = randomBytes(24).toString("base64");
    const [script, style] = ["chat.js", "chat.css"].map((name) => webview.asWebviewUri(vscode.Uri.joinPath(media, name)).toString());
    // No images from anywhere: an answer could send what it has read to somebody by the address of one.
    const policy = `default-src 'none'; script-src 'nonce-${nonce}'; style-src ${webview.cspSource}; font-src ${webview.cspSource}; img-src data:; connect-src 'none'; form-action 'none'; base-uri 'none'`;
    return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="${style ?? ""}">
<title>Missions chat</title>
</head>
<body>
<script type="module" nonce="${nonce}" src="${script ?? ""}"></script>
</body>
</html>`;
  }
}

function entry(from: ChatEntry): Entry {
  return { id: from.id, role: from.role, text: from.text };
}
