// The page of the chat view. Draws the state it is given and tells the extension what the user does; decides nothing and has no
// access to anything else.
import "@vscode-elements/elements/dist/vscode-button/index.js";
import "@vscode-elements/elements/dist/vscode-collapsible/index.js";
import "@vscode-elements/elements/dist/vscode-progress-ring/index.js";
import "@vscode-elements/elements/dist/vscode-textarea/index.js";
import type { VscodeTextarea } from "@vscode-elements/elements/dist/vscode-textarea/vscode-textarea.js";
import type { FromView, ToView } from "../chat/messages";
import { EMPTY, reduce, type ChatState, type Entry, type Question } from "../chat/state";
import { toolLine } from "../chat/tool-line";
import { rendered } from "./markdown";

declare function acquireVsCodeApi(): { postMessage(message: FromView): void; getState(): unknown; setState(state: unknown): void };

const host = acquireVsCodeApi();
let state: ChatState = EMPTY;
/** What is drawn for each entry, so that only what changed is drawn again. */
const drawn = new Map<string, { readonly element: HTMLElement; text: string }>();

function element<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Readonly<Record<string, string>> = {}, ...children: (Node | string)[]): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function button(label: string, attributes: Readonly<Record<string, string>>, pressed: () => void): HTMLElement {
  const made = document.createElement("vscode-button");
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = label;
  made.addEventListener("click", pressed);
  return made;
}

const head = element("header", { class: "head" });
const older = button("Show earlier messages", { secondary: "" }, () => {
  host.postMessage({ type: "older" });
});
const list = element("div", { class: "entries" });
const log = element("main", { class: "log", role: "log", "aria-live": "off", "aria-label": "Conversation", tabindex: "0" }, older, list);
const questions = element("section", { class: "questions", "aria-label": "Questions for you" });
const busy = element("div", { class: "busy" }, document.createElement("vscode-progress-ring"), element("span", {}, "Working…"));
/** Told by screen readers: that an answer is coming, then the whole of it, instead of each word. */
const spoken = element("div", { class: "spoken", role: "status", "aria-live": "polite" });
/** A place of its own, so that a question does not silence the answer it comes with. */
const asked = element("div", { class: "spoken", role: "alert" });
const input: VscodeTextarea = document.createElement("vscode-textarea");
input.label = "Message";
input.setAttribute("rows", "3");
input.setAttribute("resize", "vertical");
// The library's field leaves no room between its edge and the words.
const roomy = new CSSStyleSheet();
roomy.replaceSync("textarea { padding: 6px 8px; line-height: 1.45; }");
void input.updateComplete.then(() => input.shadowRoot?.adoptedStyleSheets.push(roomy));
const send = button("Send", { class: "send" }, say);
const stop = button("Stop", { class: "stop", secondary: "" }, () => {
  host.postMessage({ type: "stop" });
});
const composer = element("footer", { class: "composer" }, input, element("div", { class: "actions" }, element("span", { class: "hint" }, "Enter sends, Shift+Enter is a new line"), stop, send));
document.body.append(head, log, questions, busy, composer, spoken, asked);

function say(): void {
  const text = input.value.trim();
  if (text === "" || state.busy || state.unavailable !== undefined) return;
  host.postMessage({ type: "send", text });
  input.value = "";
  host.setState({ draft: "" });
  input.focus();
}

input.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    say();
  }
});
input.addEventListener("input", () => {
  host.setState({ draft: input.value });
});

log.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  if (link === null) return;
  event.preventDefault();
  host.postMessage({ type: "open", href: link.getAttribute("href") ?? "" });
});

window.addEventListener("message", (event: MessageEvent<ToView>) => {
  const message = event.data;
  if (message.type === "focus") {
    input.focus();
    return;
  }
  if (message.type === "insert") {
    input.value = message.text;
    input.focus();
    return;
  }
  const before = state;
  state = reduce(state, message);
  if (message.type === "reset") {
    atEnd = true;
    drawn.clear();
    list.replaceChildren();
  }
  speak(before, message);
  draw();
});

function speak(before: ChatState, message: ToView): void {
  if (!before.busy && state.busy) spoken.textContent = "An answer is being written.";
  if (message.type === "ended") {
    const answer = state.entries.filter((entry) => entry.id.startsWith(`${message.message}#`) && entry.role === "assistant");
    spoken.textContent = message.problem ?? rendered(answer.map((entry) => entry.text).join("\n\n")).textContent;
  }
}

/** Whether the newest is in view; a view that is folded or resized comes back to it. */
let atEnd = true;

/** A view that is being resized scrolls too; only the user leaves the end. */
let touched = 0;
for (const kind of ["wheel", "keydown", "pointerdown", "touchmove"]) {
  log.addEventListener(kind, (event) => (touched = event.timeStamp), { passive: true });
}

log.addEventListener("scroll", (event) => {
  const near = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  if (near) atEnd = true;
  else if (event.timeStamp - touched < 1000) atEnd = false;
});

function keepAtEnd(): void {
  if (atEnd) log.scrollTop = log.scrollHeight;
}

new ResizeObserver(keepAtEnd).observe(log);

function draw(): void {
  head.replaceChildren(...headOf(state));
  older.hidden = !state.more;
  const ids = new Set(state.entries.map((entry) => entry.id));
  for (const [id, one] of drawn) {
    if (ids.has(id)) continue;
    one.element.remove();
    drawn.delete(id);
  }
  state.entries.forEach((entry, index) => {
    drawEntry(entry, index);
  });
  if (state.entries.length === 0 && state.unavailable === undefined) list.replaceChildren(welcome());
  else list.querySelector(".welcome")?.remove();
  drawQuestions(state.questions);
  busy.hidden = !state.busy || state.questions.length > 0;
  stop.hidden = !state.busy;
  send.toggleAttribute("disabled", state.busy || state.unavailable !== undefined);
  input.placeholder = state.mission === undefined ? "Say what you want to have done" : "Ask, or say what should change";
  keepAtEnd();
}

function headOf(current: ChatState): Node[] {
  if (current.unavailable !== undefined) return [element("p", { class: "unavailable", role: "alert" }, current.unavailable)];
  const model = current.model === "" ? [] : [element("span", { class: "model" }, current.model)];
  return current.title === "" ? [] : [element("span", { class: "title" }, current.title), ...model];
}

function welcome(): HTMLElement {
  const [title, text] =
    state.mission === undefined
      ? ["Plan a mission", "Describe a large piece of work. The planner reads the repository, asks back, and shows you a plan: features by milestone, and how each will be checked. Nothing starts without your yes."]
      : ["Talk about this mission", "Ask what happened and why, or say what should change. The planner knows the plan, the runs and the repository; it changes nothing that you have not agreed to."];
  return element("div", { class: "welcome" }, element("h2", {}, title), element("p", {}, text));
}

const NAMES = { user: "You", assistant: "Planner", thinking: "Thinking", tool: "Tool", notice: "Note" } as const;

function drawEntry(entry: Entry, index: number): void {
  const known = drawn.get(entry.id);
  if (known?.text === entry.text) return;
  const made = known?.element ?? element("article", { class: `entry ${entry.role}`, "aria-label": NAMES[entry.role] });
  if (entry.role === "assistant" || entry.role === "user") {
    made.replaceChildren(element("div", { class: "who" }, NAMES[entry.role]), withCopyButtons(rendered(entry.text)));
  } else if (entry.role === "thinking") {
    const fold = made.querySelector("vscode-collapsible") ?? document.createElement("vscode-collapsible");
    fold.setAttribute("heading", NAMES.thinking);
    fold.replaceChildren(element("div", { class: "folded" }, rendered(entry.text)));
    if (fold.parentElement === null) made.append(fold);
  } else if (entry.role === "tool") {
    const { verb, about } = toolLine(entry.text);
    made.replaceChildren(verb, ...(about === "" ? [] : [" ", element("code", {}, about)]));
  } else {
    made.replaceChildren(element("span", {}, entry.text));
  }
  drawn.set(entry.id, { element: made, text: entry.text });
  if (list.children[index] !== made) list.insertBefore(made, list.children[index] ?? null);
}

function withCopyButtons(content: DocumentFragment): DocumentFragment {
  for (const block of content.querySelectorAll("pre")) {
    const text = block.textContent;
    const copy = button("Copy", { secondary: "", class: "copy", "aria-label": "Copy this code" }, () => {
      host.postMessage({ type: "copy", text });
      spoken.textContent = "Copied";
    });
    block.tabIndex = 0;
    const frame = element("div", { class: "code" });
    block.replaceWith(frame);
    frame.append(block, copy);
  }
  return content;
}

let questionsDrawn = "";

function drawQuestions(open: readonly Question[]): void {
  const now = JSON.stringify(open);
  if (now === questionsDrawn) return;
  questionsDrawn = now;
  questions.replaceChildren(...open.map(card));
  const [first] = open;
  asked.textContent = first === undefined ? "" : `Question: ${first.text}`;
}

function card(question: Question): HTMLElement {
  const answer = (text: string) => (): void => {
    host.postMessage({ type: "answer", question: question.id, answer: text });
  };
  const buttons = question.buttons.map((one, index) => {
    const made = button(one.label, index === 0 ? {} : { secondary: "" }, answer(one.id));
    if (one.detail) made.title = one.detail;
    return made;
  });
  const [first = "", ...rest] = question.text.split("\n");
  const made = element("div", { class: "card", role: "group", "aria-label": first }, element("strong", {}, first));
  if (rest.some((line) => line.trim() !== "")) made.append(rendered(rest.join("\n")));
  made.append(element("div", { class: "buttons" }, ...buttons));
  if (question.freeText) {
    const words: VscodeTextarea = document.createElement("vscode-textarea");
    words.label = "Your answer";
    made.append(
      words,
      button("Answer", buttons.length > 0 ? { secondary: "" } : {}, () => {
        if (words.value.trim() !== "") answer(words.value.trim())();
      }),
    );
  }
  return made;
}

const kept = host.getState();
if (typeof kept === "object" && kept !== null && "draft" in kept && typeof kept.draft === "string") input.value = kept.draft;
draw();
host.postMessage({ type: "ready" });
