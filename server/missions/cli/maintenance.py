"""The commands that keep missions well: ``restore``, ``export``, ``import``, ``doctor``, ``gc``.

Thin: each calls one function of ``control`` and shows what it did. They never run a mission.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from missions.cli.output import answer, confirmed, findings_lines, say, tell
from missions.cli.parameters import JsonOption, MissionArgument, YesOption, meant
from missions.model.errors import MissionError
from missions.model.plain_text import one_line
from missions.store.layout import Store

_PANEL = "Maintain"
_SHOWN = 40


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command("restore", rich_help_panel=_PANEL)(restore)
    app.command("export", rich_help_panel=_PANEL)(export)
    app.command("import", rich_help_panel=_PANEL)(import_)
    app.command("doctor", rich_help_panel=_PANEL)(doctor)
    app.command("gc", rich_help_panel=_PANEL)(gc)


def restore(
    mission: MissionArgument = None,
    snapshot: Annotated[
        str | None, typer.Option("--snapshot", "-s", help="Its name; without it the newest one.")
    ] = None,
    path: Annotated[
        list[str] | None, typer.Option("--path", "-p", help="Only this file or folder; may be repeated.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Only show the snapshots there are.")] = False,
    yes: YesOption = False,
    json_: JsonOption = False,
) -> None:
    """Put files of the repository back as they were in a snapshot; also a destroyed .git.

    A snapshot of how everything is now is taken first. Files that you edited since are named and need a yes.
    """
    from missions.control import restore as operation

    store, name = Store.default(), meant(mission)
    if list_:
        lines = operation.list_snapshots(store, name)
        if json_:
            answer({"mission": name, "snapshots": [line.as_json() for line in lines]})
            return
        for line in lines:
            where = f"{line.branch or 'detached'} at {(line.commit or 'no commit')[:12]}"
            say(f"{line.taken_at}  {line.name}  ({where})")
        if not lines:
            say(f"{name} has no snapshots yet.")
        return
    try:
        done = operation.restore(store, name, snapshot, path or (), confirmed=yes)
    except MissionError as error:
        if error.code != "confirmation_needed" or not confirmed(f"{error.message}\nReplace them?", yes):
            raise
        done = operation.restore(store, name, snapshot, path or (), confirmed=True)
    if json_:
        answer(done.as_json())
        return
    if done.recovered:
        say(f"The git directory of {done.root} was built again.")
    for verb, names in (("restored", done.written), ("removed", done.removed), ("skipped", done.skipped)):
        for file in names[:_SHOWN]:
            say(f"  {verb} {one_line(file, 300)}")
        if len(names) > _SHOWN:
            say(f"  … {len(names) - _SHOWN} more {verb}")
    say(f"{name}: {len(done.written)} files restored, {len(done.removed)} removed, from {done.snapshot}.")
    if done.safety:
        say(f"How it was before: missions restore {name} --snapshot {done.safety}")


def export(
    mission: MissionArgument = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; without it <id>.tar.gz here.")
    ] = None,
    redact: Annotated[
        bool, typer.Option("--redact", help="Take secrets out, and leave out what is no text.")
    ] = False,
    with_repository: Annotated[
        bool, typer.Option("--with-repository", help="With the commits of the mission's branch.")
    ] = False,
    transcripts: Annotated[
        bool, typer.Option("--transcripts/--no-transcripts", help="With the transcripts of runs and chats.")
    ] = True,
    json_: JsonOption = False,
) -> None:
    """Write a mission to one file, with checksums; never over a file."""
    from missions.control.bundle import export as operation

    done = operation(
        Store.default(),
        meant(mission),
        output,
        redact=redact,
        with_repository=with_repository,
        transcripts=transcripts,
    )
    if json_:
        answer(done.as_json())
        return
    say(f"{done.mission}: {done.files} files, {_bytes(done.size)}, in {done.output}")
    for name in done.left_out[:_SHOWN]:
        tell(f"  left out {one_line(name, 300)}")
    if not redact:
        tell("It holds texts of your code and conversations; --redact takes secrets out of them.")


def import_(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="An exported file, or a mission directory of pi-missions.")
    ],
    cwd: Annotated[
        Path | None,
        typer.Option("--cwd", help="The repository it works in from now on; without it where it was."),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Take a mission from a file, or from a directory of pi-missions 0.1.2; it stands still when it arrives."""
    from missions.control.bundle_import import import_bundle
    from missions.control.pi_import import import_pi_mission

    take = import_pi_mission if source.is_dir() else import_bundle
    done = take(Store.default(), source, cwd)
    if json_:
        answer(done.as_json())
        return
    say(f"{done.mission}  {one_line(done.title, 100)}  ({done.status})")
    for note in done.notes:
        say(f"  {one_line(note, 500)}")
    for line in findings_lines([dict(finding) for finding in done.findings]):
        say(line)


def doctor(
    mission: Annotated[
        str | None, typer.Argument(metavar="[MISSION]", help="Only this one.", show_default=False)
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended without loss.")] = False,
    json_: JsonOption = False,
) -> int:
    """Look at the machine, the store and every mission; exit code 1 while something is broken."""
    from missions.control.doctor import doctor as operation

    diagnosis = operation(Store.default(), fix=fix, mission=mission)
    if json_:
        answer(diagnosis.as_json())
        return diagnosis.exit_code
    for finding in diagnosis.findings:
        about = f" {finding.mission}:" if finding.mission else ""
        state = "mended" if finding.fixed else finding.severity
        say(f"{state:8}{about} {one_line(finding.what, 1000)} [{finding.id}]")
        if finding.next_step and not finding.fixed and finding.severity != "info":
            say(f"         {one_line(finding.next_step, 1000)}")
    say("Everything that is needed works." if diagnosis.healthy else "Something is broken; see above.")
    return diagnosis.exit_code


def gc(
    older_than_days: Annotated[
        int, typer.Option("--older-than-days", help="Only what ended longer ago.", min=0)
    ] = 30,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    json_: JsonOption = False,
) -> None:
    """Remove snapshots and backups of finished missions, old answers, torn files and logs; no commit is lost."""
    from missions.control.gc import gc as operation

    done = operation(Store.default(), older_than_days=older_than_days, dry_run=dry_run)
    if json_:
        answer(done.as_json())
        return
    verb = "would go" if dry_run else "removed"
    for item in done.items[:_SHOWN]:
        say(f"  {verb}: {item.kind} {item.path} ({_bytes(item.size)})")
    if len(done.items) > _SHOWN:
        say(f"  … {len(done.items) - _SHOWN} more")
    for name, why in done.kept.items():
        say(f"  kept: {name}: {one_line(why, 400)}")
    say(f"{_bytes(done.freed)} {'would be freed' if dry_run else 'freed'}.")


def _bytes(size: int) -> str:
    value, unit = float(size), "bytes"
    for larger in ("KB", "MB", "GB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
