// Asks for what a command of the server still lacks: a quick fix cannot carry a reason that only the user knows.
import { isObject } from "../failure";
import { askText } from "../pick";

const REASONS: Readonly<Record<string, string>> = {
  "missions.waive": "Why is the defect acceptable? The reason is recorded.",
  "missions.skip": "Why is the feature left out? The reason is recorded.",
  "missions.revise-plan": "Why is the plan changed? The reason is recorded.",
};

export async function completeArguments(command: string, argument: unknown): Promise<unknown> {
  const prompt = REASONS[command];
  const given = isObject(argument) ? argument : {};
  if (prompt === undefined || typeof given["reason"] === "string") return argument;
  return { ...given, reason: await askText({ title: "Missions", prompt }) };
}
