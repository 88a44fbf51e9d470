// What the chat view shows, as a value, and how each event changes it. Pure; the extension and the view run the same code, so
// that a view that comes back is given the value and nothing else.

export type Role = "user" | "assistant" | "thinking" | "tool" | "notice";

export interface Entry {
  readonly id: string;
  readonly role: Role;
  readonly text: string;
}

/** A question with buttons inside the chat. */
export interface Question {
  readonly id: string;
  readonly text: string;
  readonly buttons: readonly { readonly id: string; readonly label: string; readonly detail?: string }[];
  /** Any text is an answer too. */
  readonly freeText: boolean;
}

export interface ChatState {
  /** Why nothing can be said now; absent when it can. */
  readonly unavailable?: string;
  readonly chat?: string;
  readonly title: string;
  readonly model: string;
  readonly mission?: string;
  /** The answer that is being written. */
  readonly answering?: string;
  readonly busy: boolean;
  /** There are older entries. */
  readonly more: boolean;
  readonly entries: readonly Entry[];
  readonly questions: readonly Question[];
}

export type ChatEvent =
  | { readonly type: "reset"; readonly state: ChatState }
  | { readonly type: "unavailable"; readonly reason: string }
  | { readonly type: "older"; readonly entries: readonly Entry[]; readonly more: boolean }
  | { readonly type: "said"; readonly id: string; readonly text: string }
  | { readonly type: "answering"; readonly message: string }
  | { readonly type: "delta"; readonly message: string; readonly role: Exclude<Role, "user">; readonly text: string }
  | { readonly type: "ended"; readonly message: string; readonly outcome: "complete" | "cancelled" | "failed"; readonly problem?: string; readonly mission?: string }
  | { readonly type: "titled"; readonly title: string; readonly model: string }
  | { readonly type: "questions"; readonly questions: readonly Question[] };

export const EMPTY: ChatState = { title: "", model: "", busy: false, more: false, entries: [], questions: [] };

export function reduce(state: ChatState, event: ChatEvent): ChatState {
  switch (event.type) {
    case "reset":
      return event.state;
    case "unavailable":
      return { ...withoutAnswer(state), unavailable: event.reason };
    case "older": {
      const known = new Set(state.entries.map((entry) => entry.id));
      return { ...state, entries: [...event.entries.filter((entry) => !known.has(entry.id)), ...state.entries], more: event.more };
    }
    case "said":
      return { ...state, busy: true, entries: [...state.entries, { id: event.id, role: "user", text: event.text }] };
    case "answering":
      return { ...state, busy: true, answering: event.message };
    case "delta":
      return { ...state, busy: true, answering: event.message, entries: appended(state.entries, event) };
    case "ended": {
      const words = event.outcome === "cancelled" ? "Stopped." : event.outcome === "failed" ? event.problem ?? "The answer failed." : "";
      const entries = words === "" ? state.entries : [...state.entries, { id: `${event.message}!`, role: "notice" as const, text: words }];
      const mission = event.mission ?? state.mission;
      return { ...withoutAnswer(state), entries, ...(mission === undefined ? {} : { mission }) };
    }
    case "titled":
      return { ...state, title: event.title, model: event.model };
    case "questions":
      return { ...state, questions: event.questions };
  }
}

function withoutAnswer(state: ChatState): ChatState {
  const rest: { -readonly [K in keyof ChatState]: ChatState[K] } = { ...state, busy: false };
  delete rest.answering;
  return rest;
}

/** A piece joins the piece before it when both are of one kind and one answer; else it begins an entry. */
function appended(entries: readonly Entry[], piece: { readonly message: string; readonly role: Exclude<Role, "user">; readonly text: string }): Entry[] {
  const last = entries.at(-1);
  // Tool calls and notices come as whole lines: each stands alone.
  const joins = piece.role === "assistant" || piece.role === "thinking";
  if (last && joins && last.role === piece.role && last.id.startsWith(`${piece.message}#`)) {
    return [...entries.slice(0, -1), { ...last, text: last.text + piece.text }];
  }
  const number = entries.filter((entry) => entry.id.startsWith(`${piece.message}#`)).length;
  return [...entries, { id: `${piece.message}#${number}`, role: piece.role, text: piece.text }];
}
