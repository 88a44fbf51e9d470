"""Transcripts: lines that only grow, read by offset and from the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from missions.model.errors import MissionError
from missions.store.transcript import Position, TranscriptReader, TranscriptWriter


def written(path: Path, count: int, segment_size: int = 64 * 1024 * 1024) -> TranscriptWriter:
    writer = TranscriptWriter(path, segment_size)
    for number in range(count):
        writer.append({"n": number, "text": "ü" * (number % 50)})
    return writer


def numbers(lines: list[dict[str, object]]) -> list[object]:
    return [line["n"] for line in lines]


def test_a_reader_sees_whole_lines_only_and_goes_on_where_it_stopped(tmp_path: Path):
    path = tmp_path / "chat" / "transcript.jsonl"
    writer = written(path, 10)
    reader = TranscriptReader(path)
    assert numbers(reader.read_new(limit=4)) == [0, 1, 2, 3]
    position = reader.position
    assert numbers(reader.read_new()) == [4, 5, 6, 7, 8, 9]
    assert reader.read_new() == []
    writer.append({"n": 10}, sync=True)
    with path.open("ab") as out:
        out.write(b'{"n": 11')
    assert numbers(reader.read_new()) == [10]
    assert numbers(TranscriptReader(path, position).read_new())[0] == 4


def test_a_torn_last_line_is_set_aside_before_the_next_line(tmp_path: Path):
    path = tmp_path / "transcript.jsonl"
    written(path, 3).close()
    with path.open("ab") as out:
        out.write(b'{"n": 3, "te')
    writer = TranscriptWriter(path)
    assert writer.torn is not None and writer.torn.read_bytes() == b'{"n": 3, "te'
    writer.append({"n": 4})
    writer.close()
    assert numbers(TranscriptReader(path).read_new()) == [0, 1, 2, 4]


@pytest.mark.parametrize("count", [0, 1, 5, 37, 200, 500])
def test_the_tail_is_the_end_whatever_the_segments(tmp_path: Path, count: int):
    path = tmp_path / "transcript.jsonl"
    writer = written(path, 200, segment_size=2000)
    reader = TranscriptReader(path)
    assert numbers(reader.tail(count)) == list(range(200))[max(0, 200 - count) :][: count or None] * (
        count > 0
    )
    writer.append({"n": 200})
    assert numbers(reader.read_new()) == [200]
    assert numbers(TranscriptReader(path).read_new()) == list(range(201))


def test_a_follower_crosses_segments_without_losing_or_repeating_a_line(tmp_path: Path):
    path = tmp_path / "transcript.jsonl"
    writer = TranscriptWriter(path, segment_size=500)
    reader, seen = TranscriptReader(path), list[object]()
    for number in range(150):
        writer.append({"n": number})
        if number % 7 == 0:
            seen += numbers(reader.read_new())
    seen += numbers(reader.read_new())
    assert seen == list(range(150))


def test_lines_that_are_no_objects_are_counted_and_left_out(tmp_path: Path):
    path = tmp_path / "transcript.jsonl"
    path.write_bytes(b'{"n": 1}\n\0\0\0\n[1]\n' + b"[" * 50_000 + b'\n{"n": 2}\n')
    reader = TranscriptReader(path)
    assert numbers(reader.read_new()) == [1, 2] and reader.damaged == 3
    assert numbers(TranscriptReader(path).tail(10)) == [1, 2]


def test_a_missing_transcript_is_an_empty_one_and_a_giant_line_is_refused(tmp_path: Path):
    reader = TranscriptReader(tmp_path / "transcript.jsonl")
    assert reader.read_new() == [] and reader.tail(5) == [] and reader.position == Position()
    writer = TranscriptWriter(tmp_path / "transcript.jsonl")
    with pytest.raises(MissionError) as refused:
        writer.append({"text": "x" * (17 * 1024 * 1024)})
    assert refused.value.code == "bad_argument"
