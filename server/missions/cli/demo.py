"""The command ``demo``: a whole mission on a small real repository, with a simulated model and without a key.

Builds the repository, saves the plan as a demo mission in the normal store, runs it here and shows what came of it.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from missions.cli.output import answer, say, tell
from missions.cli.parameters import JsonOption, control
from missions.model.errors import MissionError


def demo(
    fast: Annotated[bool, typer.Option("--fast", help="Without the pauses that make it watchable.")] = False,
    json_: JsonOption = False,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep",
            metavar="DIR",
            help="Where to put the repository (a new or empty folder).",
            show_default=False,
        ),
    ] = None,
) -> int:
    """See a whole mission: a real repository, real commands and commits, a simulated model. Needs no key."""
    from missions.cli.running import here
    from missions.cli.summary import closing_lines, demo_lines, summary_json
    from missions.simulator.demo import demo_plan, make_repository

    inform = tell if json_ else say
    if fast:
        os.environ["MISSIONS_DEMO_PACE"] = "0"
    repository = make_repository(_folder(keep))
    operations = control()
    reply = operations.new_from_plan(demo_plan(), repository, demo=True, goal="See what a mission is.")
    inform(f"The model is simulated; repository, commands and commits are real: {_shown(repository)}")
    bare = [gate for gate in operations.preflight(reply.mission).gates if gate.id == "no-sandbox"]
    if bare:
        inform(f"No sandbox here ({'; '.join(bare[0].details)}): the demo's own commands run without one.")
    begun = time.monotonic()
    operations.start(reply.mission, accept={"plan", "no-sandbox"}, host="here")
    result = here(reply.mission, live=not json_, quiet=json_)
    elapsed = int((time.monotonic() - begun) * 1000)
    mission = operations.mission(reply.mission)
    if json_:
        answer(summary_json(mission, str(repository), elapsed), compact=True)
    else:
        for line in demo_lines(mission, _shown(repository), elapsed):
            say(line)
        if result.exit_code:
            for line in closing_lines(mission, result):
                say(line)
    return result.exit_code


def _folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="missions-demo-")) / "tally"
    try:
        if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
            raise MissionError(
                "bad_argument", f"{keep} is not empty.", "Name a folder that does not exist yet."
            )
    except OSError as error:
        raise MissionError(
            "bad_argument", f"{keep} cannot be used: {error.strerror}.", "Name another folder."
        ) from None
    return keep.absolute()


def _shown(repository: Path) -> str:
    """The shortest path that works from here."""
    here = Path.cwd()
    return str(repository.relative_to(here) if repository.is_relative_to(here) else repository)
