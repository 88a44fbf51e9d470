// The progress of missions as a notification that can be cancelled; the client library would only show it in the status bar.
// A mission that this window did not start shows in the status item and the tree alone.
import * as vscode from "vscode";
import type { ProgressToken, WorkDoneProgressBegin, WorkDoneProgressEnd, WorkDoneProgressReport } from "vscode-languageclient/node";

type Params = WorkDoneProgressBegin | WorkDoneProgressReport | WorkDoneProgressEnd;

interface Shown {
  report(params: WorkDoneProgressBegin | WorkDoneProgressReport): void;
  end(): void;
}

/** How long after a command a progress that begins is taken for its own. */
const ASKED_FOR_MS = 120_000;

export class Progresses {
  private readonly shown = new Map<ProgressToken, Shown>();
  private askedUntil = 0;

  /** @param cancel tells the server that the user pressed Cancel. */
  constructor(
    private readonly cancel: (token: ProgressToken) => void,
    private readonly always: () => boolean,
  ) {}

  /** The user has just started something whose progress they will want to see. */
  asked(): void {
    this.askedUntil = Date.now() + ASKED_FOR_MS;
  }

  handle(token: ProgressToken, params: Params): void {
    if (params.kind === "begin") {
      if (!this.shown.has(token) && (this.always() || Date.now() < this.askedUntil)) {
        this.shown.set(token, this.show(token, params));
      }
      return;
    }
    if (params.kind === "report") {
      this.shown.get(token)?.report(params);
      return;
    }
    this.shown.get(token)?.end();
    this.shown.delete(token);
  }

  /** The server is gone, and its progress with it. */
  clear(): void {
    for (const one of this.shown.values()) one.end();
    this.shown.clear();
  }

  private show(token: ProgressToken, begin: WorkDoneProgressBegin): Shown {
    let end: () => void = () => undefined;
    let draw: vscode.Progress<{ message?: string; increment?: number }> | undefined;
    let reached = 0;
    // The button is the editor's; what it does here must be said beside it.
    const hint = begin.cancellable === true ? " · Cancel pauses after this unit" : "";
    const report = (params: WorkDoneProgressBegin | WorkDoneProgressReport): void => {
      const percentage = Math.min(100, Math.max(reached, params.percentage ?? reached));
      const increment = percentage - reached;
      reached = percentage;
      draw?.report({ ...(params.message === undefined ? {} : { message: params.message + hint }), increment });
    };
    const options = { location: vscode.ProgressLocation.Notification, title: begin.title, cancellable: begin.cancellable ?? false };
    void vscode.window.withProgress(options, (progress, cancelled) => {
      draw = progress;
      cancelled.onCancellationRequested(() => {
        this.cancel(token);
      });
      report(begin);
      return new Promise<void>((resolve) => {
        end = resolve;
      });
    });
    return {
      report,
      end: () => {
        end();
      },
    };
  }
}
