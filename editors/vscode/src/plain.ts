// Foreign text (titles, questions, words of a model) for places where the editor gives some characters a meaning: a notification
// makes links of `[…](…)`, command links included, and a label makes icons of `$(…)`. Pure.

/** For the text of a notification: shows what is there, and nothing in it can be pressed. */
export function plainMessage(text: string): string {
  return text.replaceAll(/\]\(/g, "] (");
}

/** For labels of pickers and of the status bar: no icon but ours. */
export function plainLabel(text: string): string {
  return text.replaceAll("$(", String.raw`\$(`);
}
