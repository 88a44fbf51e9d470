// Questions of the server and decisions of missions: shown where the user looks, answered once. Silence is never an answer:
// a question that is closed without a choice goes back to the server as such.
import * as vscode from "vscode";
import { MessageType, type MessageActionItem, type ShowMessageParams, type ShowMessageRequestParams } from "vscode-languageclient/node";
import { asFailure } from "./failure";
import { alarm, ask, done, inform, warn } from "./notices";
import { plainLabel } from "./plain";
import type { DecisionParams, StatusParams, Waiting } from "./protocol";
import { parted } from "./question-text";
import { missionRows } from "./reports";
import type { Session } from "./session";

/** Another place that can show a question with buttons; undefined when it cannot now. */
export type Elsewhere = (question: { readonly text: string; readonly buttons: readonly string[] }) => Promise<string | undefined> | undefined;

export type Level = "all" | "needed" | "none";

export function notificationLevel(): Level {
  return vscode.workspace.getConfiguration("missions").get<Level>("notify.level", "needed");
}

/** The server asks about the decisions of this window's missions right after it has told of them. */
const SERVER_FIRST_MS = 1000;

/** Missions that newly wait and are told one by one; more than these are one message. */
const TOLD_APART = 2;
const NAMED = 20;
const LOOK = "Open Mission Control";

const WAITS: Readonly<Record<Waiting["kind"], string>> = {
  decision: "asks",
  block: "is blocked",
  provider: "waits for its provider",
  budget: "has reached its budget",
  confirmation: "waits for a confirmation",
  lock: "waits for another mission",
};

export class Questions implements vscode.Disposable {
  private readonly open = new Map<string, DecisionParams>();
  private readonly changed = new vscode.EventEmitter<void>();
  /** Fires when decisions open or close. */
  readonly onDidChange = this.changed.event;
  /** What was already told, so that nobody is told twice. */
  private readonly told = new Set<string>();
  /** Decisions that the server itself asks about; one question is enough. */
  private readonly askedByServer = new Set<string>();
  /** What the server says about a decision besides its question, by decision. */
  private readonly details = new Map<string, string>();
  private completed: number | undefined;

  constructor(
    private readonly session: Session,
    private readonly elsewhere: Elsewhere,
    /** Whether the user sees the cards of a mission's decisions. */
    private readonly hasCard: (mission: string) => boolean,
  ) {
    session.answer("window/showMessageRequest", (params) => this.question(params as ShowMessageRequestParams));
    session.hear("window/showMessage", (params) => {
      this.say(params as ShowMessageParams);
    });
    session.on("missions/decision", (decision) => {
      this.decision(decision);
    });
    session.onDidChangeState((state) => {
      if (state.kind === "running") return;
      this.open.clear();
      this.details.clear();
      this.completed = undefined;
      this.changed.fire();
    });
  }

  dispose(): void {
    this.changed.dispose();
  }

  /** Decisions that this window knows to be open. */
  get decisions(): readonly DecisionParams[] {
    return [...this.open.values()];
  }

  /** What an answer to it means, as far as the server has said so. */
  detailOf(decision: string): string {
    return this.details.get(decision) ?? "";
  }

  decisionWith(id: string): DecisionParams | undefined {
    return this.open.get(id);
  }

  /** Asks for the answer of a decision and gives it; says so when somebody else was first. */
  async answer(decision: DecisionParams): Promise<void> {
    const picked = await pickAnswer(decision);
    if (picked !== undefined) await this.give(decision.mission, decision.decision, picked);
  }

  async give(mission: string, decision: string, answer: string): Promise<void> {
    try {
      const result = await this.session.execute("missions.decide", { mission, decision, answer });
      if (result.error) void warn(`${result.error.message} ${result.error.nextStep ?? ""}`);
      else done(result.message || "Answered");
    } catch (error) {
      void warn(asFailure(error).text);
    }
  }

  /** Tells what newly waits for the user and is not a decision, which tells itself. */
  statusChanged(status: StatusParams): void {
    const level = notificationLevel();
    const completed = status.counts?.completed ?? 0;
    if (level === "all" && this.completed !== undefined && completed > this.completed) void offer("A mission is complete.");
    this.completed = completed;
    const fresh = (status.waiting ?? []).filter((waiting) => {
      if (waiting.decision !== undefined || waiting.kind === "lock") return false;
      if (!this.once(`${waiting.mission} ${waiting.kind} ${waiting.text}`) || level === "none") return false;
      return waiting.kind !== "provider" || level === "all";
    });
    if (fresh.length > TOLD_APART) void this.tellMany(fresh.length);
    else for (const waiting of fresh) void this.tellWaiting(waiting);
  }

  private async tellWaiting(waiting: Waiting): Promise<void> {
    const chat = "Ask in Chat";
    const answer = await warn(`${await this.title(waiting.mission)} ${WAITS[waiting.kind]}: ${waiting.text}`, LOOK, chat);
    if (answer === LOOK) await vscode.commands.executeCommand("missions.ui.control", { mission: waiting.mission });
    if (answer === chat) await vscode.commands.executeCommand("missions.ui.chat", { mission: waiting.mission });
  }

  private async tellMany(count: number): Promise<void> {
    // The server names so many at most.
    const many = count < NAMED ? `${count}` : `At least ${NAMED}`;
    if ((await warn(`${many} missions wait for you. The tree of Mission Control names them.`, LOOK)) === LOOK) {
      await vscode.commands.executeCommand("missions.control.focus");
    }
  }

  private async title(mission: string): Promise<string> {
    const rows = await this.session.execute("missions.list", {}).then(({ data }) => missionRows(data), () => []);
    const found = rows.find((row) => row.id === mission);
    return found === undefined ? mission : `“${found.title}”`;
  }

  private say({ type, message }: ShowMessageParams): void {
    if (type === MessageType.Error) void alarm(message);
    else if (notificationLevel() !== "none") void (type === MessageType.Warning ? warn : inform)(message);
  }

  private async question(params: ShowMessageRequestParams): Promise<MessageActionItem | null> {
    const actions = params.actions ?? [];
    const titles = actions.map((action) => action.title);
    const decision = this.decisions.find((one) => params.message.includes(one.question));
    if (decision) {
      this.askedByServer.add(decision.decision);
      if (notificationLevel() === "none") return null;
    }
    if (decision) {
      const { detail } = parted(params.message);
      this.details.set(decision.decision, detail);
      this.changed.fire();
      // Its card says all of it, in front of the user: a dialog would only be in the way. It stays open until it is answered.
      if (detail !== "" && this.hasCard(decision.mission)) return null;
    }
    const inChat = decision ? undefined : this.elsewhere({ text: params.message, buttons: titles });
    const answer = inChat === undefined ? await showQuestion(params, titles) : await inChat;
    // A notification cannot be taken back: whoever presses its button later must not believe that it did something.
    if (decision && answer !== undefined && !this.open.has(decision.decision)) done("That question has been answered already");
    return actions.find((action) => action.title === answer) ?? null;
  }

  private decision(decision: DecisionParams): void {
    if (decision.state !== "opened") {
      this.details.delete(decision.decision);
      if (this.open.delete(decision.decision)) this.changed.fire();
      return;
    }
    this.open.set(decision.decision, decision);
    this.changed.fire();
    if (notificationLevel() === "none" || !this.once(`decision ${decision.decision}`)) return;
    setTimeout(() => {
      if (this.open.has(decision.decision) && !this.askedByServer.has(decision.decision)) void this.tellDecision(decision);
    }, SERVER_FIRST_MS);
  }

  private async tellDecision(decision: DecisionParams): Promise<void> {
    const options = decision.options ?? [];
    // A toast has room for few buttons; with more, or with free text, one button opens the list with what each choice means.
    const few = options.length > 0 && options.length <= 3 && !decision.freeText;
    const buttons = few ? options.map((option) => option.label) : ["Answer…"];
    const answer = await warn(decision.question, ...buttons);
    if (answer === undefined) return;
    if (!this.open.has(decision.decision)) {
      done("That question has been answered already");
      return;
    }
    const option = few ? options.find((one) => one.label === answer) : undefined;
    if (option) await this.give(decision.mission, decision.decision, option.id);
    else await this.answer(decision);
  }

  private once(key: string): boolean {
    if (this.told.has(key)) return false;
    this.told.add(key);
    return true;
  }
}

/** A short question is a toast; one that tells what will happen is a dialog that shows all of it. */
async function showQuestion(params: ShowMessageRequestParams, titles: readonly string[]): Promise<string | undefined> {
  const { message, detail } = parted(params.message);
  if (detail !== "") return ask(params.type === MessageType.Info ? "info" : "warning", message, detail, ...titles);
  const show = params.type === MessageType.Error ? alarm : params.type === MessageType.Warning ? warn : inform;
  return show(message, ...titles);
}

async function pickAnswer(decision: DecisionParams): Promise<string | undefined> {
  const inWords = (): Thenable<string | undefined> => vscode.window.showInputBox({ title: decision.question, ignoreFocusOut: true });
  const options = decision.options ?? [];
  if (options.length === 0) return inWords();
  const picks: { label: string; detail?: string; id?: string }[] = options.map((option) => ({
    label: plainLabel(option.label),
    ...(option.detail ? { detail: plainLabel(option.detail) } : {}),
    id: option.id,
  }));
  if (decision.freeText) picks.push({ label: "In your own words…" });
  const picked = await vscode.window.showQuickPick(picks, { title: decision.question, placeHolder: "Choose an answer", ignoreFocusOut: true });
  return picked !== undefined && picked.id === undefined ? inWords() : picked?.id;
}

async function offer(text: string): Promise<void> {
  if ((await inform(text, LOOK)) === LOOK) await vscode.commands.executeCommand("missions.ui.control");
}
