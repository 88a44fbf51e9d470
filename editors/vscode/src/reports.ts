// What this client reads of the JSON reports of the server (the same that `missions … --json` prints; docs/status-json.md).
// Reads with care: a field that is not as expected counts as absent. Pure.
import { isObject } from "./failure";

export interface MissionRow {
  readonly id: string;
  readonly title: string;
  readonly status: string;
  readonly cwd: string;
  readonly location: string;
  readonly needsYou: boolean;
}

export interface RunRow {
  readonly runId: string;
  readonly kind: string;
  readonly itemId: string;
  readonly status: string;
  readonly attempt: number;
  readonly baseCommit?: string;
  readonly commit?: string;
}

export interface ItemRow {
  readonly id: string;
  readonly title: string;
  readonly status: string;
}

export interface MissionReport extends MissionRow {
  readonly branch: string;
  readonly baseCommit?: string;
  readonly tipCommit?: string;
  readonly runs: readonly RunRow[];
  readonly milestones: readonly ItemRow[];
  readonly features: readonly ItemRow[];
}

export function missionRows(data: unknown): MissionRow[] {
  return rows(isObject(data) ? data["missions"] : undefined).flatMap((row) => missionRow(row) ?? []);
}

export function missionReport(data: unknown): MissionReport | undefined {
  const row = missionRow(data);
  if (row === undefined || !isObject(data)) return undefined;
  const milestones = rows(data["milestones"]);
  return {
    ...row,
    branch: text(data["branch"]),
    ...commits(data, "baseCommit", "tipCommit"),
    runs: rows(data["runs"]).map((run) => ({
      runId: text(run["runId"]),
      kind: text(run["kind"]),
      itemId: text(run["itemId"]),
      status: text(run["status"]),
      attempt: typeof run["attempt"] === "number" ? run["attempt"] : 1,
      ...commits(run, "baseCommit", "commit"),
    })),
    milestones: milestones.map(item),
    features: milestones.flatMap((milestone) => rows(milestone["features"]).map(item)),
  };
}

function missionRow(data: unknown): MissionRow | undefined {
  if (!isObject(data) || typeof data["id"] !== "string") return undefined;
  return {
    id: data["id"],
    title: text(data["title"]) || data["id"],
    status: text(data["status"]),
    cwd: text(data["cwd"]),
    location: text(data["location"]),
    needsYou: data["needsYou"] === true,
  };
}

function item(row: Readonly<Record<string, unknown>>): ItemRow {
  return { id: text(row["id"]), title: text(row["title"]), status: text(row["status"]) };
}

function rows(value: unknown): Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** Commit ids among the fields: only what looks like one, because it becomes an argument of git. */
function commits<K extends string>(row: Readonly<Record<string, unknown>>, ...names: K[]): { [key in K]?: string } {
  const found: { [key in K]?: string } = {};
  for (const name of names) {
    const value = row[name];
    if (typeof value === "string" && /^[0-9a-f]{7,64}$/.test(value)) found[name] = value;
  }
  return found;
}
