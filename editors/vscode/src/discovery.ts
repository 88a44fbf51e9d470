// Which commands can start the language server, best first, and where it keeps missions. Pure: looks at what it is given, not at the editor or the machine.
import { delimiter, join } from "node:path";

export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** Where it comes from, for the log and the user. */
  readonly origin: string;
  readonly kind: "setting" | "path" | "own";
}

export interface Surroundings {
  /** The setting missions.server.command. */
  readonly setting: readonly string[];
  /** The variable PATH. */
  readonly path: string | undefined;
  /** `missions` of the environment that the extension keeps for itself, installed or not. */
  readonly ownProgram: string;
  readonly isProgram: (file: string) => boolean;
}

/** Programs that may start the server, best first. A setting stands alone: who names a program wants that one or an error. */
export function serverCommands(around: Surroundings): ServerCommand[] {
  const [command, ...args] = around.setting;
  if (command !== undefined) return [{ command, args, origin: "the setting missions.server.command", kind: "setting" }];
  const found: ServerCommand[] = [];
  const onPath = programOnPath("missions", around.path, around.isProgram);
  if (onPath !== undefined) found.push({ command: onPath, args: ["lsp"], origin: "the PATH", kind: "path" });
  if (around.isProgram(around.ownProgram)) {
    found.push({ command: around.ownProgram, args: ["lsp"], origin: "the extension's own environment", kind: "own" });
  }
  return found;
}

/** Whether there is such a program: by its path, or by its name on the PATH. */
export function startable(command: string, path: string | undefined, isProgram: (file: string) => boolean): boolean {
  if (command.startsWith("/")) return isProgram(command);
  // A relative path is the client library's to find, from the folder of the window.
  return command.includes("/") || programOnPath(command, path, isProgram) !== undefined;
}

/** The first program of that name; relative entries of the PATH are passed over, they would depend on the folder. */
export function programOnPath(name: string, path: string | undefined, isProgram: (file: string) => boolean): string | undefined {
  return (path ?? "")
    .split(delimiter)
    .filter((folder) => folder.startsWith("/"))
    .map((folder) => join(folder, name))
    .find(isProgram);
}

/** The folder that missions are kept in, as the server will see it. */
export function storeFolder(setting: string | undefined, environment: Readonly<Record<string, string | undefined>>): string {
  const home = environment["HOME"] ?? "/";
  if (setting) return setting.startsWith("~/") ? join(home, setting.slice(2)) : setting;
  return environment["MISSIONS_HOME"] ?? join(home, ".missions");
}

/** Names under which a Python that is new enough may be found, best first. */
export const PYTHONS = ["python3.14", "python3.13", "python3.12", "python3.11", "python3"] as const;

/** True when the output of `python --version` is of 3.11 or later. */
export function pythonIsNewEnough(version: string): boolean {
  const found = /Python (\d+)\.(\d+)/.exec(version);
  if (found === null) return false;
  const [major, minor] = [Number(found[1]), Number(found[2])];
  return major > 3 || (major === 3 && minor >= 11);
}
