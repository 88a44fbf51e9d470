// Written by scripts/protocol.mjs from docs/protocol.md; change the server's types, not this file. What the two sides say to
// each other beyond the standard protocol: types only, and the version. A field that is absent has the default of that page.

/** Announced by both sides as capabilities.experimental.missions. */
export const PROTOCOL_VERSION = 1;

export type JsonObject = Readonly<Record<string, unknown>>;

/** Requests that the client sends. */
export interface Requests {
  readonly "missions/tree/children": { readonly params: TreeChildrenParams; readonly result: TreeChildrenResult };
  readonly "missions/tree/parent": { readonly params: TreeParentParams; readonly result: TreeParentResult };
  readonly "missions/chat/open": { readonly params: ChatOpenParams; readonly result: ChatOpenResult };
  readonly "missions/chat/send": { readonly params: ChatSendParams; readonly result: ChatSendResult };
  readonly "missions/chat/cancel": { readonly params: ChatCancelParams; readonly result: null };
  readonly "missions/chat/history": { readonly params: ChatHistoryParams; readonly result: ChatHistoryResult };
  readonly "missions/content": { readonly params: ContentParams; readonly result: ContentResult };
  readonly "missions/credentials": { readonly params: CredentialsParams; readonly result: CredentialsResult };
}

/** Notifications that the client sends. */
export interface ClientNotifications {
  readonly "missions/tree/visibility": TreeVisibilityParams;
  readonly "missions/buffers": BuffersParams;
}

/** Notifications that the server sends. */
export interface ServerNotifications {
  readonly "missions/tree/didChange": TreeDidChangeParams;
  readonly "missions/status": StatusParams;
  readonly "missions/chat/delta": ChatDeltaParams;
  readonly "missions/chat/end": ChatEndParams;
  readonly "missions/decision": DecisionParams;
  readonly "missions/filesChanged": FilesChangedParams;
}

/** Workspace commands; each takes one object. */
export interface Commands {
  readonly "missions.new": { readonly args: NewArgs; readonly result: ReportResult };
  readonly "missions.write-plan": { readonly args: WritePlanArgs; readonly result: OperationResult };
  readonly "missions.revise-plan": { readonly args: RevisePlanArgs; readonly result: OperationResult };
  readonly "missions.comment": { readonly args: CommentArgs; readonly result: OperationResult };
  readonly "missions.answer-comment": { readonly args: AnswerCommentArgs; readonly result: OperationResult };
  readonly "missions.run": { readonly args: RunArgs; readonly result: OperationResult };
  readonly "missions.resume": { readonly args: ResumeArgs; readonly result: OperationResult };
  readonly "missions.pause": { readonly args: PauseArgs; readonly result: OperationResult };
  readonly "missions.cancel": { readonly args: CancelArgs; readonly result: OperationResult };
  readonly "missions.retry": { readonly args: RetryArgs; readonly result: OperationResult };
  readonly "missions.rerun-validation": { readonly args: RerunValidationArgs; readonly result: OperationResult };
  readonly "missions.skip": { readonly args: SkipArgs; readonly result: OperationResult };
  readonly "missions.waive": { readonly args: WaiveArgs; readonly result: OperationResult };
  readonly "missions.block": { readonly args: BlockArgs; readonly result: OperationResult };
  readonly "missions.unblock": { readonly args: UnblockArgs; readonly result: OperationResult };
  readonly "missions.steer": { readonly args: SteerArgs; readonly result: OperationResult };
  readonly "missions.decide": { readonly args: DecideArgs; readonly result: OperationResult };
  readonly "missions.request-confirmation": { readonly args: RequestConfirmationArgs; readonly result: OperationResult };
  readonly "missions.budget": { readonly args: BudgetArgs; readonly result: OperationResult };
  readonly "missions.finish": { readonly args: FinishArgs; readonly result: OperationResult };
  readonly "missions.abandon": { readonly args: AbandonArgs; readonly result: OperationResult };
  readonly "missions.delete": { readonly args: DeleteArgs; readonly result: OperationResult };
  readonly "missions.status": { readonly args: StatusArgs; readonly result: ReportResult };
  readonly "missions.list": { readonly args: ListArgs; readonly result: ReportResult };
  readonly "missions.show": { readonly args: ShowArgs; readonly result: ReportResult };
  readonly "missions.clear": { readonly args: ClearArgs; readonly result: OperationResult };
  readonly "missions.models": { readonly args: ModelsArgs; readonly result: ReportResult };
  readonly "missions.validate": { readonly args: ValidateArgs; readonly result: ReportResult };
  readonly "missions.estimate": { readonly args: EstimateArgs; readonly result: ReportResult };
  readonly "missions.restore": { readonly args: RestoreArgs; readonly result: ReportResult };
  readonly "missions.send": { readonly args: SendArgs; readonly result: OperationResult };
  readonly "missions.repair": { readonly args: RepairArgs; readonly result: OperationResult };
  readonly "missions.apply-plan": { readonly args: ApplyPlanArgs; readonly result: OperationResult };
  readonly "missions.gc": { readonly args: GcArgs; readonly result: ReportResult };
  readonly "missions.control": { readonly args: MissionArgs; readonly result: DocumentResult };
  readonly "missions.open": { readonly args: OpenArgs; readonly result: DocumentResult };
  readonly "missions.export": { readonly args: ExportArgs; readonly result: ReportResult };
  readonly "missions.import": { readonly args: ImportArgs; readonly result: ReportResult };
  readonly "missions.doctor": { readonly args: DoctorArgs; readonly result: ReportResult };
  readonly "missions.demo": { readonly args: DemoArgs; readonly result: ReportResult };
  readonly "missions.watch": { readonly args: WatchArgs; readonly result: ReportResult };
  readonly "missions.complete": { readonly args: CompleteArgs; readonly result: CompleteResult };
}

/** Asks for the children of one node. */
export interface TreeChildrenParams {
  /** Absent for the roots. */
  readonly nodeId?: string;
}

/** The children, in the order to show. */
export interface TreeChildrenResult {
  /** The state this answer shows; compare with `didChange`. */
  readonly version: number;
  /** Empty for a node that is gone. */
  readonly nodes: readonly TreeNode[];
}

/** Asks for the way from a node up to its root, to reveal it. */
export interface TreeParentParams {
  /** The node to reveal. */
  readonly nodeId: string;
}

/** The way down to the node. */
export interface TreeParentResult {
  /** Root first, without the node itself; empty for a root or a node that is gone. */
  readonly ancestors: readonly TreeNode[];
}

/** Opens a planning chat, a mission's chat, or the chat that was last open in this folder. */
export interface ChatOpenParams {
  /** A known chat. */
  readonly chat?: string;
  /** The chat of this mission. */
  readonly mission?: string;
  /** Start a new one instead of continuing. */
  readonly fresh?: boolean;
  /** URI of the workspace folder; the first one if absent. */
  readonly folder?: string;
}

/** An open chat. */
export interface ChatOpenResult {
  /** Its id. */
  readonly chat: string;
  /** For the view's title. */
  readonly title: string;
  /** An answer is being written; its deltas follow. */
  readonly busy?: boolean;
  /** The mission that this chat planned or talks about. */
  readonly mission?: string;
  /** The model that answers. */
  readonly model?: string;
  /** The last answer was cut off; `missions/chat/send` with an empty text finishes it. */
  readonly unanswered?: boolean;
}

/** Says something. */
export interface ChatSendParams {
  /** The chat. */
  readonly chat: string;
  /** The user's text; foreign text in it is data, not instruction. Empty: go on where an answer was cut off. */
  readonly text: string;
}

/** The answer comes as `missions/chat/delta` notifications and one `missions/chat/end`. */
export interface ChatSendResult {
  /** Id of the answer that is coming. */
  readonly message: string;
}

/** Stops the answer that is being written. The answer to this request is `null`. */
export interface ChatCancelParams {
  /** The chat. */
  readonly chat: string;
}

/** Asks for what was said. */
export interface ChatHistoryParams {
  /** The chat. */
  readonly chat: string;
  /** Id of the oldest entry already known. */
  readonly before?: string;
  /** At most this many entries. */
  readonly limit?: number;
}

/** Entries, oldest first. */
export interface ChatHistoryResult {
  /** The newest of those that fit. */
  readonly entries: readonly ChatEntry[];
  /** There are older ones. */
  readonly more?: boolean;
}

/** Asks for a read-only document, for clients without `workspace/textDocumentContent`. */
export interface ContentParams {
  /** A `missions:` URI. */
  readonly uri: string;
}

/** The text of the document. */
export interface ContentResult {
  /** As asked. */
  readonly uri: string;
  /** The whole text. */
  readonly text: string;
  /** For highlighting. */
  readonly languageId?: string;
}

/** Hands over a key from the client's secret storage. It is kept in memory and never written or logged. */
export interface CredentialsParams {
  /** Absent: forget the key. */
  readonly apiKey?: string;
  /** Whose key it is. */
  readonly provider?: string;
}

/** Where the key that will be used comes from. */
export interface CredentialsResult {
  /** The environment wins over the client. */
  readonly source: "environment" | "command" | "keyring" | "file" | "client" | "none";
}

/** Tells the server whether any view of the tree is open; without one no `didChange` is sent. */
export interface TreeVisibilityParams {
  /** True while the tree can be seen. */
  readonly visible: boolean;
}

/** Which documents have unsaved changes; sent on every change of the list. */
export interface BuffersParams {
  /** Their URIs; empty when all is saved. */
  readonly dirty: readonly string[];
}

/** Some nodes show something else now. */
export interface TreeDidChangeParams {
  /** Grows by at least one with each notification. */
  readonly version: number;
  /** Nodes whose own line or children changed; empty means all. */
  readonly nodeIds?: readonly string[];
}

/** The state of the status item. */
export interface StatusParams {
  /** One line, without icon. */
  readonly line: string;
  /** `attention`: something waits for the user; `error`: the store or the server has a problem. */
  readonly health?: "ok" | "attention" | "error";
  /** Missions by section. */
  readonly counts?: StatusCounts;
  /** What is waited for, most urgent first. */
  readonly waiting?: readonly Waiting[];
  /** The mission of this workspace folder, if there is exactly one that is not finished. */
  readonly mission?: string;
}

/** A piece of an answer. Pieces of one kind that follow each other may arrive joined. */
export interface ChatDeltaParams {
  /** The chat. */
  readonly chat: string;
  /** The answer it belongs to. */
  readonly message: string;
  /** `tool`: a line about a tool call; `notice`: a line from the engine (retry, waiting). */
  readonly kind: "text" | "thinking" | "tool" | "notice";
  /** To append. */
  readonly text: string;
}

/** An answer is complete. What it holds is in the history from now on. */
export interface ChatEndParams {
  /** The chat. */
  readonly chat: string;
  /** The answer. */
  readonly message: string;
  /** How it ended. */
  readonly outcome: "complete" | "cancelled" | "failed";
  /** Why it failed. */
  readonly error?: ErrorData;
  /** Set when this answer saved or changed a mission. */
  readonly mission?: string;
}

/** A question that only the user can answer was opened, answered or withdrawn. */
export interface DecisionParams {
  /** Its id. */
  readonly mission: string;
  /** The decision's id. */
  readonly decision: string;
  /** What happened to it. */
  readonly state: "opened" | "answered" | "withdrawn";
  /** One or two sentences. */
  readonly question: string;
  /** What can be chosen. */
  readonly options?: readonly DecisionOption[];
  /** Whether any other text is an answer too. */
  readonly freeText?: boolean;
  /** When answered. */
  readonly answer?: string;
  /** Face and user that answered. */
  readonly by?: string;
}

/** A run changed files that are open in this client, or a revision wrote a plan's files anew. */
export interface FilesChangedParams {
  /** The mission. */
  readonly mission: string;
  /** The files. */
  readonly uris: readonly string[];
}

/** Start planning, or save a whole plan. */
export interface NewArgs {
  /** What is to be achieved; starts a planning conversation. */
  readonly goal?: string;
  /** A whole plan document; saves it at once. */
  readonly plan?: JsonObject;
  /** A file that holds a plan document. */
  readonly planPath?: string;
  /** Repository folder. */
  readonly cwd?: string;
  /** Name of a plan template. */
  readonly template?: string;
  readonly demo?: boolean;
}

/** Save or replace the plan of a mission. */
export interface WritePlanArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  readonly plan: JsonObject;
  readonly cwd?: string;
  readonly goal?: string;
  readonly reason?: string;
  /** The plan version this revises; another one in force is a conflict. */
  readonly baseVersion?: number;
}

/** Change pending work by operations. */
export interface RevisePlanArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  readonly reason: string;
  readonly operations: readonly JsonObject[];
  readonly baseVersion?: number;
}

/** Leave a remark on the plan; the planner answers it by a change or a reason. */
export interface CommentArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  /** Where in the plan, as a JSON pointer or an id. */
  readonly path?: string;
  readonly text: string;
}

/** Say what became of a remark on the plan. */
export interface AnswerCommentArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  readonly comment: string;
  /** What was changed, or why nothing was. */
  readonly answer: string;
}

/** Start a planned mission, or resume it. Asks first. */
export interface RunArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  /** Gates already answered with yes: the plan and its budget, a dirty tree, network, no sandbox. */
  readonly accept?: readonly "plan"[] | "dirty" | "network" | "no-sandbox";
  /** The plan version the gates were shown for. */
  readonly planVersion?: number;
  readonly host?: "process" | "server" | "here";
}

/** Resume a paused or unblocked mission. Asks first. */
export interface ResumeArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  /** Gates already answered with yes: the plan and its budget, a dirty tree, network, no sandbox. */
  readonly accept?: readonly "plan"[] | "dirty" | "network" | "no-sandbox";
  /** The plan version the gates were shown for. */
  readonly planVersion?: number;
  readonly host?: "process" | "server" | "here";
}

/** Pause after the current unit, or at once; resumable. */
export interface PauseArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  /** Stop the current run at once (resumable) instead of after it. */
  readonly now?: boolean;
}

/** End the current run; the mission pauses. */
export interface CancelArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  readonly reason?: string;
}

/** Let a failed feature run again. */
export interface RetryArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  /** Feature id; without it the feature that blocks. */
  readonly feature?: string;
  /** What the next attempt must know. */
  readonly note?: string;
}

/** Validate a milestone again. */
export interface RerunValidationArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  /** Milestone id; without it the milestone that blocks. */
  readonly milestone?: string;
  readonly mode?: "scrutiny" | "user-testing";
  readonly reason?: string;
}

/** Leave a feature out, with a reason. */
export interface SkipArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  readonly feature: string;
  readonly reason: string;
}

/** Accept a defect, with a reason. */
export interface WaiveArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  /** Defect id. */
  readonly defect: string;
  /** Run id of the report; without it the latest report with that defect. */
  readonly run?: string;
  readonly reason: string;
  /** A critical defect needs an explicit yes. */
  readonly confirmed?: boolean;
}

/** Stop a mission by hand. */
export interface BlockArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  readonly reason?: string;
}

/** Take a block away; the mission is then paused. */
export interface UnblockArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  readonly reason?: string;
  /** Keep what someone else changed in the repository and go on from there. */
  readonly adopt?: boolean;
}

/** Say something to the running unit; delivered with its next turn. */
export interface SteerArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  readonly text: string;
}

/** Answer a waiting question. */
export interface DecideArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  /** Decision id; without it the only open one. */
  readonly decision?: string;
  /** Id of an option, or free text where the question allows it. */
  readonly answer: string;
  readonly text?: string;
}

/** Put an operation before the human; it is applied by a yes only. */
export interface RequestConfirmationArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  /** The operation that a yes applies. */
  readonly op: string;
  readonly args?: JsonObject;
  readonly question: string;
  readonly details?: readonly string[];
}

/** Change the limits in force. */
export interface BudgetArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  readonly usd?: number;
  readonly tokens?: number;
  readonly wallMinutes?: number;
  readonly runs?: number;
  readonly unitUsd?: number;
  readonly unitMinutes?: number;
  readonly unitTurns?: number;
  readonly reason?: string;
}

/** Go back to your branch; with merge, fast-forward it. */
export interface FinishArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  /** Fast-forward the user's branch if that is possible. */
  readonly merge?: boolean;
}

/** Give a mission up; its branch is kept. */
export interface AbandonArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  readonly reason?: string;
}

/** Remove a mission's records. Asks first. */
export interface DeleteArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  readonly force?: boolean;
  readonly confirmed?: boolean;
}

/** What is going on. */
export interface StatusArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
}

/** Every mission, newest first. */
export interface ListArgs {
  /** Cleared missions too. */
  readonly all?: boolean;
  readonly cwd?: string;
}

/** A handoff, report, packet, transcript or plan. */
export interface ShowArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  readonly artifact?: string;
  readonly run?: string;
}

/** Hide completed missions from the default views. Asks first. */
export interface ClearArgs {
  readonly missions?: readonly string[];
  readonly confirmed?: boolean;
}

/** Show or set the model of a role. */
export interface ModelsArgs {
  readonly role?: string;
  readonly model?: string;
  readonly effort?: string;
  readonly fallback?: string;
}

/** Lint a plan file or a mission. */
export interface ValidateArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  readonly planPath?: string;
  readonly plan?: JsonObject;
}

/** Runs, time and cost to expect. */
export interface EstimateArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  readonly planPath?: string;
  readonly plan?: JsonObject;
}

/** Put files back from a snapshot. Asks first. */
export interface RestoreArgs {
  /** Mission id; without it the mission of this workspace folder. */
  readonly mission?: string;
  /** Snapshot name; without it the newest one. */
  readonly snapshot?: string;
  /** Only these files and folders. */
  readonly paths?: readonly string[];
  /** Only show the snapshots there are. */
  readonly list?: boolean;
  /** Also replace files that were edited since. */
  readonly confirmed?: boolean;
}

/** What a `window/showMessageRequest` holds as `data` for a client that speaks the extension: what it is about. */
export interface QuestionData {
  /** The command that waits for the answer; absent for a question that comes by itself. */
  readonly command?: string;
  /** The id of that command's request, a string or an integer. */
  readonly request?: unknown;
  /** The mission that asks, where it does so by itself. */
  readonly mission?: string;
  /** The decision that the answer settles. */
  readonly decision?: string;
}

/** A command that a click on a node runs. */
export interface TreeCommand {
  /** For people and screen readers. */
  readonly title: string;
  /** A workspace command of the server (`missions.…`), or `open`: the client opens a URI. */
  readonly command: string;
  /** Its arguments: one object, or one URI for `open`. */
  readonly arguments?: readonly unknown[];
}

/** One line of the Mission Control tree. */
export interface TreeNode {
  /** Opaque and stable across refreshes and restarts. */
  readonly id: string;
  /** The text of the line. */
  readonly label: string;
  /** Dimmed text after the label. */
  readonly description?: string;
  /** Markdown without HTML and without command links. */
  readonly tooltip?: string;
  /** Name of a codicon. */
  readonly icon?: string;
  /** What kind of node it is, for menus: `mission.running`, `feature.failed` … */
  readonly contextValue?: string;
  /** Colours the node and counts for the badge. */
  readonly severity?: "error" | "warning" | "info";
  /** How the node starts; the client keeps what the user opened, by id. */
  readonly collapsible?: "none" | "collapsed" | "expanded";
  /** Runs when the node is activated. */
  readonly command?: TreeCommand;
  /** Spoken instead of the label where the label alone says too little. */
  readonly accessibilityLabel?: string;
}

/** Missions by section of Mission Control. */
export interface StatusCounts {
  /** Blocked missions. */
  readonly blocked?: number;
  /** Failed missions. */
  readonly failed?: number;
  /** Running missions. */
  readonly running?: number;
  /** Paused missions. */
  readonly paused?: number;
  /** Planned missions. */
  readonly planned?: number;
  /** Completed missions that were not cleared. */
  readonly completed?: number;
}

/** One thing that a mission waits for. */
export interface Waiting {
  /** Its id. */
  readonly mission: string;
  /** Why it waits. */
  readonly kind: "decision" | "block" | "provider" | "budget" | "confirmation" | "lock";
  /** One line for people. */
  readonly text: string;
  /** The decision to answer, if there is one. */
  readonly decision?: string;
}

/** One entry of a chat. */
export interface ChatEntry {
  /** Stable. */
  readonly id: string;
  /** Who speaks. */
  readonly role: "user" | "assistant" | "tool" | "notice";
  /** Markdown without HTML. */
  readonly text: string;
  /** ISO 8601, UTC. */
  readonly at: string;
}

/** One possible answer. */
export interface DecisionOption {
  /** What `missions.decide` takes. */
  readonly id: string;
  /** For a button. */
  readonly label: string;
  /** What happens then. */
  readonly detail?: string;
}

/** Names a mission. */
export interface MissionArgs {
  /** Its id; absent: the one of this workspace folder. */
  readonly mission?: string;
}

/** Says something in a mission's main chat. */
export interface SendArgs {
  /** The text. */
  readonly text: string;
  /** Its id; absent: the one of this workspace folder. */
  readonly mission?: string;
}

/** Turns a defect into a repair feature. */
export interface RepairArgs {
  /** Its id; absent: the one of this workspace folder. */
  readonly mission?: string;
  /** Its id. */
  readonly defect: string;
  /** The run whose report holds it; absent: the latest. */
  readonly run?: string;
}

/** Removes snapshots and backups of finished missions. */
export interface GcArgs {
  /** Only of missions that ended longer ago. */
  readonly olderThanDays?: number;
  /** Only say what would go. */
  readonly dryRun?: boolean;
}

/** Writes a mission to one file. */
export interface ExportArgs {
  /** Its id; absent: the one of this workspace folder. */
  readonly mission?: string;
  /** Path or URI of the file. */
  readonly path: string;
  /** With transcripts, which may hold confidential text. */
  readonly transcripts?: boolean;
  /** Do not ask. */
  readonly yes?: boolean;
}

/** Reads a mission from a file; it comes in paused. */
export interface ImportArgs {
  /** Path or URI of the file. */
  readonly path: string;
}

/** Checks the store and the surroundings. */
export interface DoctorArgs {
  /** Only this one. */
  readonly mission?: string;
  /** Repair what can be repaired without loss. */
  readonly repair?: boolean;
}

/** A small mission against the embedded model, without a key and without cost. */
export interface DemoArgs {
  /** Where to put the demo repository; absent: a temporary folder. */
  readonly folder?: string;
}

/** Asks for events since a sequence number. */
export interface WatchArgs {
  /** Its id; absent: the one of this workspace folder. */
  readonly mission?: string;
  /** The last one already known. */
  readonly sinceSeq?: number;
  /** At most this many. */
  readonly limit?: number;
}

/** Opens a document of a mission in the editor. */
export interface OpenArgs {
  /** Its id; absent: the one of this workspace folder. */
  readonly mission?: string;
  /** Which one. */
  readonly document: "control" | "report" | "review" | "transcript" | "handoff" | "packet" | "plan";
  /** The run, for review, transcript and handoff. */
  readonly run?: string;
  /** Only answer with the URI. */
  readonly preview?: boolean;
}

/** Applies the edited plan files of a mission as a revision. */
export interface ApplyPlanArgs {
  /** Its id; absent: the one of this workspace folder. */
  readonly mission?: string;
  /** Why, for the journal. */
  readonly reason?: string;
}

/** Asks for ids that fit a prefix. */
export interface CompleteArgs {
  /** What is completed. */
  readonly kind: "mission" | "milestone" | "feature" | "assertion" | "run" | "decision" | "defect" | "role" | "model" | "operation" | "template";
  /** What was typed so far. */
  readonly prefix?: string;
  /** Inside this one; absent: the one of this workspace folder. */
  readonly mission?: string;
}

/** One candidate. */
export interface Completion {
  /** To insert. */
  readonly id: string;
  /** A title. */
  readonly label?: string;
  /** Its state. */
  readonly detail?: string;
}

/** Candidates, best first. */
export interface CompleteResult {
  /** At most 100. */
  readonly items: readonly Completion[];
}

/** What became of an operation that changes a mission. */
export interface OperationResult {
  /** `queued`: the runner applies it at its next safe point. */
  readonly state: "applied" | "queued" | "refused";
  /** The mission it went to. */
  readonly mission: string;
  /** Id of the request in the inbox. */
  readonly request: string;
  /** The event that answers it, when applied. */
  readonly seq?: number;
  /** One sentence for the user. */
  readonly message?: string;
  /** Detail of some operations: the branch and the command of `finish`, the ids of `clear` … */
  readonly value?: JsonObject;
  /** When refused; a refusal of a command is answered by an error instead. */
  readonly error?: ErrorData;
}

/** A document that was opened or can be. */
export interface DocumentResult {
  /** A `missions:` or `file:` URI. */
  readonly uri: string;
  /** The client said that it shows it. */
  readonly shown?: boolean;
}

/** A JSON report; the same object that the command line prints with `--json`. */
export interface ReportResult {
  /** Described in `docs/artifacts.md`. */
  readonly data: unknown;
  /** The same for people. */
  readonly text?: string;
}

/** What the data of every error answer holds. */
export interface ErrorData {
  /** A stable code, the same on every face: `not_found`, `wrong_state`, `confirmation_needed` … */
  readonly code: string;
  /** One sentence for the user. */
  readonly message: string;
  /** What the user can do now. */
  readonly nextStep?: string;
  /** Detail for programs; for `internal` the id to quote from the log. */
  readonly data?: JsonObject;
}
