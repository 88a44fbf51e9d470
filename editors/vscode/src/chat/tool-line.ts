// What the planner does between its words, told in words: the server says `name: argument`. Pure.

const VERBS: Readonly<Record<string, string>> = {
  read: "Reads",
  glob: "Looks for files",
  grep: "Searches",
  research: "Lets a researcher find out",
  read_artifact: "Reads",
  ask_user: "Asks you",
  mission_write_plan: "Saves the plan",
  mission_revise_plan: "Changes the plan",
  mission_start_execution: "Asks whether to start",
  mission_runner_command: "Tells the runner",
  mission_status: "Looks at the mission",
  mission_list: "Looks at all missions",
  mission_clear_completed: "Asks whether to clear what is complete",
  mission_answer_comment: "Answers a comment",
};

/** The verb, and what it is about where that says something. */
export function toolLine(text: string): { readonly verb: string; readonly about: string } {
  const [, name, about = ""] = /^(\w+):\s*(.*)$/s.exec(text) ?? [];
  if (name === undefined) return { verb: text, about: "" };
  return { verb: VERBS[name] ?? name, about: about.trim() };
}
