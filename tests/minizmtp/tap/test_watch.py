"""The tap does no harm: whatever fails in it fails alone, and it does not grow."""

import errno
import io
import os
import re
from functools import partial

import pytest
import trio

from minizmtp.endpoints import Ipc, Tcp
from minizmtp.options import Options
from minizmtp.tap import watch
from minizmtp.tap.conversation import Conversation
from minizmtp.tap.relay import Relay
from minizmtp.tap.screen import Screen
from minizmtp.tap.show import Show
from minizmtp.tap.watch import Tap
from minizmtp.trace import Side, Span, Trace
from minizmtp.transports import listen
from tests.minizmtp.helpers import GREETING, frame, ready
from tests.minizmtp.tap.test_pcap import heard, read_capture

CLIENT, SERVER = Side.CLIENT, Side.SERVER
HERE, THERE = Tcp("127.0.0.1", 50_000), Tcp("127.0.0.1", 5555)
HANDSHAKE = GREETING + ready(b"REQ")


class Shown(Screen):
    """A screen that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(-1)
        self.text = ""
        self.full = False
        self.skipped = 0

    @property
    def is_full(self) -> bool:
        return self.full

    def say(self, text: str) -> None:
        self.text += text

    def skip(self, size: int) -> None:
        self.skipped += size


def converse(tap: Tap, *words: tuple[Side, bytes]) -> int:
    number = tap.opened(HERE, THERE, 1.0)
    for seconds, (side, octets) in enumerate(words, 2):
        tap.passed(number, side, octets, float(seconds))
    return number


def kept(conversation: Conversation, side: Side) -> bytes:
    return b"".join(span.octets for span in conversation.spans[side])


def test_what_passed_is_shown_kept_and_captured() -> None:
    screen, capture = Shown(), io.BytesIO()
    tap = Tap(screen=screen, capture=capture, keep=1 << 20, epoch=1000.0)
    number = converse(
        tap, (CLIENT, HANDSHAKE), (SERVER, GREETING + ready(b"REP")), (CLIENT, frame(b"", 1) + frame(b"hi"))
    )
    tap.ended(number, CLIENT, "", 5.0)
    tap.ended(number, SERVER, "connection reset by peer", 6.0)
    tap.closed(number, 6.0)

    (conversation,) = tap.conversations
    said = {CLIENT: HANDSHAKE + frame(b"", 1) + frame(b"hi"), SERVER: GREETING + ready(b"REP")}
    for side in Side:
        assert kept(conversation, side) == said[side]
    assert (conversation.protocol, conversation.left_out) == ("zmtp", 0)
    assert (conversation.opened, conversation.closed) == (1001.0, 1006.0)
    assert [(write.side, write.at) for write in conversation.writes] == [(CLIENT, 1002), (SERVER, 1003), (CLIENT, 1004)]
    assert [span.write for span in conversation.spans[SERVER]] == [1] * len(conversation.spans[SERVER])

    packets = read_capture(capture.getvalue())
    assert heard(packets, "127.0.0.1 50000") == said[CLIENT]
    assert heard(packets, "127.0.0.1 5555") == said[SERVER]
    assert (packets[0].at, packets[-1].at) == (1001.0, 1006.0)

    assert "[1]    0.000 s  tcp://127.0.0.1:50000 → tcp://127.0.0.1:5555" in screen.text
    assert f"[1]    1.000 s  client → server, {len(HANDSHAKE)} octets" in screen.text
    assert "[1]    4.000 s  client says no more" in screen.text
    assert "[1]    5.000 s  server died: connection reset by peer" in screen.text
    assert "[1]    5.000 s  closed; client" in screen.text


def test_connections_are_told_apart() -> None:
    screen, capture = Shown(), io.BytesIO()
    tap = Tap(screen=screen, capture=capture, keep=1 << 20)
    one, two = (tap.opened(Ipc(""), Ipc("/run/app.sock"), 0.0) for _ in range(2))
    tap.passed(two, CLIENT, GREETING[:20], 1.0)
    tap.passed(one, CLIENT, GREETING[:10], 2.0)
    for number in (one, two):
        tap.closed(number, 3.0)
    assert [kept(each, CLIENT) for each in tap.conversations] == [GREETING[:10], GREETING[:20]]
    assert [each.client for each in tap.conversations] == ["", ""]
    sources = {packet.source for packet in read_capture(capture.getvalue()) if packet.octets}
    assert sources == {"127.0.0.1 49152", "127.0.0.1 49153"}
    assert re.findall(r"\[(\d)\].*a client", screen.text) == ["1", "2"]


def test_nobody_there_is_told_too() -> None:
    screen, capture = Shown(), io.BytesIO()
    tap = Tap(screen=screen, capture=capture, keep=1)
    number = tap.opened(HERE, None, 1.0)
    tap.ended(number, SERVER, "connection refused", 1.0)
    tap.closed(number, 1.0)
    assert "tcp://127.0.0.1:50000 → nobody" in screen.text
    assert "server died: connection refused" in screen.text
    assert len(read_capture(capture.getvalue())) == 2
    assert tap.conversations[0].ends[0].why == "connection refused"


# ------------------------------------------------------------------------------------------------------------ no harm


class Broken(Trace):
    """A trace with a mistake in it, that shows at the third write."""

    writes = 0

    def feed(self, side: Side, octets: bytes, at: float) -> list[Span]:
        self.writes += 1
        if self.writes == 3:
            raise ZeroDivisionError("a mistake")
        return super().feed(side, octets, at)


async def echo(stream: trio.SocketStream) -> None:
    async for octets in stream:
        await stream.send_all(octets)


async def test_a_trace_that_raises_does_not_end_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "Trace", Broken)
    screen = Shown()
    tap = Tap(screen=screen, keep=1 << 20)
    front = listen(Tcp("127.0.0.1", 0), Options())
    assert isinstance(front.endpoint, Tcp)
    async with trio.open_nursery() as nursery:
        (server,) = await nursery.start(partial(trio.serve_tcp, echo, 0, host="127.0.0.1"))
        target = Tcp("127.0.0.1", server.socket.getsockname()[1])
        await nursery.start(Relay(front, target, tap).run)
        with trio.fail_after(10):
            async with await trio.open_tcp_stream("127.0.0.1", front.endpoint.port) as stream:
                for octet in GREETING:
                    await stream.send_all(bytes([octet]))
                    assert await stream.receive_some(1) == bytes([octet])
        nursery.cancel_scope.cancel()
    assert tap.failures == ["not annotated from here on: ZeroDivisionError: a mistake"]
    assert screen.text.count(tap.failures[0]) == 1
    (conversation,) = tap.conversations
    assert kept(conversation, CLIENT) == kept(conversation, SERVER) == GREETING[:1]
    assert conversation.left_out == 2 * len(GREETING) - 2


@pytest.mark.parametrize("method", ["end", "spans"])
def test_nor_does_one_that_raises_at_the_end(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    def fail(*_: object) -> list[Span]:
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(Trace, method, fail)
    tap = Tap(keep=1 << 20)
    number = converse(tap, (CLIENT, HANDSHAKE))
    tap.ended(number, CLIENT, "", 5.0)
    tap.closed(number, 6.0)
    what = "annotated from here on" if method == "end" else "kept"
    assert tap.failures == [f"not {what}: ZeroDivisionError: a mistake"]
    (conversation,) = tap.conversations
    assert len(kept(conversation, CLIENT)) + conversation.left_out == len(HANDSHAKE)


def test_nor_does_a_show_that_does() -> None:
    class BrokenShow(Show):
        def spans(self, *_: object, **__: object) -> str:
            raise ZeroDivisionError("a mistake")

    tap = Tap(screen=Shown(), show=BrokenShow())
    converse(tap, (CLIENT, HANDSHAKE), (CLIENT, frame(b"hi")))
    assert tap.failures == ["not annotated from here on: ZeroDivisionError: a mistake"]


def test_a_disk_that_is_full_ends_the_capture_and_nothing_else() -> None:
    class Full(io.BytesIO):
        def write(self, octets: object, /) -> int:
            if self.tell() > 1000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(octets)  # type: ignore[arg-type]

    capture = Full()
    tap = Tap(capture=capture, keep=1 << 20)
    number = converse(tap, *[(CLIENT, HANDSHAKE)] * 20)
    tap.closed(number, 30.0)
    assert tap.failures == ["nothing more goes into the capture: no space left on device"]
    assert kept(tap.conversations[0], CLIENT) == HANDSHAKE * 20
    assert read_capture(capture.getvalue())


# ------------------------------------------------------------------------------------------------------------- bounds


@pytest.mark.parametrize("screen", [None, Shown()], ids=["only kept", "kept and shown"])
def test_of_each_connection_no_more_is_kept_than_was_asked_for(screen: Shown | None) -> None:
    tap = Tap(screen=screen, keep=1000)
    start, message = HANDSHAKE, frame(bytes(100))
    number = converse(tap, (CLIENT, start), *[(CLIENT, message)] * 50)
    tap.closed(number, 100.0)
    (conversation,) = tap.conversations
    everything = start + message * 50
    octets = kept(conversation, CLIENT)
    assert everything.startswith(octets)
    assert 1000 <= len(octets) < 1000 + len(message)
    assert sum(write.size for write in conversation.writes) == len(octets)
    assert conversation.left_out == len(everything) - len(octets)


def test_without_files_nothing_is_kept() -> None:
    tap = Tap(screen=Shown())
    tap.closed(converse(tap, (CLIENT, HANDSHAKE)), 9.0)
    assert tap.conversations == []


def test_a_frame_without_end_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "HELD", 10_000)
    screen = Shown()
    tap = Tap(screen=screen, keep=1 << 20)
    endless = b"\x02" + (1 << 40).to_bytes(8, "big")
    number = converse(tap, (CLIENT, HANDSHAKE), (CLIENT, endless), *[(CLIENT, bytes(1000))] * 20)
    tap.closed(number, 100.0)
    assert tap.failures == ["not annotated from here on: no end of what the client began to say"]
    (conversation,) = tap.conversations
    total = len(HANDSHAKE) + len(endless) + 20_000
    assert len(kept(conversation, CLIENT)) + conversation.left_out == total
    assert conversation.left_out > 8000


def test_what_a_full_screen_does_not_show_is_counted() -> None:
    screen = Shown()
    tap = Tap(screen=screen)
    screen.full = True
    converse(tap, (CLIENT, HANDSHAKE))
    assert screen.skipped == len(HANDSHAKE)
    assert "signature" not in screen.text


def test_what_is_complete_only_after_some_writes_is_shown_then() -> None:
    screen = Shown()
    tap = Tap(screen=screen)
    message = frame(b"x" * 1000)
    converse(
        tap, (CLIENT, HANDSHAKE), *[(CLIENT, message[start : start + 100]) for start in range(0, len(message), 100)]
    )
    assert re.search(r"client → server, [\d,]+ octets in \d+ writes", screen.text)
