"""`--live`: a page in which a browser is a ZeroMQ peer; each octet is shown as it passes, there and on the terminal.

    browser ──► Relay ──► minihttp ──┬── GET /         the page
                  │                  ├── GET /ask      becomes a connection to a REP, which answers in capitals
                  │                  ├── GET /news     … to a PUB: what was said, and the time
                  │                  └── GET /octets   … to a PUB of what the relay has seen
                  └── Glass ──► the terminal, and that PUB

Everything is on one port. The page has its own script, which speaks ZWS 2.0, and loads nothing else. Connections to
/octets are not shown, because showing one record would send the next.

A request gets 403 if its Origin is another page, or if its Host is a name other than localhost. Only this machine can
connect, unless --host says otherwise.

Read next: `__main__`.
"""

import json
import secrets
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from os import environ
from typing import Any

import trio

import minihttp
import minizmtp as zmq

from ..html.conversation import as_text
from ..html.page import environment
from ..net.addresses import bound_place
from ..net.endpoints import Endpoint, Tcp
from ..net.transports import listen
from ..options import Options
from ..tap.relay import Relay
from ..tap.screen import Screen
from ..tap.show import Show, is_plain
from ..trace import Side, Span, Trace, masked
from ..wire.upgrade import is_from_here
from .relay import LOCALHOST

LARGEST = 65536  # octets of a question, and of any request
MOST_OBSERVED = 50  # connections at a time; what passes on others is not shown
MOST_SHOWN = 200  # records in the page; older ones are removed
MOST_SPANS, MOST_OCTETS = 64, 64  # of a record, and of a span, that the page gets
UNSEEN = b"GET /octets "
WELCOME = b"welcome"
FORBIDDEN = "Expected an address or localhost as the host, and no page of another origin.\n"


class Glass:
    """Listens to the relay, and passes on what each octet means. screen: of the terminal. records: for the page."""

    def __init__(self, screen: Screen, records: trio.MemorySendChannel[bytes]) -> None:
        self._screen = screen
        self._records = records
        self._show = Show(colour=not is_plain(sys.stdout, environ))
        self._began = trio.current_time()
        self._connections = 0
        self._traces: dict[int, Trace | None] = {}  # None: what passes is not shown
        self._paths: dict[int, str] = {}  # that each has asked for

    def opened(self, client: Endpoint | None, server: Endpoint | None, at: float) -> int:
        self._connections += 1
        if len(self._traces) < MOST_OBSERVED:
            self._traces[self._connections] = Trace(keep=False)
        return self._connections

    def passed(self, connection: int, side: Side, octets: bytes, at: float) -> None:
        trace = self._traces.get(connection)
        if trace is not None and not trace.protocol and octets.startswith(UNSEEN):
            self._traces[connection] = trace = None
        try:
            spans = [masked(span) for span in trace.feed(side, octets, at)] if trace is not None else []
        except Exception as error:  # a fault of the trace must not end the connection
            self._traces[connection] = None
            self._screen.say(self._show.line(connection, at - self._began, f"not named from here on: {error!r}"))
            return
        if spans:
            if spans[0].name == "request line":
                self._paths[connection] = spans[0].octets.split()[1].decode("latin-1")
            for one in Side:
                self._tell(connection, one, [span for span in spans if span.side is one], at - self._began)

    def _tell(self, connection: int, side: Side, spans: Sequence[Span], at: float) -> None:
        if spans:
            self._screen.say(self._show.spans(connection, side, spans, at, writes=1))
            with suppress(trio.WouldBlock):  # in a flood, the page gets as many records as it can take
                record = as_record(self._paths.get(connection, ""), side, spans, at)
                self._records.send_nowait(json.dumps(record).encode())

    def ended(self, connection: int, side: Side, why: str, at: float) -> None:
        pass

    def closed(self, connection: int, at: float) -> None:
        self._paths.pop(connection, None)
        if self._traces.pop(connection, None) is not None:
            self._screen.say(self._show.line(connection, at - self._began, "closed"))


def as_record(path: str, side: Side, spans: Sequence[Span], at: float) -> dict[str, Any]:
    """What the script of the page gets: the octets that came from one side at one time."""
    size, left = sum(len(span.octets) for span in spans), len(spans[MOST_SPANS:])
    title = f"{path}, {at:.3f} s: {side.value} → {side.other.value}, {size} octet{'s' * (size != 1)}"
    title += f", {left} more fields" * (left > 0)
    return {"title": title, "side": side.value, "spans": [as_row(span) for span in spans[:MOST_SPANS]]}


def as_row(span: Span) -> dict[str, Any]:
    """One span, with those inside it."""
    octets = span.octets[:MOST_OCTETS]
    left = " …" * (len(span.octets) > MOST_OCTETS)
    return {
        "hex": octets.hex(" ") + left,
        "text": as_text(octets) + left,
        "name": span.name,
        "value": span.value,
        "kind": span.kind,
        "inside": [as_row(inner) for inner in span.inside],
    }


class Server:
    """The sockets, and what is behind each path."""

    def __init__(self, ctx: zmq.Context) -> None:
        self.octets = ctx.socket(zmq.PUB, linger=0, maxmsgsize=LARGEST, xpub_welcome_msg=WELCOME)
        self.news = ctx.socket(zmq.PUB, linger=0, maxmsgsize=LARGEST)
        self.ask = ctx.socket(zmq.REP, linger=0, maxmsgsize=LARGEST)
        self._template = environment("minizmtp.demo", "minizmtp.html").get_template("live.html")

    async def handle(self, request: minihttp.Request) -> minihttp.Response:
        """One request over HTTP."""
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        own = f"http://{host}"
        if not is_from_here(own.encode("latin-1"), host.encode("latin-1")) or origin not in (None, own):
            return minihttp.Response(403, text=FORBIDDEN)
        match request.url.path:
            case "/":
                return self._page(host)
            case "/octets" | "/news" | "/ask":
                return minihttp.Handover(getattr(self, request.url.path[1:]).adopt)
        return minihttp.Response(404, text="There is no such page; there is /.\n")

    def _page(self, host: str) -> minihttp.Response:
        nonce = secrets.token_urlsafe()
        text = self._template.render(title="A browser as a ZeroMQ peer", host=host, nonce=nonce, most=MOST_SHOWN)
        return minihttp.Response(200, html=text, headers={"Cache-Control": "no-store", "X-Frame-Options": "DENY"})

    async def answer(self) -> None:
        """Answer questions, and publish them."""
        while True:
            question = await self.ask.recv_multipart()  # because a request may have any number of frames
            await self.ask.send_multipart([frame.decode(errors="replace").upper().encode() for frame in question])
            await self.news.send_multipart([b"said", *question])

    async def publish(self, records: trio.MemoryReceiveChannel[bytes]) -> None:
        """Send the pages the records of octets."""
        async for record in records:
            await self.octets.send_multipart([b"record", record])

    async def tick(self) -> None:
        """Publish the time. Without a subscriber to it, nothing is sent."""
        while True:
            await self.news.send_multipart([b"time", datetime.now(UTC).strftime("%H:%M:%S").encode()])
            await trio.sleep(1)


async def run_live(host: str, port: int) -> None:
    """Until Ctrl-C or SIGTERM. Raises ZMQError if the port cannot be bound."""
    listener = listen(Tcp(host, port), Options())
    screen = Screen(sys.stdout.fileno(), sys.stdout.encoding)
    place = bound_place(listener.endpoint, Options())
    assert isinstance(place, Tcp)
    shown = LOCALHOST if place.host in ("0.0.0.0", "::") else place.host
    where = str(place._replace(host=shown)).replace("tcp", "http")
    screen.say(f"{where}/ is the page: open it in a browser. Ctrl-C ends it.\n")
    async with zmq.Context() as ctx, trio.open_nursery() as nursery:
        server = Server(ctx)
        serve = partial(minihttp.serve, server.handle, LOCALHOST, 0, max_body_size=LARGEST, max_connections=100)
        (behind,) = await nursery.start(serve)
        sender, receiver = trio.open_memory_channel[bytes](MOST_SHOWN)
        relay = Relay(listener, Tcp(*behind.socket.getsockname()[:2]), Glass(screen, sender))
        for task in (relay.run, server.answer, server.tick, screen.run, partial(server.publish, receiver)):
            nursery.start_soon(task)
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                break
        nursery.cancel_scope.cancel()
