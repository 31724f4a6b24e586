"""The writer: how much goes into a write, and what is left of it when a connection breaks."""

import pytest

import minizmtp as zmq
from minizmtp.net.engine import MAX_UNSENT_REPLIES
from minizmtp.net.states import BROKEN
from minizmtp.net.writer import BATCH, Writer
from minizmtp.patterns.queue import Queue
from minizmtp.wire import Item
from minizmtp.wire.frames import encode_message
from tests.minizmtp.streams import in_traffic


class Narrow:
    """A stream whose system takes so many octets and no more, until told otherwise."""

    fileno = 99

    def __init__(self) -> None:
        self.room = 0
        self.taken = b""
        self.writes: list[bytes] = []  # what was offered, each time

    def try_send(self, *data: bytes) -> int:
        octets = b"".join(data)
        self.writes.append(octets)
        count = min(self.room, len(octets))
        self.taken += octets[:count]
        self.room -= count
        return count


class Owner:
    """Asked for runs, it does nothing: the tests run the writer."""

    def ask_for_run(self) -> None: ...

    def on_blocked(self) -> None: ...


def a_writer() -> tuple[Writer, Narrow]:
    stream = Narrow()
    connection = in_traffic(zmq.SocketType.PUSH, b"PULL")
    return Writer(stream, connection, Owner()), stream  # type: ignore[arg-type]


def test_pongs_are_paid_for_as_they_leave() -> None:
    """… and not only when everything has left, which on a busy connection may be never."""
    writer, stream = a_writer()
    for _ in range(3):
        writer.send_protocol(b"pong!")
        writer._append([b"message"], [b"message"])
    assert writer.protocol_bytes == 15
    for room, owed, pieces in [(4, 15, 6), (1, 10, 5), (8 + 5, 5, 3)]:
        stream.room = room
        writer._offer()
        assert (writer.protocol_bytes, len(writer._pieces)) == (owed, pieces)
    writer.send_protocol(b"pong!")
    stream.room = 100
    writer._offer()
    assert (writer.protocol_bytes, len(writer._pieces), writer.size) == (0, 0, 0)
    assert stream.taken == b"pong!message" * 3 + b"pong!"


def test_a_word_without_octets_is_not_kept() -> None:
    """A peer of ZMTP 3.0, which knows no PONG, is sent nothing for each that is due: maybe for days."""
    writer, _ = a_writer()
    writer.send_protocol(b"")
    assert not writer._pieces


@pytest.mark.requirement("30-4", "37-54", "L-8")
@pytest.mark.parametrize("taken", range(23))
def test_the_outbox_knows_each_message_not_yet_sent_whole(taken: int) -> None:
    writer, stream = a_writer()
    messages: list[Item] = [[b"first"], b"two2", [b"", b"x"]]
    writer._append([b"\0\5first"], messages[:1])
    writer.send_protocol(b"pong")
    writer._append([b"\0\4two2" + b"\1\0" + b"\0\1x"], messages[1:])
    stream.room = taken
    for _ in range(2):  # at once, or in two goes
        writer._offer()
    assert writer.unsent() == [m for m, end in zip(messages, (7, 17, 22), strict=True) if taken < end]


def filled(*messages: Item) -> Queue:
    queue = Queue()
    for message in messages:
        queue.put(message)
    return queue


def test_what_is_queued_is_joined_into_one_write_in_order() -> None:
    writer, stream = a_writer()
    stream.room = 1000
    writer.attach_queue(filled([b"a"], [b"b", b"c"], [b""], b"d", bytes(256), b"e"))
    long = b"\2\0\0\0\0\0\0\1\0" + bytes(256)
    assert stream.writes == [b"\0\1a" + b"\1\1b\0\1c" + b"\0\0" + b"\0\1d" + long + b"\0\1e"]


@pytest.mark.parametrize("small", [0, 1, 100])
def test_a_write_takes_no_more_large_messages_than_fill_it(small: int) -> None:
    """However many small ones went before, by which one might guess."""
    writer, _ = a_writer()
    queue = filled(*[b"x"] * small, *[bytes(BATCH)] * 50)
    writer.attach_queue(queue)
    for _ in range(3):  # the system takes nothing
        writer.run()
    assert len(queue) >= 49
    assert writer.size <= 2 * BATCH + 3 * small + 20


@pytest.mark.parametrize("front", [[], [b"name", b""], [bytes(MAX_UNSENT_REPLIES + 1)]])
def test_a_large_frame_is_offered_uncopied_behind_earlier_output(
    front: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, stream = a_writer()
    offered: list[tuple[bytes, ...]] = []
    try_send = stream.try_send

    def seen(*data: bytes) -> int:
        offered.append(data)
        return try_send(*data)

    monkeypatch.setattr(stream, "try_send", seen)
    body = bytes(BATCH)
    writer.attach_queue(filled([*front, body]))
    assert writer.protocol_bytes == 0  # or else nothing would be read until it has left
    stream.room = 10**9
    offered.clear()
    writer.run()
    assert len(offered) == 1
    assert offered[0][1] is body
    assert stream.taken == encode_message([*front, body])
    assert (writer.size, writer.protocol_bytes, writer.unsent()) == (0, 0, [])


@pytest.mark.requirement("37-54", "L-8")
@pytest.mark.parametrize("taken", [0, 1, 3, 4, 11, 12, 13, BATCH + 11, BATCH + 12, BATCH + 13])
def test_a_large_message_is_requeued_unless_it_was_sent_whole(taken: int) -> None:
    writer, stream = a_writer()
    messages: list[list[bytes]] = [[b"a"], [bytes(BATCH)]]
    writer.attach_queue(filled(*messages))
    writer.run()  # the system takes nothing, and the next message is encoded all the same
    writer.send_protocol(b"pong")
    stream.room = taken
    for _ in range(2):  # at once, or in two goes
        writer._offer()
    assert writer.unsent() == [m for m, end in zip(messages, (3, 3 + 9 + BATCH), strict=True) if taken < end]
    stream.room = 10**9
    writer._offer()
    assert stream.taken == b"".join(map(encode_message, messages)) + b"pong"


def test_a_full_socket_buffer_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    writer, stream = a_writer()
    asked = 0

    def refuse(*data: bytes) -> int:
        nonlocal asked
        asked += 1
        raise BrokenPipeError

    monkeypatch.setattr(stream, "try_send", refuse)
    writer.attach_queue(filled([b"a"]))
    writer.run()
    writer.send_protocol(b"pong")
    assert writer.state is BROKEN
    assert asked == 1
    assert writer.unsent() == [[b"a"]]
