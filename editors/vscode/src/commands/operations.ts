// Palette commands that change a mission: each asks for what it needs and sends one operation.
import { askText, chosen, pickId, pickOne } from "../pick";
import { mission, operate, register, type Handler } from "./run";
import type { App } from "../app";
import type { BudgetArgs } from "../protocol";

const OPEN = ["running", "paused", "blocked", "planned"] as const;
/** A feature that can run again or be left out is not done. */
const notDone = (detail: string): boolean => !/\b(complete|skipped)\b/.test(detail);

const COMMANDS: Readonly<Record<string, Handler>> = {
  run: async (app, argument) => {
    const id = await mission(app, argument, "Run", ["planned", "paused"]);
    app.progresses.asked();
    await operate(app, "missions.run", { mission: id });
  },
  resume: async (app, argument) => {
    const id = await mission(app, argument, "Resume", ["paused", "blocked"]);
    app.progresses.asked();
    await operate(app, "missions.resume", { mission: id });
  },
  pause: async (app, argument) => {
    await operate(app, "missions.pause", { mission: await mission(app, argument, "Pause", ["running"]) });
  },
  pauseNow: async (app, argument) => {
    await operate(app, "missions.pause", { mission: await mission(app, argument, "Pause Now", ["running"]), now: true });
  },
  cancelRun: async (app, argument) => {
    await operate(app, "missions.cancel", { mission: await mission(app, argument, "End Current Run", ["running"]) });
  },
  retry: async (app, argument) => {
    const id = await mission(app, argument, "Retry Feature", ["blocked", "paused"]);
    const feature = await pickId(app.session, "Missions: Retry Feature", "feature", id, notDone);
    const note = await askText({ title: `Retry ${feature}`, prompt: "What must the next attempt know? (may be empty)", optional: true });
    await operate(app, "missions.retry", { mission: id, feature, ...(note ? { note } : {}) });
  },
  rerunValidation: async (app, argument) => {
    const id = await mission(app, argument, "Rerun Validation", ["blocked", "paused", "running"]);
    const milestone = await pickId(app.session, "Missions: Rerun Validation", "milestone", id);
    await operate(app, "missions.rerun-validation", { mission: id, milestone });
  },
  skip: async (app, argument) => {
    const id = await mission(app, argument, "Skip Feature", OPEN);
    const feature = await pickId(app.session, "Missions: Skip Feature", "feature", id, notDone);
    const reason = await askText({ title: `Skip ${feature}`, prompt: "Why is it left out? The reason is recorded." });
    await operate(app, "missions.skip", { mission: id, feature, reason });
  },
  waive: async (app, argument) => {
    const id = await mission(app, argument, "Waive Defect", OPEN);
    const defect = await pickId(app.session, "Missions: Waive Defect", "defect", id);
    const reason = await askText({ title: `Waive ${defect}`, prompt: "Why is it acceptable? The reason is recorded." });
    await operate(app, "missions.waive", { mission: id, defect, reason });
  },
  repair: async (app, argument) => {
    const id = await mission(app, argument, "Turn Defect into Repair", OPEN);
    await operate(app, "missions.repair", { mission: id, defect: await pickId(app.session, "Missions: Turn Defect into Repair", "defect", id) });
  },
  block: async (app, argument) => {
    const id = await mission(app, argument, "Block", ["running", "paused", "planned"]);
    const reason = await askText({ title: "Block mission", prompt: "Why? (may be empty)", optional: true });
    await operate(app, "missions.block", { mission: id, ...(reason ? { reason } : {}) });
  },
  unblock: async (app, argument) => {
    await operate(app, "missions.unblock", { mission: await mission(app, argument, "Unblock", ["blocked"]) });
  },
  steer: async (app, argument) => {
    const id = await mission(app, argument, "Steer", ["running"]);
    const text = await askText({ title: "Steer the running unit", prompt: "It reads this with its next turn." });
    await operate(app, "missions.steer", { mission: id, text });
  },
  decide: async (app) => {
    const open = app.questions.decisions;
    const [only] = open;
    if (only === undefined) {
      await decideByServer(app);
      return;
    }
    const id = open.length === 1 ? only.decision : await pickOne("Which question?", open.map((one) => ({ label: one.question, detail: one.mission, value: one.decision })));
    await app.questions.answer(chosen(app.questions.decisionWith(id)));
  },
  budget: async (app, argument) => {
    const id = await mission(app, argument, "Change Budget", OPEN);
    const limit = await pickOne<Exclude<keyof BudgetArgs, "mission" | "reason">>("Which limit?", [
      { label: "Money (US dollars)", value: "usd" },
      { label: "Tokens", value: "tokens" },
      { label: "Time (minutes)", value: "wallMinutes" },
      { label: "Number of runs", value: "runs" },
      { label: "Money for one unit (US dollars)", value: "unitUsd" },
      { label: "Time for one unit (minutes)", value: "unitMinutes" },
      { label: "Turns for one unit", value: "unitTurns" },
    ]);
    const value = await askText({ title: "Change budget", prompt: "The new limit for the whole mission", check: (text) => (Number(text) > 0 ? undefined : "A number above zero, please.") });
    await operate(app, "missions.budget", { mission: id, [limit]: Number(value) });
  },
  finish: async (app, argument) => {
    const id = await mission(app, argument, "Finish", ["complete", "failed"]);
    const how = await pickOne("How should it end?", [
      { label: "Go back to your branch", detail: "The mission's branch stays; the report has the merge command", value: "keep" },
      { label: "Go back and fast-forward your branch", detail: "Only if that is possible without a merge", value: "merge" },
    ]);
    await operate(app, "missions.finish", { mission: id, merge: how === "merge" });
  },
  abandon: async (app, argument) => {
    const id = await mission(app, argument, "Give Up", OPEN);
    const reason = await askText({ title: "Give the mission up", prompt: "Why? Its branch is kept. (may be empty)", optional: true });
    await operate(app, "missions.abandon", { mission: id, ...(reason ? { reason } : {}) });
  },
  delete: async (app, argument) => {
    await operate(app, "missions.delete", { mission: await mission(app, argument, "Delete") });
  },
  clear: async (app) => {
    await operate(app, "missions.clear", {});
  },
  applyPlan: async (app, argument) => {
    const id = await mission(app, argument, "Apply Edited Plan", OPEN);
    const reason = await askText({ title: "Apply the edited plan", prompt: "What changed, for the record (may be empty)", optional: true });
    await operate(app, "missions.apply-plan", { mission: id, reason });
  },
};

/** A decision that was opened before this window was: the server knows it. */
async function decideByServer(app: App): Promise<void> {
  const id = await mission(app, undefined, "Answer Decision", OPEN);
  const decision = await pickId(app.session, "Missions: Answer Decision", "decision", id);
  const answer = await askText({ title: `Answer ${decision}`, prompt: "The id of an option, or your own words where the question allows them" });
  await operate(app, "missions.decide", { mission: id, decision, answer });
}

export function registerOperations(app: App): void {
  for (const [name, handler] of Object.entries(COMMANDS)) register(app, `missions.ui.${name}`, handler);
}
