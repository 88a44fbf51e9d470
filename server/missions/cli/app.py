"""The command line: its commands by group, and what happens to errors.

One typer application; the commands stand in modules of their own. Exit codes: 0 done, 1 error, 2 wrong usage; those of
``run`` and ``resume`` are in ``docs/guide.md``. No stack trace reaches the user.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from missions.cli import looking, maintenance, planning, running, steering, talking
from missions.cli import settings as setting_commands
from missions.cli.output import USAGE, answer, fail, say, tell
from missions.model.errors import MissionError, too_many_files
from missions.store.layout import Store

_MISUSE: type[Exception] = typer.BadParameter.__mro__[2]
"""Base of all errors about the command line itself; typer exports only some of its children."""

app = typer.Typer(
    name="missions",
    help="Hand large work to coding agents and stay in charge of it.\n\n"
    "A mission is a plan that agents carry out feature by feature, checked by validators that never saw the code "
    "being written. Try it without a key: [bold]missions demo[/bold].",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from missions import __version__

        say(f"missions {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", "-V", help="Show the version.", is_eager=True, callback=_version),
    ] = False,
) -> None:
    """Options before the command."""


planning.register(app)
talking.register(app)
running.register(app)
looking.register(app)
steering.register(app)
maintenance.register(app)
setting_commands.register(app)


@app.command("lsp", rich_help_panel="Editors", add_help_option=False)
def lsp() -> None:
    """The language server, over stdio; editors start it."""
    raise MissionError("bad_argument", "`lsp` must be the first word.", "Run `missions lsp`.")


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code."""
    as_json = "--json" in arguments
    try:
        result: Any = app(list(arguments), prog_name="missions", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except _MISUSE as error:
        return _misused(error, as_json)
    except (KeyboardInterrupt, typer.Abort):
        tell("missions: stopped")
        return 130
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        _close_output()
        return 0
    except MissionError as error:
        return fail(error, as_json)
    except Exception as error:
        return fail(too_many_files(error) or _unexpected(error), as_json)


def _misused(error: Exception, as_json: bool) -> int:
    told: Any = error
    message = str(told.format_message()).strip()
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "missions"
    if as_json:
        answer({"error": MissionError("bad_argument", message, f"See `{path} --help`.").as_json()})
    elif message:
        tell(f"missions: {message}")
        tell(f"  See `{path} --help`.")
    return USAGE


def _close_output() -> None:
    import os
    import sys

    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, sys.stdout.fileno())


def _unexpected(error: Exception) -> MissionError:
    """A bug: its trace goes to a log, the user gets a number to quote."""
    import traceback

    from missions.store.files import atomic_write, make_dir

    error_id = secrets.token_hex(4)
    store = Store.default()
    path = store.root / "logs" / f"error-{error_id}.txt"
    try:
        store.ensure()
        make_dir(path.parent, "file")
        atomic_write(
            path, "".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace"), "file"
        )
        where = f"Its trace is in {path}."
    except MissionError:
        where = "Its trace could not be written."
    return MissionError(
        "internal", f"Missions itself failed (error {error_id}: {type(error).__name__}).", where, id=error_id
    )
