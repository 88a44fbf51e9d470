// What the status item, the badge and the context keys show for a state. Pure.
import type { StatusParams } from "./protocol";
import { plainLabel } from "./plain";
import type { SessionState } from "./session";

export interface ItemView {
  readonly text: string;
  /** For screen readers: the text without icons. */
  readonly spoken: string;
  readonly tooltip: string;
  /** A theme colour, only when something is broken or waits for the user. */
  readonly background?: string;
}

const STATE_TEXT = {
  starting: ["$(loading~spin) Missions", "Missions: the server is starting"],
  missing: ["$(warning) Missions", "Missions: the server is not installed"],
  outdated: ["$(warning) Missions", "Missions: the server does not fit this extension"],
  failed: ["$(error) Missions", "Missions: the server is not running"],
} as const;

export function itemOf(state: SessionState, status: StatusParams | undefined): ItemView {
  if (state.kind !== "running") {
    const [text, spoken] = STATE_TEXT[state.kind];
    const detail = state.kind === "failed" ? `\n\n${escapeMarkdown(state.reason)}` : "";
    const tooltip = `${spoken}${detail}\n\n[Open the Missions view](command:missions.control.focus) · [Show the log](command:missions.ui.showOutput)`;
    return state.kind === "starting" ? { text, spoken, tooltip } : { text, spoken, tooltip, background: "statusBarItem.warningBackground" };
  }
  const line = status?.line ?? "";
  const health = status?.health ?? "ok";
  const icon = health === "error" ? "$(error)" : health === "attention" ? "$(bell-dot)" : (status?.counts?.running ?? 0) > 0 ? "$(sync~spin)" : "$(rocket)";
  const waiting = (status?.waiting ?? []).map((one) => `- ${escapeMarkdown(one.text)}`);
  const links = ["[Mission Control](command:missions.control.focus)", "[Chat](command:missions.ui.chat)"];
  if ((status?.waiting ?? []).some((one) => one.kind === "decision")) links.push("[Answer…](command:missions.ui.decide)");
  links.push("[More…](command:missions.ui.menu)");
  const tooltip = [
    escapeMarkdown(line || "No mission is open."),
    ...(waiting.length > 0 ? [`**Waiting for you**\n\n${waiting.join("\n")}`] : []),
    links.join(" · "),
  ].join("\n\n");
  const text = `${icon} ${plainLabel(short(line)) || "Missions"}`;
  const spoken = `Missions: ${line || "no mission is open"}`;
  return health === "error" ? { text, spoken, tooltip, background: "statusBarItem.errorBackground" } : { text, spoken, tooltip };
}

export function badgeOf(status: StatusParams | undefined): { value: number; tooltip: string } | undefined {
  const value = (status?.waiting ?? []).filter((one) => one.kind !== "provider" && one.kind !== "lock").length;
  if (value === 0) return undefined;
  return { value, tooltip: value === 1 ? "One thing waits for you" : `${value} things wait for you` };
}

/** Context keys, all under `missions.`; commands are enabled by them. */
export function contextOf(state: SessionState, status: StatusParams | undefined): Record<string, string | boolean> {
  const counts = status?.counts ?? {};
  const some = (...names: (keyof typeof counts)[]): boolean => names.some((name) => (counts[name] ?? 0) > 0);
  return {
    "missions.server": state.kind,
    "missions.ready": state.kind === "running",
    "missions.hasAny": some("blocked", "failed", "running", "paused", "planned", "completed"),
    "missions.hasOpen": some("blocked", "running", "paused", "planned"),
    "missions.hasRunning": some("running"),
    "missions.hasPlanned": some("planned"),
    "missions.hasResumable": some("paused", "blocked"),
    "missions.hasBlocked": some("blocked"),
    "missions.hasBlockable": some("running", "paused", "planned"),
    "missions.hasCompleted": some("completed"),
    "missions.hasEnded": some("completed", "failed"),
    "missions.hasDecision": (status?.waiting ?? []).some((one) => one.decision !== undefined),
  };
}

/** A status bar is narrow: the line without its leading word and with categories as words, without a count of nothing, cut at 48 characters. */
function short(line: string): string {
  const text = line.replace(/^mission: /, "").replaceAll("_", " ").replace(/ · 0\/0 \S+/, "");
  return text.length > 48 ? `${text.slice(0, 47)}…` : text;
}

/** Foreign text in Markdown shows as it is: no link, no emphasis, no icon. */
export function escapeMarkdown(text: string): string {
  return text.replace(/[\\`*_{}[\]()#+\-.!|<>~$&:@]/g, "\\$&").replaceAll(/\s+/g, " ");
}
