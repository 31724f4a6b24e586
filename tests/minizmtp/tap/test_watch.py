"""The tap does no harm: whatever fails in it fails alone, and it does not grow."""

import errno
import io
import json
import os
import re
import tracemalloc
from functools import partial
from typing import Any

import pytest
import trio

from minizmtp.net.endpoints import Ipc, Tcp
from minizmtp.net.transports import listen
from minizmtp.options import Options
from minizmtp.tap import ear, watch
from minizmtp.tap.conversation import Conversation, to_json
from minizmtp.tap.ear import Wishes
from minizmtp.tap.page import write_html
from minizmtp.tap.relay import Relay
from minizmtp.tap.screen import Screen
from minizmtp.tap.show import Show
from minizmtp.tap.watch import Tap
from minizmtp.trace import Side, Span, Trace
from tests.minizmtp.tap.test_pcap import heard, read_capture
from tests.zmtp_bytes import GREETING, frame, ready

CLIENT, SERVER = Side.CLIENT, Side.SERVER
HERE, THERE = Tcp("127.0.0.1", 50_000), Tcp("127.0.0.1", 5555)
HANDSHAKE = GREETING + ready(b"REQ")


class Shown(Screen):
    """A screen that keeps what it is told. over: set when a connection is closed."""

    def __init__(self) -> None:
        super().__init__(-1)
        self.text = ""
        self.full = False
        self.skipped = 0
        self.over = trio.Event()

    @property
    def is_full(self) -> bool:
        return self.full

    def say(self, text: str) -> None:
        self.text += text
        if "closed" in text:
            self.over.set()

    def skip(self, size: int) -> None:
        self.skipped += size


def a_tap(capture: object = None, epoch: float = 0.0, **wishes: Any) -> Tap:
    return Tap(Wishes(**wishes), capture, epoch)  # type: ignore[arg-type]


def converse(tap: Tap, *words: tuple[Side, bytes]) -> int:
    number = tap.opened(HERE, THERE, 1.0)
    for seconds, (side, octets) in enumerate(words, 2):
        tap.passed(number, side, octets, float(seconds))
    tap.catch_up()
    return number


def close(tap: Tap, number: int) -> None:
    tap.closed(number, 100.0)
    tap.catch_up()


def kept(conversation: Conversation, side: Side) -> bytes:
    return b"".join(span.octets for span in conversation.spans[side])


def test_what_passed_is_shown_kept_and_captured() -> None:
    screen, capture = Shown(), io.BytesIO()
    tap = a_tap(screen=screen, capture=capture, keep=1 << 20, epoch=1000.0)
    number = converse(
        tap, (CLIENT, HANDSHAKE), (SERVER, GREETING + ready(b"REP")), (CLIENT, frame(b"", more=True) + frame(b"hi"))
    )
    tap.ended(number, CLIENT, "", 5.0)
    tap.ended(number, SERVER, "connection reset by peer", 6.0)
    tap.closed(number, 6.0)
    tap.catch_up()

    (conversation,) = tap.conversations
    said = {CLIENT: HANDSHAKE + frame(b"", more=True) + frame(b"hi"), SERVER: GREETING + ready(b"REP")}
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
    assert "[1]    4.000 s  client ended its stream" in screen.text
    assert "[1]    5.000 s  server failed: connection reset by peer" in screen.text
    assert "[1]    5.000 s  closed; client" in screen.text


def test_connections_are_told_apart() -> None:
    screen, capture = Shown(), io.BytesIO()
    tap = a_tap(screen=screen, capture=capture, keep=1 << 20)
    one, two = (tap.opened(Ipc(""), Ipc("/run/app.sock"), 0.0) for _ in range(2))
    tap.passed(two, CLIENT, GREETING[:20], 1.0)
    tap.passed(one, CLIENT, GREETING[:10], 2.0)
    for number in (one, two):
        close(tap, number)
    assert [kept(each, CLIENT) for each in tap.conversations] == [GREETING[:10], GREETING[:20]]
    assert [each.client for each in tap.conversations] == ["", ""]
    sources = {packet.source for packet in read_capture(capture.getvalue()) if packet.octets}
    assert sources == {"127.0.0.1 49152", "127.0.0.1 49153"}
    assert re.findall(r"\[(\d)\].*a client", screen.text) == ["1", "2"]


@pytest.mark.parametrize("keep", [0, 1 << 20])
def test_other_protocols_than_zmtp_and_http_pass_unnamed(keep: int) -> None:
    screen = Shown()
    tap = a_tap(screen=screen, keep=keep)
    hello = b"\x16\x03\x01\x02\x00"  # TLS
    number = converse(tap, *[(CLIENT, hello)] * 3)
    tap.ended(number, CLIENT, "", 5.0)
    close(tap, number)
    assert screen.text.count("neither ZMTP nor HTTP") == 1
    assert f"closed; client {3 * len(hello)} octets" in screen.text
    assert tap.failures == []
    assert [kept(each, CLIENT) for each in tap.conversations] == [3 * hello] * bool(keep)


def knock(tap: Tap, at: float) -> None:
    """A client that finds no server."""
    number = tap.opened(HERE, None, at)
    tap.ended(number, SERVER, "connection refused", at)
    close(tap, number)


def test_attempts_without_a_server_are_two_lines() -> None:
    """… the first attempt, and a count when a server is there, or at the end."""
    screen, capture = Shown(), io.BytesIO()
    tap = a_tap(screen=screen, capture=capture, keep=10_000)
    for seconds in range(1, 9):
        knock(tap, float(seconds))
    assert screen.text == (
        "[1]    0.000 s  tcp://127.0.0.1:50000 → no server: connection refused; further attempts are counted\n"
    )
    close(tap, tap.opened(HERE, THERE, 9.0))
    assert screen.text.splitlines()[1:] == [
        "[8]    8.000 s  8 attempts found no server",
        "[9]    8.000 s  tcp://127.0.0.1:50000 → tcp://127.0.0.1:5555",
        "[9]   99.000 s  closed; client 0 octets, server 0 octets",
    ]
    assert [(each.number, len(each.ends)) for each in tap.conversations] == [(1, 1), (9, 0)]
    assert len(read_capture(capture.getvalue())) == 8 * 2 + 3


async def test_attempts_without_a_server_are_counted_at_the_end() -> None:
    screen = Shown()
    tap = a_tap(screen=screen)
    for _ in range(3):
        knock(tap, trio.current_time())
    await tap.finish(1.0)
    assert screen.text.count("\n") == 2
    assert screen.text.endswith("3 attempts found no server\n")


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
    monkeypatch.setattr(ear, "Trace", Broken)
    screen = Shown()
    tap = a_tap(screen=screen, keep=1 << 20)
    front = listen(Tcp("127.0.0.1", 0), Options())
    assert isinstance(front.endpoint, Tcp)
    async with trio.open_nursery() as nursery:
        (server,) = await nursery.start(partial(trio.serve_tcp, echo, 0, host="127.0.0.1"))
        target = Tcp("127.0.0.1", server.socket.getsockname()[1])
        await nursery.start(Relay(front, target, tap).run)
        nursery.start_soon(tap.run)
        with trio.fail_after(10):
            async with await trio.open_tcp_stream("127.0.0.1", front.endpoint.port) as stream:
                for octet in GREETING:
                    await stream.send_all(bytes([octet]))
                    assert await stream.receive_some(1) == bytes([octet])
        nursery.cancel_scope.cancel()
    await tap.finish(10)
    assert tap.failures == ["[1] not annotated from here on: ZeroDivisionError: a mistake"]
    assert screen.text.count("not annotated from here on: ZeroDivisionError: a mistake") == 1
    (conversation,) = tap.conversations
    assert kept(conversation, CLIENT) == kept(conversation, SERVER) == GREETING[:1]
    assert conversation.left_out == 2 * len(GREETING) - 2


@pytest.mark.parametrize("method", ["end", "spans"])
def test_a_trace_that_raises_at_the_end_does_not_end_it(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    def fail(*_: object) -> list[Span]:
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(Trace, method, fail)
    tap = a_tap(keep=1 << 20)
    number = converse(tap, (CLIENT, HANDSHAKE))
    tap.ended(number, CLIENT, "", 5.0)
    close(tap, number)
    what = "annotated from here on" if method == "end" else "kept"
    assert tap.failures == [f"[1] not {what}: ZeroDivisionError: a mistake"]
    (conversation,) = tap.conversations
    assert len(kept(conversation, CLIENT)) + conversation.left_out == len(HANDSHAKE)


def test_a_show_that_raises_does_not_end_the_connection() -> None:
    class BrokenShow(Show):
        def spans(self, *_: object, **__: object) -> str:
            raise ZeroDivisionError("a mistake")

    tap = a_tap(screen=Shown(), show=BrokenShow())
    converse(tap, (CLIENT, HANDSHAKE), (CLIENT, frame(b"hi")))
    assert tap.failures == ["[1] not annotated from here on: ZeroDivisionError: a mistake"]


def test_a_disk_that_is_full_ends_the_capture_and_nothing_else() -> None:
    class Full(io.BytesIO):
        def write(self, octets: object, /) -> int:
            if self.tell() > 1000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(octets)  # type: ignore[arg-type]

    capture = Full()
    tap = a_tap(capture=capture, keep=1 << 20)
    number = converse(tap, *[(CLIENT, HANDSHAKE)] * 20)
    close(tap, number)
    assert tap.failures == ["[1] the capture ends here: no space left on device"]
    assert kept(tap.conversations[0], CLIENT) == HANDSHAKE * 20
    assert read_capture(capture.getvalue())


# ------------------------------------------------------------------------------------------------------------- bounds


@pytest.mark.parametrize("screen", [None, Shown()], ids=["only kept", "kept and shown"])
def test_each_connection_is_kept_up_to_the_limit(screen: Shown | None) -> None:
    tap = a_tap(screen=screen, keep=50_000)
    start, message = HANDSHAKE, frame(bytes(100))
    number = converse(tap, (CLIENT, start), *[(CLIENT, message)] * 50)
    close(tap, number)
    (conversation,) = tap.conversations
    everything = start + message * 50
    octets = kept(conversation, CLIENT)
    assert everything.startswith(octets)
    assert 2500 < len(octets) < len(everything)
    assert len(octets) <= sum(write.size for write in conversation.writes) <= len(octets) + len(message)
    assert conversation.left_out == len(everything) - len(octets)
    assert 50_000 <= cost(conversation) < 50_000 + len(message) + 320


def cost(conversation: Conversation) -> int:
    """Octets of memory, by what a span and a write were measured to cost."""
    spans = [span for side in Side for span in conversation.spans[side]]
    return sum(320 + len(span.octets) for span in spans) + 320 * len(conversation.writes)


@pytest.mark.slow
def test_one_write_of_tiny_frames_stays_within_the_memory_limit() -> None:
    tap = a_tap(keep=100_000)
    close(tap, converse(tap, (CLIENT, HANDSHAKE), (CLIENT, frame(b"") * 30_000), (CLIENT, frame(b""))))
    (conversation,) = tap.conversations
    assert 99_000 < cost(conversation) < 101_000
    assert conversation.left_out == len(HANDSHAKE) + 60_002 - len(kept(conversation, CLIENT))


@pytest.mark.slow
def test_what_is_kept_costs_as_much_memory_as_is_counted() -> None:
    tap = a_tap(keep=1 << 20)
    number = converse(tap, (CLIENT, HANDSHAKE))
    tracemalloc.start()
    for _ in range(200):
        tap.passed(number, CLIENT, frame(b"") * 10, 1.0)
    close(tap, number)
    measured, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert cost(tap.conversations[0]) / 2 < measured < cost(tap.conversations[0])


def test_all_connections_together_are_kept_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ear, "ALL", 4)
    tap = a_tap(keep=50_000)
    open_ones = [converse(tap, (CLIENT, HANDSHAKE)) for _ in range(10)]  # all at once …
    for _ in range(100):
        for number in open_ones:
            tap.passed(number, CLIENT, frame(bytes(100)), 1.0)
    for number in open_ones:
        close(tap, number)
    for _ in range(1000):  # … and one after the other
        close(tap, converse(tap, (CLIENT, HANDSHAKE)))
    assert tap.connections == 1010
    assert (
        sum(cost(each) + 4096 for each in tap.conversations) < 4 * (50_000 + 4096) + 420
    )  # one span of 100 octets may be too much
    assert len(tap.conversations) < 60
    (failure,) = tap.failures
    assert failure.endswith("connections from here on are not kept: earlier ones take all the memory")


def test_only_the_largest_connection_is_dropped_from_the_tap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ear, "HELD", 10_000)
    screen = Shown()
    tap = a_tap(screen=screen)
    large, small = converse(tap, (CLIENT, HANDSHAKE)), converse(tap, (CLIENT, HANDSHAKE))
    endless = b"\x02" + (1 << 40).to_bytes(8, "big")
    tap.passed(large, SERVER, GREETING + ready(b"REP") + endless + bytes(9500), 1.0)
    tap.passed(small, CLIENT, endless + bytes(600), 1.0)
    tap.catch_up()
    assert tap.failures == [f"[{large}] not annotated from here on: the server's incomplete data takes too much memory"]
    tap.passed(small, CLIENT, bytes(600), 1.0)
    tap.catch_up()
    assert len(tap.failures) == 1
    assert list(tap._shelf.held) == [tap._ears[small]]
    close(tap, small)
    assert not tap._shelf.held


def test_the_list_of_failures_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ear, "Trace", Broken)
    monkeypatch.setattr(ear, "MOST_FAILURES", 10)
    tap = a_tap(screen=Shown())
    for _ in range(50):
        close(tap, converse(tap, *[(CLIENT, b"x")] * 3))
    assert len(tap.failures) == 11
    assert tap.failures[-1] == "further errors are not listed"


# ------------------------------------------------------------------------------------------------------------ secrets

PLAIN = GREETING[:12] + b"PLAIN" + bytes(47)
HELLO = b"\x05HELLO\x04anna\x0bopen-s3same"
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic open-s3same\r\nCOOKIE: id=open-s3same\r\nAccept: any\r\n\r\n"
)
RESPONSE = b"HTTP/1.1 200 OK\r\nSet-Cookie: id=open-s3same\r\nContent-Length: 0\r\n\r\n"
CASES = {
    "PLAIN": [(CLIENT, PLAIN + b"\4%c" % len(HELLO) + HELLO)],
    "PLAIN, not whole": [(CLIENT, PLAIN + b"\4%c" % (len(HELLO) + 1) + HELLO)],
    "PLAIN, lengths that do not add up": [(CLIENT, PLAIN + b"\4%c" % len(HELLO) + HELLO.replace(b"\x0b", b"\xff"))],
    "PLAIN, too long": [(CLIENT, PLAIN + b"\4%c" % (len(HELLO) + 1) + HELLO + b"?")],
    "PLAIN, twice": [(CLIENT, PLAIN + 2 * (b"\4%c" % len(HELLO) + HELLO))],
    "PLAIN, after a broken rule": [(CLIENT, PLAIN + b"\xff" + HELLO)],
    "HTTP": [(CLIENT, REQUEST), (SERVER, RESPONSE)],
    "HTTP, not whole": [(CLIENT, REQUEST[:-2])],
    "HTTP, not whole, and no line is": [(CLIENT, REQUEST[: REQUEST.index(b"\r\nCOOKIE")])],
    "HTTP, a field that is wrong": [(CLIENT, REQUEST.replace(b"Basic", b"Ba\0sic"))],
    "HTTP, with a blank": [(CLIENT, REQUEST.replace(b"Authorization:", b"Authorization :"))],
    "HTTP, after a field that is wrong": [(CLIENT, REQUEST.replace(b"Host: a", b"Host\0: a"))],
}


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("words", CASES.values(), ids=CASES)
@pytest.mark.slow
def test_passwords_and_cookies_are_masked_unless_asked_for(words: list[tuple[Side, bytes]], whole: bool) -> None:
    for secrets in (False, True):
        screen = Shown()
        tap = a_tap(screen=screen, show=Show(whole=whole), keep=1 << 20, secrets=secrets)
        number = converse(tap, *words)
        tap.ended(number, CLIENT, "", 2.0)
        close(tap, number)
        page = io.StringIO()
        write_html(page, tap.conversations)
        shown = bytes.fromhex("".join(re.findall(r"(?m)^ *\d+  ([0-9a-f ]{23})", screen.text)))
        assert (b"s3same" in shown) is secrets
        assert "s3s" not in screen.text or secrets
        assert (b"s3same".hex() in json.dumps(to_json(tap.conversations))) is secrets
        assert ("s3same" in page.getvalue() or b"s3same".hex(" ") in page.getvalue()) is secrets
        size = sum(len(octets) for _, octets in words)
        assert sum(len(kept(tap.conversations[0], side)) for side in Side) == size


def test_without_files_nothing_is_kept() -> None:
    tap = a_tap(screen=Shown())
    close(tap, converse(tap, (CLIENT, HANDSHAKE)))
    assert tap.conversations == []


def test_the_memory_for_an_incomplete_frame_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ear, "HELD", 10_000)
    screen = Shown()
    tap = a_tap(screen=screen, keep=1 << 20)
    endless = b"\x02" + (1 << 40).to_bytes(8, "big")
    number = converse(tap, (CLIENT, HANDSHAKE), (CLIENT, endless), *[(CLIENT, bytes(1000))] * 20)
    close(tap, number)
    assert tap.failures == ["[1] not annotated from here on: the client's incomplete data takes too much memory"]
    (conversation,) = tap.conversations
    total = len(HANDSHAKE) + len(endless) + 20_000
    assert len(kept(conversation, CLIENT)) + conversation.left_out == total
    assert conversation.left_out > 8000


def test_what_a_full_screen_does_not_show_is_counted() -> None:
    screen = Shown()
    tap = a_tap(screen=screen)
    screen.full = True
    converse(tap, (CLIENT, HANDSHAKE))
    assert screen.skipped == len(HANDSHAKE)
    assert "signature" not in screen.text


def test_what_is_complete_only_after_some_writes_is_shown_then() -> None:
    screen = Shown()
    tap = a_tap(screen=screen)
    message = frame(b"x" * 1000)
    converse(
        tap, (CLIENT, HANDSHAKE), *[(CLIENT, message[start : start + 100]) for start in range(0, len(message), 100)]
    )
    assert re.search(r"client → server, [\d,]+ octets in \d+ writes", screen.text)


# ---------------------------------------------------------------------------------------------------- in its own time


async def test_a_flood_is_relayed_first_and_named_afterwards() -> None:
    screen = Shown()
    tap = a_tap(screen=screen)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tap.run)
        number = tap.opened(HERE, THERE, 0.0)
        for _ in range(20):
            tap.passed(number, CLIENT, HANDSHAKE if not screen.text else frame(bytes(64)) * 500, 0.0)
        assert "signature" not in screen.text
        tap.closed(number, 0.0)
        with trio.fail_after(30):
            await screen.over.wait()
        nursery.cancel_scope.cancel()
    assert "signature" in screen.text
    assert tap.failures == []


def test_an_endless_flood_is_only_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "BEHIND", 100_000)
    screen = Shown()
    tap = a_tap(screen=screen, keep=1 << 20)
    number = tap.opened(HERE, THERE, 0.0)
    tap.passed(number, CLIENT, HANDSHAKE, 0.0)
    message = frame(bytes(1000))
    for _ in range(1000):
        tap.passed(number, CLIENT, message, 0.0)
    close(tap, number)
    assert tap.failures == ["[1] not annotated from here on: too much data at once"]
    (conversation,) = tap.conversations
    assert 70_000 < len(kept(conversation, CLIENT)) < 110_000
    assert len(kept(conversation, CLIENT)) + conversation.left_out == len(HANDSHAKE) + 1000 * len(message)
    assert f"closed; client {len(HANDSHAKE) + 1000 * len(message):,} octets" in screen.text


async def test_octets_left_over_at_the_end_are_counted_not_named() -> None:
    tap = a_tap(screen=Shown(), keep=1 << 30)
    number = tap.opened(HERE, THERE, 0.0)
    for _ in range(1000):
        tap.passed(number, CLIENT, HANDSHAKE, 0.0)
    tap.closed(number, 0.0)
    await tap.finish(0)
    assert tap.failures == ["[1] not annotated from here on: no time left"]
    assert tap.conversations[0].left_out > 0
    assert tap.conversations[0].closed is not None
