// Errors as the server words them: a code, a sentence, the next step. Reads what came over the wire; shows nothing.
import type { ErrorData } from "./protocol";

export class Failure extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly nextStep = "",
  ) {
    super(message);
    this.name = "Failure";
  }

  /** Ready to show: the sentence and what can be done. */
  get text(): string {
    return this.nextStep === "" ? this.message : `${this.message} ${this.nextStep}`;
  }
}

export function failureOf(data: ErrorData): Failure {
  return new Failure(data.code, data.message, data.nextStep);
}

/** Any thrown value as a failure: the server's own data if it has some, else its message. */
export function asFailure(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown;
  if (isObject(thrown) && isErrorData(thrown["data"])) return failureOf(thrown["data"]);
  if (isObject(thrown) && thrown["code"] === -32601) {
    return new Failure("not_offered", "This version of the Missions server does not offer that.", "Update the server.");
  }
  return new Failure("internal", thrown instanceof Error ? thrown.message : String(thrown));
}

function isErrorData(value: unknown): value is ErrorData {
  return isObject(value) && typeof value["code"] === "string" && typeof value["message"] === "string";
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
