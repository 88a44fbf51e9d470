"""The journal: records, the reader's honesty about damage, the writer's all-or-nothing appends."""

from __future__ import annotations

import json
import random
import zlib
from pathlib import Path

import pytest

from missions.model.errors import MissionError
from missions.store.journal import JournalReader, JournalWriter
from missions.store.layout import MissionDir
from missions.store.records import MAX_RECORD, encode
from support.missions_on_disk import MISSION


def journal_in(path: Path, records: int) -> MissionDir:
    directory = MissionDir(MISSION, path)
    writer = JournalWriter(JournalReader(directory), epoch=1)
    for number in range(records):
        writer.append("intent_recorded", {"stepId": str(number), "text": "ä" * (number % 7)})
    writer.close()
    return directory


def read_all(directory: MissionDir) -> JournalReader:
    reader = JournalReader(directory)
    reader.read_new()
    return reader


def test_a_record_is_one_ascii_line_in_the_fixed_order_with_its_checksum():
    line = encode(3, 2, "2026-11-23T00:00:00.000Z", "usage_recorded", {"text": "é\n"})
    assert line.endswith(b'"}\n') and line.count(b"\n") == 1 and line.isascii()
    assert list(json.loads(line)) == ["seq", "epoch", "ts", "type", "data", "crc"]
    without = line.rstrip(b"\n").split(b',"crc":')[0] + b"}"
    assert json.loads(line)["crc"] == f"{zlib.crc32(without):08x}"


def test_a_record_that_is_too_long_or_no_json_is_refused_before_anything_is_written(tmp_path: Path):
    directory = journal_in(tmp_path, 1)
    before = directory.journal.read_bytes()
    writer = JournalWriter(read_all(directory), epoch=1)
    for data in ({"text": "x" * MAX_RECORD}, {"number": float("nan")}, {"thing": object()}):
        with pytest.raises(MissionError) as refused:
            writer.append("intent_recorded", data)
        assert refused.value.code == "bad_argument"
    assert directory.journal.read_bytes() == before


def test_the_reader_goes_on_where_it_stopped_and_leaves_an_unfinished_line_for_later(tmp_path: Path):
    directory = journal_in(tmp_path, 3)
    reader = JournalReader(directory)
    assert [record.seq for record in reader.read_new()] == [1, 2, 3]
    line = encode(4, 1, "2026-11-23T00:00:00.000Z", "host_suspended", {"seconds": 1})
    with directory.journal.open("ab") as out:
        out.write(line[:20])
    assert reader.read_new() == [] and reader.fragment == 20
    with directory.journal.open("ab") as out:
        out.write(line[20:])
    assert [record.type for record in reader.read_new()] == ["host_suspended"]
    assert reader.problems == []


def test_a_journal_cut_at_any_byte_of_its_last_records_is_continued_after_every_complete_record(
    tmp_path: Path,
):
    directory = journal_in(tmp_path, 6)
    content = directory.journal.read_bytes()
    lines = content.splitlines(keepends=True)
    for cut in range(len(content) - sum(map(len, lines[-3:])), len(content) + 1):
        directory.journal.write_bytes(content[:cut])
        whole = content[:cut].count(b"\n")
        left = content[:cut].rpartition(b"\n")[2]
        writer = JournalWriter(read_all(directory), epoch=2)
        assert (writer.torn.read_bytes() if writer.torn else b"") == left
        record = writer.append("host_suspended", {})
        writer.close()
        reader = read_all(directory)
        assert (reader.problems, reader.fragment, reader.last_seq) == (
            [],
            0,
            record.seq,
        ) and record.seq == whole + 1
        assert directory.journal.read_bytes().startswith(b"".join(lines[:whole]))
        for torn in tmp_path.glob("event-log.torn-*"):
            torn.unlink()


def test_nul_bytes_at_any_line_border_are_reported_with_line_and_offset(tmp_path: Path):
    directory = journal_in(tmp_path, 50)
    lines = directory.journal.read_bytes().splitlines(keepends=True)
    random_ = random.Random(5)
    for border in range(len(lines)):
        run = b"\0" * random_.randint(200, 700)
        directory.journal.write_bytes(b"".join(lines[:border]) + run + b"".join(lines[border:]))
        reader = read_all(directory)
        assert reader.last_seq == border
        (damage,) = reader.problems
        assert (damage.file, damage.line) == ("event-log.jsonl", border + 1)
        assert damage.offset == sum(map(len, lines[:border])) and "NUL" in damage.reason
    directory.journal.write_bytes(b"".join(lines) + b"\0" * 300)
    assert read_all(directory).fragment == 300


@pytest.mark.parametrize("change", ["drop", "repeat", "flip", "swap"])
def test_one_changed_record_among_many_is_always_found(tmp_path: Path, change: str):
    directory = journal_in(tmp_path, 120)
    lines = directory.journal.read_bytes().splitlines(keepends=True)
    random_ = random.Random(7)
    for at in range(len(lines) - 1):
        changed = list(lines)
        if change == "drop":
            del changed[at]
        elif change == "repeat":
            changed.insert(at, changed[at])
        elif change == "swap":
            changed[at], changed[at + 1] = changed[at + 1], changed[at]
        else:
            line = bytearray(changed[at])
            line[random_.randrange(len(line) - 1)] ^= 1 << random_.randrange(7)
            changed[at] = bytes(line)
        directory.journal.write_bytes(b"".join(changed))
        reader = read_all(directory)
        assert reader.problems, (change, at)
        assert at <= reader.last_seq <= at + 1


def test_a_record_of_a_former_owner_behind_a_newer_one_is_damage(tmp_path: Path):
    directory = journal_in(tmp_path, 1)
    ts = "2026-11-23T00:00:00.000Z"
    with directory.journal.open("ab") as out:
        out.write(encode(2, 5, ts, "runner_acquired", {}) + encode(3, 4, ts, "host_suspended", {}))
    reader = read_all(directory)
    assert "epoch 4 after epoch 5" in reader.problems[0].reason and reader.last_seq == 2


def test_garbage_in_the_journal_never_raises_and_is_never_silent(tmp_path: Path):
    directory = journal_in(tmp_path, 20)
    lines = directory.journal.read_bytes().splitlines(keepends=True)
    random_ = random.Random(11)
    deep = b'{"seq":6,"epoch":1,"ts":"2026-11-23T00:00:00.000Z","type":"x","data":{"a":' + b"[" * 20000 + b"}"
    sealed = deep + b',"crc":"%08x"}\n' % zlib.crc32(deep + b"}")
    pieces = [
        b"\n",
        b"{}\n",
        b"[" * 5000 + b"\n",
        b"x" * (MAX_RECORD * 3),
        random_.randbytes(3000) + b"\n",
        sealed,
    ]
    for piece in pieces:
        directory.journal.write_bytes(b"".join(lines[:5]) + piece + b"".join(lines[5:]))
        reader = read_all(directory)
        assert reader.last_seq == 5 and len(reader.problems) == 1, piece[:20]


def test_a_full_segment_is_closed_and_readers_follow_into_the_next(tmp_path: Path):
    directory = MissionDir(MISSION, tmp_path)
    writer = JournalWriter(JournalReader(directory), epoch=1)
    writer.segment_size = 2000
    follower = JournalReader(directory)
    seen: list[int] = []
    for number in range(60):
        writer.append("intent_recorded", {"stepId": str(number)})
        if number % 5 == 0:
            seen += [record.seq for record in follower.read_new()]
    writer.close()
    seen += [record.seq for record in follower.read_new()]
    assert seen == list(range(1, 61))
    assert directory.segment(2).exists() and directory.segment(2).stat().st_size <= 2000
    again = JournalWriter(read_all(directory), epoch=2)
    assert again.append("intent_recorded", {}).seq == 61


def test_a_missing_closed_segment_is_damage(tmp_path: Path):
    directory = MissionDir(MISSION, tmp_path)
    writer = JournalWriter(JournalReader(directory), epoch=1)
    writer.segment_size = 1000
    for number in range(30):
        writer.append("intent_recorded", {"stepId": str(number)})
    directory.segment(1).unlink()
    assert read_all(directory).problems


def test_a_crash_between_closing_a_segment_and_beginning_the_next_loses_nothing(tmp_path: Path):
    directory = journal_in(tmp_path, 5)
    directory.journal.rename(directory.segment(1))
    reader = read_all(directory)
    assert reader.last_seq == 5 and reader.problems == []
    assert JournalWriter(reader, epoch=1).append("intent_recorded", {}).seq == 6
    assert read_all(directory).last_seq == 6


def test_records_up_to_a_known_one_are_verified_but_not_returned(tmp_path: Path):
    directory = journal_in(tmp_path, 10)
    reader = JournalReader(directory, after=8)
    assert [record.seq for record in reader.read_new()] == [9, 10]
    lines = directory.journal.read_bytes().splitlines(keepends=True)
    directory.journal.write_bytes(b"".join([lines[0], lines[1].replace(b"intent", b"intenT"), *lines[2:]]))
    assert JournalReader(directory, after=8).read_new() == []


def test_a_foreign_change_is_noticed_before_the_next_append(tmp_path: Path):
    for change in ("append", "truncate", "replace", "remove"):
        directory = journal_in(tmp_path / change, 2) if (tmp_path / change).mkdir() is None else None
        assert directory is not None
        writer = JournalWriter(read_all(directory), epoch=1)
        writer.append("intent_recorded", {})
        content = directory.journal.read_bytes()
        if change == "append":
            directory.journal.write_bytes(content + b"x")
        elif change == "truncate":
            directory.journal.write_bytes(content[:-1])
        else:
            directory.journal.unlink()
            if change == "replace":
                directory.journal.write_bytes(content)
        before = directory.journal.read_bytes() if directory.journal.exists() else None
        with pytest.raises(MissionError) as noticed:
            writer.append("intent_recorded", {})
        assert noticed.value.code == "store_tampered"
        assert (directory.journal.read_bytes() if directory.journal.exists() else None) == before
