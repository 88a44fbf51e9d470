"""What waits for a slow client is bounded, newest first where only the newest counts, and complete elsewhere."""

from __future__ import annotations

import os
import threading

import pytest

from missions.lsp.outbox import Coalesce, Outbox
from support.waiting import until


class SlowClient:
    """A client that reads only while the gate is open."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.got: list[str] = []
        self.reached = threading.Event()

    def write(self, data: bytes) -> None:
        self.reached.set()
        self.gate.wait(20)
        self.got.append(data.decode())


def boxed(client: SlowClient, **limits: int) -> tuple[Outbox, list[str]]:
    gone: list[str] = []
    outbox = Outbox(client.write, gone=gone.append, **limits)
    outbox.put("first", str.encode)
    assert client.reached.wait(20)
    return outbox, gone


def test_messages_arrive_in_the_order_they_were_queued() -> None:
    client = SlowClient()
    outbox, _ = boxed(client)
    for number in range(100):
        outbox.put(str(number), str.encode)
    client.gate.set()
    assert outbox.drain(20)
    assert client.got == ["first", *map(str, range(100))]


def test_only_the_newest_of_one_key_waits() -> None:
    client = SlowClient()
    outbox, _ = boxed(client)
    for number in range(1000):
        outbox.put(f"a{number}", str.encode, Coalesce("a"))
        outbox.put(f"b{number}", str.encode, Coalesce("b"))
    client.gate.set()
    assert outbox.drain(20)
    assert client.got == ["first", "a999", "b999"]


def test_joined_messages_lose_nothing() -> None:
    client = SlowClient()
    outbox, _ = boxed(client)
    for number in range(5):
        outbox.put(f"{number}", str.encode, Coalesce("ids", merge=lambda old, new: old + new))
    client.gate.set()
    assert outbox.drain(20)
    assert client.got == ["first", "01234"]


def test_pieces_of_a_stream_join_only_their_neighbour_so_the_order_stays() -> None:
    client = SlowClient()
    outbox, _ = boxed(client)
    for kind, text in [("t", "a"), ("t", "b"), ("u", "c"), ("t", "d"), ("t", "e")]:
        outbox.put(text, str.encode, Coalesce(kind, merge=lambda old, new: old + new, adjacent=True))
    client.gate.set()
    assert outbox.drain(20)
    assert client.got == ["first", "ab", "c", "de"]


def test_above_the_soft_limit_only_what_may_be_lost_is() -> None:
    client = SlowClient()
    outbox, gone = boxed(client, soft_limit=100)
    for number in range(100):
        outbox.put(f"log {number:5}", str.encode, Coalesce(number, droppable=True))
    outbox.put("answer", str.encode)
    client.gate.set()
    assert outbox.drain(20)
    assert outbox.dropped > 80
    assert client.got[-1] == "answer"
    assert not gone


def test_a_client_that_never_reads_its_answers_counts_as_gone() -> None:
    client = SlowClient()
    outbox, gone = boxed(client, hard_limit=1000)
    sent = [outbox.put("x" * 100, str.encode) for _ in range(20)]
    assert not sent[-1]
    assert len(gone) == 1
    assert outbox.closed
    client.gate.set()


def test_a_broken_pipe_never_reaches_who_queues() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    gone: list[str] = []
    outbox = Outbox(lambda data: (os.write(writer, data), None)[1], gone=gone.append)
    outbox.put("a", str.encode)
    until(lambda: gone, what="the broken pipe")
    assert outbox.put("b", str.encode) is False
    assert outbox.drain(1) is False
    os.close(writer)


def test_draining_gives_up_at_its_deadline() -> None:
    client = SlowClient()
    outbox, _ = boxed(client)
    assert outbox.drain(0.01) is False
    client.gate.set()


@pytest.mark.parametrize("threads", [8])
def test_many_threads_queue_without_loss(threads: int) -> None:
    client = SlowClient()
    client.gate.set()
    outbox = Outbox(client.write, gone=lambda _: None)

    def send(who: int) -> None:
        for number in range(200):
            outbox.put(f"{who}:{number}", str.encode)

    workers = [threading.Thread(target=send, args=(who,)) for who in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert outbox.drain(20)
    assert len(client.got) == threads * 200
    for who in range(threads):
        mine = [int(text.split(":")[1]) for text in client.got if text.startswith(f"{who}:")]
        assert mine == sorted(mine)
