"""The commands that only editors need: opening documents, completing ids, repairing defects, maintenance.

Each is a thin call of ``control``, or a look at the shared view. It draws no document.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from missions.lsp import document_uris as uris
from missions.lsp import operations as cmd
from missions.lsp import starting
from missions.lsp.chat import child_of
from missions.lsp.completing import candidates
from missions.lsp.confirmations import ask, declined
from missions.lsp.documents import documents_of
from missions.lsp.operating import result_of
from missions.lsp.operations import DocumentResult, OperationResult, ReportResult
from missions.lsp.payload import Payload
from missions.lsp.plan_language import repairs
from missions.lsp.withdrawing import withdrawable
from missions.model import operations as op
from missions.model.errors import MissionError
from missions.model.mission import Mission

if TYPE_CHECKING:
    from missions.lsp.session import Session

EVENTS = 5_000
"""Events that one ``watch`` answers at most."""


async def run(session: Session, name: str, args: Payload) -> Payload:
    """Run the command ``missions.<name>``."""
    return await _HANDLERS[name](session, args)


# Documents


async def _control(session: Session, args: cmd.MissionArgs) -> DocumentResult:
    uri = uris.CONTROL if args.mission is None else uris.control_uri(await session.resolve(args.mission))
    return await _show(session, uri)


async def _open(session: Session, args: cmd.OpenArgs) -> DocumentResult:
    if args.document == "control" and args.mission is None:
        return await _control(session, cmd.MissionArgs())
    mission = await session.resolve(args.mission)
    uri = await asyncio.to_thread(_document, session, mission, args.document, args.run)
    if args.preview:
        return DocumentResult(uri=await documents_of(session).readable_uri(uri))
    return await _show(session, uri)


def _document(session: Session, mission_id: str, document: str, run: str | None) -> str:
    directory = session.store.mission(mission_id)
    if document == "control":
        return uris.control_uri(mission_id)
    if document == "report":
        return uris.report_uri(mission_id)
    if document == "plan":
        return uris.file_uri(_existing(directory.plan / "features.json", "plan"))
    if document == "packet":
        packets = sorted(directory.packets.glob("*.md"))
        named = [path for path in packets if run is None or run in path.name]
        return uris.file_uri(_existing(named[-1] if named else directory.packets / "none", "recovery packet"))
    mission = session.control.mission(mission_id)
    kinds = ("worker",) if document == "handoff" else ()
    fitting = [r for r in mission.runs if (not kinds or r.kind in kinds) and run in (None, r.runId, r.itemId)]
    if not fitting:
        raise MissionError(
            "not_found", f"There is no such run in {mission_id}.", "`missions show runs` lists the runs."
        )
    found = fitting[-1].runId
    if document == "transcript":
        return uris.transcript_uri(mission_id, found)
    if document == "handoff":
        return uris.file_uri(_existing(directory.run(found).handoff_text, "handoff"))
    return uris.review_uri(mission_id, found)


def _existing(path: Path, what: str) -> Path:
    if not path.is_file():
        raise MissionError(
            "not_found", f"There is no {what} (yet).", "`missions status` shows how far the mission is."
        )
    return path


async def _show(session: Session, uri: str) -> DocumentResult:
    uri, shown = await documents_of(session).show(uri)
    return DocumentResult(uri=uri, shown=shown)


# Plans and defects


async def _repair(session: Session, args: cmd.RepairArgs) -> OperationResult:
    mission = await session.resolve(args.mission)
    reply = await repairs.repair(session, mission, args.defect, args.run)
    return result_of(reply, f"A feature to repair {args.defect} is in the plan.")


async def _apply_plan(session: Session, args: cmd.ApplyPlanArgs) -> OperationResult:
    mission = await session.resolve(args.mission)
    reply = await repairs.apply_plan(session, mission, args.reason[:4000])
    return result_of(reply, "The edited plan is in force.")


async def _send(session: Session, args: cmd.SendArgs) -> OperationResult:
    """Say something: to the running unit, or in the mission's chat while none runs."""
    mission_id = await session.resolve(args.mission)
    mission = await asyncio.to_thread(session.control.mission, mission_id)
    if mission.activeRun is not None:
        try:
            given = {"text": args.text}
            reply = await withdrawable(partial(session.control.request, "steer", mission_id, given))
            return result_of(reply, "The running unit hears it with its next turn.")
        except MissionError as error:
            if error.code != "wrong_state":
                raise
    if not args.text.strip():
        raise MissionError("bad_argument", "There is nothing to say.", "Write something.")
    message = await child_of(session).say(mission_id, Path(mission.cwd), args.text)
    return OperationResult(
        state="applied",
        mission=mission_id,
        request=message,
        message="It is said in the mission's chat.",
        value={"chat": mission_id, "message": message},
    )


# Looking


async def _complete(session: Session, args: cmd.CompleteArgs) -> cmd.CompleteResult:
    mission: Mission | None = None
    if args.kind not in ("mission", "role", "model", "operation"):
        with contextlib.suppress(MissionError):
            mission_id = await session.resolve(args.mission)
            mission = await asyncio.to_thread(session.control.mission, mission_id)
    await session.view.ready.wait()
    return await asyncio.to_thread(candidates, session, args.kind, args.prefix, mission)


async def _watch(session: Session, args: cmd.WatchArgs) -> ReportResult:
    mission = await session.resolve(args.mission)

    def read() -> ReportResult:
        from missions.store.journal import JournalReader

        directory = session.store.mission(mission)
        reader = JournalReader(directory)
        limit = min(max(1, args.limit), EVENTS)
        found = [record for record in reader.read_new() if record.seq > args.since_seq][:limit]
        events = [{"seq": r.seq, "epoch": r.epoch, "ts": r.ts, "type": r.type, "data": r.data} for r in found]
        last = found[-1].seq if found else args.since_seq
        return ReportResult(data={"mission": mission, "events": events, "lastSeq": last})

    return await asyncio.to_thread(read)


# Maintenance


async def _doctor(session: Session, args: cmd.DoctorArgs) -> ReportResult:
    from missions.control.doctor import doctor

    mission = args.mission and await session.resolve(args.mission)
    found = await asyncio.to_thread(doctor, session.store, fix=args.repair, mission=mission)
    data = found.as_json()
    text = "\n".join(f"{f['severity']}: {f['what']}" for f in data["findings"]) or "Nothing was found."
    return ReportResult(data=data, text=text)


async def _gc(session: Session, args: cmd.GcArgs) -> ReportResult:
    from missions.control.gc import gc

    days = op.Gc.model_validate({}).olderThanDays if args.older_than_days < 0 else args.older_than_days
    found = await asyncio.to_thread(gc, session.store, older_than_days=days, dry_run=args.dry_run)
    verb = "would be freed" if args.dry_run else "are freed"
    return ReportResult(data=found.as_json(), text=f"{found.freed:,} bytes {verb}.")


async def _export(session: Session, args: cmd.ExportArgs) -> ReportResult:
    from missions.control.bundle import export

    mission = await session.resolve(args.mission)
    if args.transcripts and not args.yes:
        question = "The transcripts of the mission may hold confidential text. Export them too?"
        answer = await ask(session, question, "Export")
        if answer == "cannot":
            raise MissionError(
                "confirmation_needed",
                question,
                "Send the command again with “yes”: true.",
                gates=["transcripts"],
            )
        if answer != "yes":
            raise declined(answer)
    path = session.path_of(args.path)
    done = await asyncio.to_thread(export, session.store, mission, path, transcripts=args.transcripts)
    return ReportResult(data=done.as_json(), text=f"Exported to {done.output}.")


async def _import(session: Session, args: cmd.ImportArgs) -> ReportResult:
    from missions.control.bundle_import import import_bundle

    path = session.path_of(args.path)
    if path.is_dir():
        raise MissionError(
            "unsupported",
            "A mission directory of another program is imported on the command line.",
            "Run `missions import` with it.",
        )
    _existing(path, "such file")
    done = await asyncio.to_thread(import_bundle, session.store, path, session.first_folder())
    return ReportResult(data=done.as_json(), text=f"Imported “{done.title}” as {done.mission}.")


async def _demo(session: Session, args: cmd.DemoArgs) -> ReportResult:
    folder = session.path_of(args.folder) if args.folder else None
    repository, mission = await asyncio.to_thread(_make_demo, session, folder)
    # The demo costs nothing and works in a repository of its own; only a missing sandbox is worth a question.
    given = op.Run(mission=mission, accept=("plan",))
    started = await starting.start(session, mission, given)
    data = {"mission": mission, "repository": str(repository), "started": started.value}
    return ReportResult(data=data, text=f"The demo runs in {repository}.")


def _make_demo(session: Session, folder: Path | None) -> tuple[Path, str]:
    from missions.simulator.demo import demo_plan, make_repository

    place = folder or Path(tempfile.mkdtemp(prefix="missions-demo-")) / "tally"
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise MissionError("bad_argument", f"{place} is not empty.", "Name a folder that does not exist yet.")
    repository = make_repository(place.absolute())
    goal = "See what a mission is."
    reply = session.control.new_from_plan(demo_plan(), repository, demo=True, goal=goal)
    return repository, reply.mission


Handler = Callable[["Session", Any], Awaitable[Payload]]

_HANDLERS: dict[str, Handler] = {
    "send": _send,
    "repair": _repair,
    "apply-plan": _apply_plan,
    "gc": _gc,
    "control": _control,
    "open": _open,
    "export": _export,
    "import": _import,
    "doctor": _doctor,
    "demo": _demo,
    "watch": _watch,
    "complete": _complete,
}
