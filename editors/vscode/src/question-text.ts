// The text of a question, parted for a dialog: what is asked, and below it what will happen, a line for each sentence. Pure.

/** Longer ones do not fit a toast. */
const TOAST = 160;

export function parted(text: string): { readonly message: string; readonly detail: string } {
  const newline = text.indexOf("\n");
  if (newline >= 0) return { message: text.slice(0, newline).trim(), detail: text.slice(newline).trim() };
  const question = text.indexOf("? ");
  if (text.length <= TOAST || question < 0) return { message: text, detail: "" };
  const rest = text.slice(question + 2);
  // A full stop inside a name, a number or a path is not followed by a capital letter; the server puts facts in a row with semicolons.
  return { message: text.slice(0, question + 1), detail: rest.replaceAll(/\. (?=[A-Z])/g, ".\n").replaceAll(/; (?=[A-Z])/g, "\n").trim() };
}
