"""A mission travels in one file: complete, checked, bound to a repository, and never trusted."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from missions.control.bundle import export
from missions.control.bundle_import import import_bundle
from missions.model import events as ev
from missions.model.errors import MissionError
from missions.model.mission import Mission, Workspace
from missions.repo.clone import make_clone
from missions.runner.starting import open_place
from missions.store.bundle import BundleWriter, Limits, Manifest, unpack
from missions.store.catalog import list_missions, view_mission
from missions.store.layout import Store
from missions.store.mission_log import MissionLog
from missions.store.records import encode
from missions.store.redact import Redactor
from support.mission_with_snapshots import MISSION, RUN, WHO, World
from support.plans import plan_json
from support.repositories import Playground

SECRET = "correct-horse-battery-staple"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "here")


def _work(world: World) -> tuple[str, str]:
    """One accepted feature on the mission's branch, with artifacts; returns base and tip."""
    world.ground.git("checkout", "-q", "-b", f"missions/{world.mission_id}")
    base = world.start(f"missions/{world.mission_id}")
    run = world.directory.run(RUN)
    run.evidence.mkdir(parents=True)
    (run.evidence / "screen.png").write_bytes(bytes(range(256)))
    run.handoff.write_text(json.dumps({"featureId": "F1", "summary": f"used {SECRET}"}))
    run.transcript.write_text(json.dumps({"text": f"the password is {SECRET}"}) + "\n")
    run.run_json.write_text(json.dumps({"runId": RUN, "supervisor": {"pid": 1}, "role": "worker"}))
    world.ground.write("dates.py", "def parse(): ...\n")
    tip = world.ground.commit("dates")
    with MissionLog.acquire(world.store, world.mission_id, WHO) as log:
        log.record(ev.WorkerStarted(runId=RUN, attempt=1, milestoneId="M1", featureId="F1", baseCommit=base))
        log.record(
            ev.WorkerFinished(
                runId=RUN, exitCode=0, outcome="submitted", featureId="F1", accepted=True, commit=tip
            )
        )
        log.record(ev.SteeringDelivered(runId=RUN, text=f"remember {SECRET}"))
    return base, tip


def _there(tmp_path: Path) -> Store:
    store = Store(tmp_path / "there")
    store.ensure()
    return store


def _clone(world: World, tmp_path: Path, *options: str) -> Path:
    target = tmp_path / "elsewhere"
    world.ground.git("clone", "-q", *options, world.ground.root.as_uri(), str(target))
    return target


def _mission(store: Store, mission_id: str = MISSION) -> Mission:
    found = view_mission(store, mission_id)
    assert isinstance(found, Mission)
    return found


def test_a_mission_arrives_elsewhere_paused_with_its_work_and_artifacts(world: World, tmp_path: Path) -> None:
    _, tip = _work(world)
    other = _clone(world, tmp_path)
    result = export(world.store, MISSION, tmp_path / "m.tar.gz")
    store = _there(tmp_path)

    arrived = import_bundle(store, result.output, other)

    mission = _mission(store)
    assert (arrived.mission, arrived.status, mission.status) == (MISSION, "paused", "paused")
    assert mission.cwd == str(other.resolve())
    assert mission.tipCommit == tip
    assert [f.status for f in mission.all_features()] == ["complete", "pending", "pending"]
    directory = store.mission(MISSION)
    assert (directory.run(RUN).evidence / "screen.png").read_bytes() == bytes(range(256))
    assert (directory.plan / "features.json").is_file()
    assert "supervisor" not in json.loads(directory.run(RUN).run_json.read_text())
    assert directory.path.stat().st_mode & 0o777 == 0o700
    assert directory.run(RUN).handoff.stat().st_mode & 0o777 == 0o600
    assert result.output.stat().st_mode & 0o777 == 0o600
    with MissionLog.acquire(store, MISSION, WHO) as log:
        assert log.recovered is None


def test_without_the_commits_it_is_refused_and_with_them_they_arrive(world: World, tmp_path: Path) -> None:
    _, tip = _work(world)
    empty = Playground(tmp_path / "other")
    plain = export(world.store, MISSION, tmp_path / "plain.tar.gz").output
    whole = export(world.store, MISSION, tmp_path / "whole.tar.gz", with_repository=True).output
    store = _there(tmp_path)

    with pytest.raises(MissionError) as refused:
        import_bundle(store, plain, empty.root)
    assert refused.value.code == "repository"
    assert "--with-repository" in refused.value.next_step
    assert list_missions(store) == []

    arrived = import_bundle(store, whole, empty.root)
    assert empty.git("rev-parse", f"missions/{MISSION}") == tip
    assert empty.git("branch", "--show-current") == "main"
    assert any("git switch" in note for note in arrived.notes)
    empty.git("fsck", "--strict")


def test_an_existing_mission_is_never_touched(world: World, tmp_path: Path) -> None:
    _work(world)
    bundle = export(world.store, MISSION, tmp_path / "m.tar.gz").output
    before = world.directory.journal.read_bytes()

    arrived = import_bundle(world.store, bundle)

    assert arrived.mission != MISSION
    assert arrived.original == MISSION
    assert world.directory.journal.read_bytes() == before
    record = json.loads(world.store.mission(arrived.mission).journal.read_text().splitlines()[-2])
    assert record["type"] == "mission_imported"
    assert record["data"]["originalId"] == MISSION
    assert len(record["data"]["checksum"]) == 64


def test_a_run_that_was_going_on_is_reset(world: World, tmp_path: Path) -> None:
    base = world.start()
    with MissionLog.acquire(world.store, MISSION, WHO) as log:
        log.record(ev.WorkerStarted(runId=RUN, attempt=1, milestoneId="M1", featureId="F1", baseCommit=base))
        # A runner works on it while it is exported.
        bundle = export(world.store, MISSION, tmp_path / "m.tar.gz").output
    store = _there(tmp_path)
    import_bundle(store, bundle, world.ground.root)
    mission = _mission(store)
    assert mission.activeRun is None
    assert mission.status == "paused"
    assert mission.all_features()[0].status == "pending"
    assert mission.runs[0].status == "interrupted"


def test_settings_of_the_bundle_are_replaced_by_those_of_this_machine(world: World, tmp_path: Path) -> None:
    base = world.ground.git("rev-parse", "HEAD")
    with MissionLog.acquire(world.store, MISSION, WHO) as log:
        log.record(ev.MissionExecutionStarted(planVersion=1))
        hostile = {"sandbox": {"mode": "none"}, "network": {"allow": ["*"]}}
        log.record(ev.SettingsFrozen(baseCommit=base, branch="main", settings=hostile))
    store = _there(tmp_path)
    import_bundle(store, export(world.store, MISSION, tmp_path / "m.tar.gz").output)
    settings = _mission(store).settings
    assert settings["sandbox"]["mode"] == "auto"
    assert settings["network"]["allow"] == []


def test_a_mission_with_a_private_clone_gets_a_new_one(tmp_path: Path) -> None:
    world = World(tmp_path / "here")
    clone = make_clone(world.ground.repo, world.directory.git / "tree", MISSION)
    (clone.root / "dates.py").write_text("def parse(): ...\n")
    world.ground.git("add", "-A", cwd=clone.root)
    world.ground.git("commit", "-q", "-m", "dates", cwd=clone.root)
    tip = world.ground.git("rev-parse", "HEAD", cwd=clone.root)
    base = world.ground.git("rev-parse", "HEAD")
    with MissionLog.acquire(world.store, MISSION, WHO) as log:
        log.record(ev.MissionExecutionStarted(planVersion=1))
        log.record(
            ev.SettingsFrozen(
                baseCommit=base, branch=f"missions/{MISSION}", workspace=Workspace(kind="clone")
            )
        )
        log.record(ev.RepositoryAdopted(commit=tip))
    bundle = export(world.store, MISSION, tmp_path / "m.tar.gz", with_repository=True).output
    other = Playground(tmp_path / "other")
    store = _there(tmp_path)

    import_bundle(store, bundle, other.root)

    mission = _mission(store)
    place = open_place(store.mission(MISSION), mission, ())
    assert place.root == store.mission(MISSION).git / "tree"
    assert place.strangers(mission) is None
    assert (place.root / "dates.py").is_file()
    assert other.git("rev-parse", f"missions/{MISSION}") == tip


def test_secrets_are_taken_out_and_the_mission_is_whole_all_the_same(world: World, tmp_path: Path) -> None:
    _work(world)
    with MissionLog.acquire(world.store, MISSION, WHO) as log:
        blob = log.blob(
            json.dumps(plan_json(objective=f"Use {SECRET} for everything in the importer.")).encode()
        )
        log.record(ev.InteractivePlanRevised(title="A mission", features=3, planVersion=2, blob=blob))
    redactor = Redactor(environment={}, values=[SECRET])
    result = export(world.store, MISSION, tmp_path / "m.tar.gz", redact=True, redactor=redactor)

    with tarfile.open(result.output) as archive:
        members = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}  # type: ignore[union-attr]
    assert not [name for name, content in members.items() if SECRET.encode() in content]
    assert any(b"[redacted" in content for content in members.values())
    assert f"runs/{RUN}/evidence/screen.png" in result.left_out

    store = _there(tmp_path)
    import_bundle(store, result.output, world.ground.root)
    assert _mission(store).plan.version == 2


def test_transcripts_can_stay_behind(world: World, tmp_path: Path) -> None:
    _work(world)
    result = export(world.store, MISSION, tmp_path / "m.tar.gz", transcripts=False)
    with tarfile.open(result.output) as archive:
        assert not [name for name in archive.getnames() if "transcript" in name]


def test_locks_requests_and_snapshots_do_not_travel(world: World, tmp_path: Path) -> None:
    _work(world)
    world.snap()
    with tarfile.open(export(world.store, MISSION, tmp_path / "m.tar.gz").output) as archive:
        tops = {name.split("/")[0] for name in archive.getnames()}
    assert tops <= {"event-log.jsonl", "blobs", "plan", "skills", "runs", "manifest.json"}


def test_a_file_is_never_overwritten_and_a_failed_export_leaves_nothing(world: World, tmp_path: Path) -> None:
    target = tmp_path / "m.tar.gz"
    target.write_bytes(b"mine")
    with pytest.raises(MissionError) as refused:
        export(world.store, MISSION, target)
    assert refused.value.code == "conflict"
    assert target.read_bytes() == b"mine"
    with pytest.raises(MissionError) as refused:
        export(world.store, MISSION, tmp_path / "out" / "m.tar.gz")
    assert refused.value.code == "not_found"
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(MissionError):
        export(world.store, MISSION, folder / "m.tar.gz", with_repository=True)
    assert list(folder.iterdir()) == []


# Hostile bundles


def _tar(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.GNU_FORMAT) as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _plain(name: str, content: bytes = b"x", type: bytes = tarfile.REGTYPE) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type = type
    return info, content


def _link(name: str, to: str, type: bytes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type, to
    return info, b""


@pytest.mark.parametrize(
    "member",
    [
        _plain("../outside"),
        _plain("/absolute/outside"),
        _plain("blobs/../../outside"),
        _plain("plan/./objective.md"),
        _plain("plan//objective.md"),
        _plain("plan\\..\\objective.md"),
        _plain("plan/objective.md/"),
        _plain("plan/a\nb"),
        _plain("plan/" + "a" * 90 + "/" + "b" * 150),
        _plain("plan/été"),
        _plain("git/backup.git/config"),
        _plain("inbox/new/x.json"),
        _plain("runner.lock"),
        _plain("mission.json"),
        _link("plan/link", "/etc/passwd", tarfile.SYMTYPE),
        _link("plan/link", "event-log.jsonl", tarfile.LNKTYPE),
        _plain("plan/fifo", b"", tarfile.FIFOTYPE),
        _plain("plan/device", b"", tarfile.CHRTYPE),
        _plain("plan/folder", b"", tarfile.DIRTYPE),
        _plain("plan/sparse", b"", tarfile.GNUTYPE_SPARSE),
    ],
    ids=lambda member: f"{member[0].name[:30]!r}-{member[0].type!r}",
)
def test_a_member_that_leads_out_or_is_no_plain_file_is_refused(
    world: World, tmp_path: Path, member: tuple[tarfile.TarInfo, bytes]
) -> None:
    bundle = tmp_path / "hostile.tar.gz"
    whole = export(world.store, MISSION, tmp_path / "m.tar.gz").output
    with tarfile.open(whole) as archive:
        members = [(m, archive.extractfile(m).read()) for m in archive.getmembers()]  # type: ignore[union-attr]
    manifest = json.loads(members.pop()[1])
    manifest["files"][member[0].name] = {
        "sha256": hashlib.sha256(member[1]).hexdigest(),
        "size": len(member[1]),
    }
    last = _plain("manifest.json", json.dumps(manifest).encode())
    bundle.write_bytes(_tar([*members, member, last]))
    store = _there(tmp_path)
    with pytest.raises(MissionError) as refused:
        import_bundle(store, bundle, world.ground.root)
    assert refused.value.code == "store_corrupt"
    assert [path.name for path in store.root.iterdir()] == []
    assert not (tmp_path / "outside").exists()


def test_more_than_the_limits_is_refused(world: World, tmp_path: Path) -> None:
    _work(world)
    bundle = export(world.store, MISSION, tmp_path / "m.tar.gz").output
    for limits in (Limits(files=2), Limits(total=4096), Limits(one=100)):
        with pytest.raises(MissionError) as refused:
            import_bundle(_there(tmp_path), bundle, limits=limits)
        assert refused.value.code == "store_corrupt"


def test_a_bomb_ends_at_the_limit(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.tar.gz"
    with gzip.open(bomb, "wb") as out:
        out.write(_raw_header("plan/zeros", 8 * 1024**3 - 1))
        for _ in range(64):
            out.write(bytes(1024 * 1024))
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(MissionError) as refused:
        unpack(bomb, target, Limits(total=8 * 1024 * 1024, one=2**40))
    assert refused.value.code == "store_corrupt"
    assert sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) <= 8 * 1024 * 1024


def _raw_header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT)


def test_a_later_form_is_refused_as_newer(tmp_path: Path) -> None:
    document = {"format": "missions-bundle", "version": 2, "missionId": "mission-a", "files": {}}
    bundle = tmp_path / "newer.tar.gz"
    bundle.write_bytes(_tar([_plain("manifest.json", json.dumps(document).encode())]))
    with pytest.raises(MissionError) as refused:
        import_bundle(_there(tmp_path), bundle)
    assert refused.value.code == "schema_newer"


def test_a_genuine_bundle_with_a_journal_that_means_nothing_is_refused(world: World, tmp_path: Path) -> None:
    journal = world.directory.journal.read_bytes()
    bundle = tmp_path / "m.tar.gz"
    with BundleWriter(bundle) as writer:
        writer.add_bytes("event-log.jsonl", journal.splitlines(keepends=True)[0] * 2)
        writer.finish(_manifest())
    with pytest.raises(MissionError) as refused:
        import_bundle(_there(tmp_path), bundle)
    assert refused.value.code == "store_corrupt"


def _manifest() -> Manifest:
    return Manifest(createdAt="2026-11-23T00:00:00Z", createdBy="test", missionId=MISSION, schemaVersion=1)


def test_two_hundred_mutated_bundles_give_typed_errors_only(world: World, tmp_path: Path) -> None:
    """Half are damaged as files; half are packed again after the damage, so that gzip and tar are whole."""
    _work(world)
    good = export(world.store, MISSION, tmp_path / "m.tar.gz").output.read_bytes()
    inner = gzip.decompress(good)
    store = _there(tmp_path)
    dice = random.Random(3)
    bundle = tmp_path / "mutant.tar.gz"
    codes: dict[str, int] = {}
    for number in range(200):
        content = bytearray(good if number % 2 else inner)
        for _ in range(dice.randint(1, 4)):
            _mutate(content, dice)
        bundle.write_bytes(bytes(content) if number % 2 else gzip.compress(bytes(content), 1))
        try:
            code = "imported as " + import_bundle(store, bundle, world.ground.root).status
        except MissionError as error:
            code = error.code
        codes[code] = codes.get(code, 0) + 1
        assert not [path for path in store.root.iterdir() if path.name.startswith(".new-")], number
    assert set(codes) <= {"store_corrupt", "schema_newer", "imported as paused"}, codes
    # Damage in padding or in fields that do not count changes nothing; everything else is found.
    assert codes.get("store_corrupt", 0) >= 150, codes


def _mutate(content: bytearray, dice: random.Random) -> None:
    place = dice.randrange(len(content))
    kind = dice.randrange(6)
    if kind == 0:
        content[place] ^= 1 << dice.randrange(8)
    elif kind == 1:
        del content[place : place + dice.randint(1, 2000)]
    elif kind == 2:
        content[place:place] = dice.randbytes(dice.randint(1, 600))
    elif kind == 3:
        del content[place:]
        content += b"\0"
    elif kind == 4:
        block = place - place % 512
        content[block : block + 512] = dice.choice([bytes(512), b"\xff" * 512, dice.randbytes(512)])
    else:
        piece = bytes(content[place : place + 1024])
        content[place // 2 : place // 2] = piece


def test_a_bundle_whose_author_lies_in_every_number_gives_typed_errors_only(
    world: World, tmp_path: Path
) -> None:
    """The records are whole and the checksums right; only what they say is wrong."""
    _work(world)
    source = export(world.store, MISSION, tmp_path / "m.tar.gz").output
    with tarfile.open(source) as archive:
        members = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}  # type: ignore[union-attr]
    lines = [json.loads(line) for line in members["event-log.jsonl"].splitlines()]
    store = _there(tmp_path)
    dice = random.Random(7)
    odd = [None, -1, 0, 2**70, "", "../..", "\0", [], {}, [[]], {"a": 1}, True, 1.5, "x" * 5000, MISSION]
    for number in range(60):
        changed = json.loads(json.dumps(lines))
        record = dice.choice(changed)
        key = dice.choice([*record["data"].keys(), "extra"])
        record["data"][key] = dice.choice(odd)
        journal = b"".join(encode(r["seq"], r["epoch"], r["ts"], r["type"], r["data"]) for r in changed)
        bundle = tmp_path / f"lie-{number}.tar.gz"
        with BundleWriter(bundle) as writer:
            writer.add_bytes("event-log.jsonl", journal)
            for name, content in members.items():
                if name not in ("event-log.jsonl", "manifest.json"):
                    writer.add_bytes(name, content)
            writer.finish(_manifest())
        try:
            arrived = import_bundle(store, bundle, world.ground.root)
        except MissionError as error:
            assert error.code in ("store_corrupt", "repository", "bad_argument"), error
        else:
            assert isinstance(_mission(store, arrived.mission), Mission)


def test_a_kill_in_the_middle_of_an_import_leaves_no_mission(world: World, tmp_path: Path) -> None:
    _work(world)
    bundle = export(world.store, MISSION, tmp_path / "m.tar.gz").output
    script = (
        "import sys; from pathlib import Path; from missions.store.layout import Store;"
        "from missions.control.bundle_import import import_bundle;"
        "import_bundle(Store(Path(sys.argv[1])), Path(sys.argv[2]))"
    )
    for point in ("store.journal.fsync:kill", "store.snapshot.rename:kill", "store.mission.rename:kill"):
        store = _there(tmp_path)
        done = subprocess.run(
            [sys.executable, "-c", script, str(store.root), str(bundle)],
            env={"PATH": "/usr/bin:/bin", "MISSIONS_FAILPOINT": point, "MISSIONS_DISK_FLOOR": "0"},
            check=False,
            capture_output=True,
        )
        assert done.returncode == -9, done.stderr
        assert list_missions(store) == []
    import_bundle(store, bundle)
    assert len(list_missions(store)) == 1
