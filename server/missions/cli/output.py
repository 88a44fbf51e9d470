"""What the command line writes: text, one JSON document, errors; and asking for a yes.

The only module of this face that knows the standard streams. It decides nothing about missions.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any, cast

from missions.model.errors import MissionError
from missions.model.plain_text import many_lines, one_line

USAGE = 2
_USAGE_CODES = ("bad_argument", "ambiguous")


def say(text: str = "") -> None:
    """A line (or lines) for people on standard output."""
    sys.stdout.write(_printable(text, sys.stdout.encoding) + "\n")
    sys.stdout.flush()


def tell(text: str) -> None:
    """A line for people that is not the answer: on standard error."""
    sys.stderr.write(_printable(text, sys.stderr.encoding) + "\n")
    sys.stderr.flush()


def answer(value: Any, *, compact: bool = False) -> None:
    """The one JSON document of a command; ``compact`` puts it on one line."""
    # ASCII, so that it is the same in every locale.
    sys.stdout.write(json.dumps(value, indent=None if compact else 2) + "\n")
    sys.stdout.flush()


def fail(error: MissionError, as_json: bool) -> int:
    """Show ``error``; returns the exit code: 2 for wrong arguments, else 1."""
    if as_json:
        answer({"error": error.as_json()})
    else:
        tell(f"missions: {one_line(error.message, 2000)}")
        if error.next_step:
            tell(f"  {one_line(error.next_step, 2000)}")
        for line in details(error):
            tell(line)
    return USAGE if error.code in _USAGE_CODES else 1


def details(error: MissionError) -> list[str]:
    """What else an error knows, for people: findings of a plan, candidates, gates."""
    return [*findings_lines(_objects(error.data.get("findings"))), *_candidates(error), *_gates(error)]


def findings_lines(findings: list[dict[str, Any]]) -> list[str]:
    """Findings on a plan, each with its place and how to mend it."""
    lines: list[str] = []
    for finding in findings:
        where = one_line(str(finding.get("path", "")), 120) or "/"
        lines.append(f"  {finding.get('severity')} {where}: {one_line(str(finding.get('message', '')), 400)}")
        if finding.get("fix"):
            lines.append(f"      {one_line(str(finding['fix']), 400)}")
    return lines


def _candidates(error: MissionError) -> list[str]:
    return [
        f"  {one['id']}  {one_line(str(one.get('status', '')), 20)}  {one_line(str(one.get('title', '')), 80)}"
        for one in _objects(error.data.get("candidates"))
    ]


def _gates(error: MissionError) -> list[str]:
    preflight = error.data.get("preflight")
    if not isinstance(preflight, dict):
        return []
    missing = cast("list[str]", error.data.get("gates") or [])
    lines: list[str] = []
    for gate in _objects(cast("dict[str, Any]", preflight).get("gates")):
        if gate.get("id") in missing:
            lines.append(f"  {gate.get('flag')}: {one_line(str(gate.get('question')), 300)}")
            lines += [f"      {one_line(str(detail), 200)}" for detail in gate.get("details", [])[:12]]
    return lines


def interactive() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def program() -> str:
    """How this program is called from the present folder: a fresh clone has it in `.venv` only."""
    if shutil.which("missions") is not None or Path(sys.argv[0]).name != "missions":
        return "missions"
    path = Path(sys.argv[0]).absolute()
    return shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))


def confirmed(question: str, yes: bool) -> bool:
    """Whether ``yes`` was given or the person says so; ``declined`` on a no, False when nobody can be asked."""
    if yes:
        return True
    if not interactive():
        return False
    import typer

    if not typer.confirm(many_lines(question, 2000), err=True):
        raise MissionError("declined", "Nothing was done.", "")
    return True


def _objects(value: object) -> list[dict[str, Any]]:
    found = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", one) for one in found if isinstance(one, dict)]


def _printable(text: str, encoding: str | None) -> str:
    """``text`` as the stream can take it; signs it does not know become question marks."""
    name = encoding or "utf-8"
    return text.encode(name, "replace").decode(name)
