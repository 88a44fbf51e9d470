// What the chat view and the extension say to each other. Types, and the check of what comes out of the view.
import type { ChatEvent } from "./state";

export type ToView = ChatEvent | { readonly type: "focus" } | { readonly type: "insert"; readonly text: string };

export type FromView =
  | { readonly type: "ready" }
  | { readonly type: "send"; readonly text: string }
  | { readonly type: "stop" }
  | { readonly type: "older" }
  | { readonly type: "answer"; readonly question: string; readonly answer: string }
  | { readonly type: "open"; readonly href: string }
  | { readonly type: "copy"; readonly text: string };

/** The message, or undefined for anything that is not one. */
export function fromView(value: unknown): FromView | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const given = value as Readonly<Record<string, unknown>>;
  const text = (name: string): string | undefined => (typeof given[name] === "string" ? given[name] : undefined);
  switch (given["type"]) {
    case "ready":
    case "stop":
    case "older":
      return { type: given["type"] };
    case "send":
    case "copy": {
      const words = text("text");
      return words === undefined ? undefined : { type: given["type"], text: words };
    }
    case "open": {
      const href = text("href");
      return href === undefined ? undefined : { type: "open", href };
    }
    case "answer": {
      const [question, answer] = [text("question"), text("answer")];
      return question === undefined || answer === undefined ? undefined : { type: "answer", question, answer };
    }
    default:
      return undefined;
  }
}
