"""Writes ``docs/protocol.md`` from the payload types of the language server.

Run ``python docs/development/protocol_document.py`` after changing :mod:`missions.lsp.protocol` or
:mod:`missions.lsp.operations`; ``--check`` only says whether the document is current (a test does the same). The
text between the tables is below, not in the document.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import typing
from pathlib import Path

import attrs

from missions.lsp import operations, protocol
from missions.lsp.payload import Payload, camel, to_json
from missions.model import operations as model

DOCUMENT = Path(__file__).resolve().parents[1] / "protocol.md"

_HEAD = f"""# The protocol between server and clients

*Written by `docs/development/protocol_document.py` from the types in `server/missions/lsp`; change those, then run it.*

The server is an ordinary language server (3.17, with what it uses of 3.18) with an extension of its own. Both sides announce the
extension as one integer, `capabilities.experimental.missions` (now `{protocol.VERSION}`); a server sends its own
notifications only to clients that announce it. A client without it loses nothing but the tree, the status item and
the chat view: commands, diagnostics, progress and documents are standard.

Names are camelCase. Optional fields that are absent mean their default; a field that a reader does not know is
ignored, except in the arguments of commands, where it is refused with a suggestion. Times are ISO 8601 in UTC.

The version grows when a client that followed the old text would do something wrong; new optional fields and new
methods do not change it.

## Errors

Every error answer, to any request, carries this object as `data`:

{{error}}

JSON-RPC codes: `-32602` for `bad_argument`, `-32800` for `cancelled`, `-32603` for `internal` (a bug: `data.data.id`
is the id to look for in the log), `-32601` for an unknown method, `-32803` for everything else. The `message` of the
answer is the sentence and the next step, ready to show.

## Session

- `initialize` is answered before anything heavy is loaded. `initializationOptions` may hold the settings, bare or
  under `missions`; later they are asked for with `workspace/configuration`, section `missions`, or taken from
  `didChangeConfiguration` when the client does not answer such questions.
- `shutdown` is answered at once. The process ends 0.1 s after `exit`, end of input, SIGTERM, SIGHUP or SIGINT, and
  2 s after a `shutdown` that nobody follows up. Exit status: 0 after `shutdown`, 1 without, 128 + n for a signal.
- `$/cancelRequest` reaches running commands.
- Read-only documents have the scheme `{protocol.SCHEME}:`; they are served by `workspace/textDocumentContent`
  and by `missions/content`: `{protocol.SCHEME}:/control.md` (Mission Control), `/<mission>/control.md`, `/<mission>/report.md`,
  `/<mission>/runs/<run>/review.md` (handoff or report, diff, commands that really ran, cost),
  `/<mission>/runs/<run>/transcript.md`, `/help/blocks.md` and `/help/rules.md`. Their links are relative. When the text of one
  that was asked for changes, the server sends `workspace/textDocumentContent/refresh`, and again only after it was asked for.
  A client that can read neither way gets a `file:` URI of a private copy from `missions.open` and `missions.control`.
- `Diagnostic.data` has a `kind`: `block` (a mission that stopped; on its `plan/features.json`), `defect` (on the source line),
  `finding` (lint of a plan) or `proposal` (an edited plan file), with the ids that belong to it: `mission`, `milestone`,
  `feature`, `run`, `defect`, `rule` …
- A `window/showMessageRequest` to a client that announces the extension has a `data` beside `message` and `actions`: a
  [`QuestionData`](#questiondata) that names the command whose answer waits for it, or the decision of a mission that asks by itself.
- Cancelling a command that waits for the owner of a mission withdraws its request, unless the owner has taken it. Exactly one
  of the two happens and the answer says which: `cancelled` and nothing was changed, or the result as ever. A server that
  ends withdraws nothing.
- A client that reads slowly gets the newest state when it is back: diagnostics of one document, progress reports of
  one token and the status replace those that still wait; tree changes, chat pieces and changed files are joined;
  log lines may be lost.
"""


def document() -> str:
    """The whole text."""
    parts = [_HEAD.format(error=_table(protocol.ErrorData))]
    parts.append("## Requests of the client\n")
    for method, (params, result) in protocol.REQUESTS.items():
        parts.append(_method(method, params, result))
    parts.append("## Notifications of the client\n")
    parts += [_method(method, params) for method, params in protocol.TO_SERVER.items()]
    parts.append("## Notifications of the server\n")
    parts += [_method(method, params) for method, params in protocol.TO_CLIENT.items()]
    named = list(protocol.REQUESTS.values())
    top = {cls for pair in named for cls in pair} | {
        *protocol.TO_SERVER.values(),
        *protocol.TO_CLIENT.values(),
    }
    parts.append("## Objects in these messages\n")
    inner = [cls for cls in _payloads(protocol) if cls not in top and cls is not protocol.ErrorData]
    parts += [_object(cls) for cls in inner]
    parts.append(
        "## Commands\n\n`workspace/executeCommand` with the command `missions.<operation>` and exactly one object as"
        " argument. A client must register its own palette commands under other names: VS Code registers these"
        " globally.\n"
    )
    parts += [_shared(model.BY_NAME[name]) for name in operations.SHARED]
    parts.append("### Commands that only editors need\n")
    rows = [
        f"| `missions.{name}` | [`{a.__name__}`](#{a.__name__.lower()}) | [`{r.__name__}`](#{r.__name__.lower()}) |"
        for name, (a, r) in operations.OWN.items()
    ]
    parts.append("\n".join(["| Command | Argument | Result |", "|---|---|---|", *rows]) + "\n")
    parts.append("## Arguments and results of commands\n")
    parts += [_object(cls) for cls in _payloads(operations)]
    return "\n".join(parts).rstrip() + "\n"


def _method(method: str, params: type[Payload], result: type[Payload] | None = None) -> str:
    text = f"### `{method}`\n\n{inspect.getdoc(params)}\n\n{_table(params)}\n"
    return text + (f"\nAnswer: {inspect.getdoc(result)}\n\n{_table(result)}\n" if result else "")


def _shared(operation: model.Operation) -> str:
    """A command whose arguments the model defines for every face."""
    name = operation.name
    result = "ReportResult" if name in operations.REPORTS else "OperationResult"
    properties = operation.arguments.model_json_schema()["properties"]
    rows = [
        f"| `{key}` | {_json_type(properties[key])} | {_json_default(field)} | {field.description or ''} |"
        for key, field in operation.arguments.model_fields.items()
    ]
    table = "\n".join(["| Field | Type | Default | Meaning |", "|---|---|---|---|", *rows])
    asks = " Asks first." if operation.confirm else ""
    text = f"{operation.meaning}{asks} Answer: [{result}](#{result.lower()})."
    return f"### `missions.{name}`\n\n{text}\n\n{table}\n"


def _json_type(schema: dict[str, typing.Any]) -> str:
    if "enum" in schema:
        return " \\| ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_json_type(part) for part in schema["anyOf"] if part.get("type") != "null")
    if schema.get("type") == "array":
        return f"list of {_json_type(schema['items'])}"
    return str(schema.get("type", "string"))


def _json_default(field: typing.Any) -> str:
    if field.is_required():
        return "required"
    if field.default is None:
        return "absent"
    return f"`{json.dumps(field.default)}`"


def _object(cls: type[Payload]) -> str:
    return f"### {cls.__name__}\n\n{inspect.getdoc(cls)}\n\n{_table(cls)}\n"


def _table(cls: type[Payload]) -> str:
    texts: dict[str, str] = {}
    for part in reversed(cls.__mro__):
        if issubclass(part, Payload) and part is not Payload:
            texts |= _descriptions(part)
    hints = typing.get_type_hints(cls)
    rows = [
        f"| `{camel(field.name)}` | {_type(hints[field.name])} | {_default(field)} | {texts[field.name]} |"
        for field in attrs.fields(cls)
    ]
    return "\n".join(["| Field | Type | Default | Meaning |", "|---|---|---|---|", *rows])


def _descriptions(cls: type) -> dict[str, str]:
    """The string under each field; a field without one is a mistake."""
    (definition,) = ast.parse(inspect.getsource(cls)).body
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, str] = {}
    for statement, after in zip(definition.body, [*definition.body[1:], None], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            if not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)):
                raise SystemExit(f"{cls.__name__}.{statement.target.id} has no description")
            found[statement.target.id] = " ".join(str(after.value.value).split()).replace("|", "\\|")
    return found


def _type(hint: typing.Any) -> str:
    names = {str: "string", int: "integer", bool: "boolean", float: "number", typing.Any: "any"}
    if hint in names:
        return names[hint]
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return " \\| ".join(f"`{arg}`" for arg in args)
    if origin is list:
        return f"list of {_type(args[0])}"
    if origin is dict:
        return "object"
    if type(None) in args:
        return _type(next(arg for arg in args if arg is not type(None)))
    return f"[{hint.__name__}](#{hint.__name__.lower()})"


def _default(field: typing.Any) -> str:
    if field.default is attrs.NOTHING:
        return "required"
    if isinstance(field.default, attrs.Factory):
        return "`[]`" if field.default.factory is list else "`{}`"
    if field.default is None:
        return "absent"
    if isinstance(field.default, Payload):
        return "all 0"
    return (
        f"`{str(to_json(field.default)).lower()}`"
        if isinstance(field.default, bool)
        else f"`{field.default!r}`"
    )


def _payloads(module: typing.Any) -> list[type[Payload]]:
    return [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Payload) and value.__module__ == module.__name__
    ]


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if DOCUMENT.read_text("utf-8") == document() else f"{DOCUMENT.name} is not current")
    DOCUMENT.write_text(document(), "utf-8")
