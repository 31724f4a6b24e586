"""`meet`: an HTTP request that becomes a ZeroMQ connection, octet by octet from GET to the reply.   RFC 6455, 45/ZWS

    GET /      ──►  minihttp ── Response(200)               the answer, and HTTP goes on
    GET /ask   ──►  minihttp ── Handover(rep.adopt)         101, and from there on ZMTP
                    one port

The same REQ and REP also talk over TCP, so what the WebSocket adds can be counted.

Read next: `tour`, which puts the parts in a row.
"""

from typing import NamedTuple

import minihttp

from ..constants import SocketType
from ..sockets.context import Context
from ..trace import Side, cover
from ..wire.frames import encode_frame
from ..wire.greeting import GREETING_SIZE
from ..wire.upgrade import accept_token
from ..wire.websocket import mask
from ..wire.zws import ZwsDecoder
from .ends import http_server, recorded, url
from .every_byte import LATENCY, REPLY, REQUEST, Talk, ask_twice, over_reqrep, take, traced
from .relay import LOCALHOST
from .stage import Stage

PAGE = "a page"
END_OF_HEAD = b"\r\n\r\n"


class Port(NamedTuple):
    """What went through one port. page: the answer to GET /. talk: of the two sockets, on a connection of their own."""

    page: str
    talk: Talk


async def run(stage: Stage) -> None:
    """Show the conversation octet by octet, and compare it with the same over TCP."""
    stage.say(f"""A web server has one port. A client asks it for a page, and gets that page. On the same port, a REQ
        connects to ws://HOST:PORT/ask, sends "hello" and gets "world". A relay records both, and delays every octet by
        {LATENCY * 1000:.0f} ms.""")
    port, tcp = await over_one_port(), await over_reqrep()
    ws = port.talk
    stage.claim(
        f"""at one port, GET / was answered with the page, and GET /ask became a connection to a REP, which answered
        {len(ws.replies)} requests""",
        (port.page, ws.replies) == (PAGE, [REPLY] * 2),
    )
    stage.title("From GET to the reply")
    stage.say("""The request asks to go on in another protocol: in a WebSocket, and in it in ZWS 2.0, which is ZMTP. 101
        agrees. Every message after that is one frame of ZMTP, without its size. A client masks what it sends, so the
        octets are shown twice: as they crossed the wire, and beside ┊ without the mask.""")
    trace = traced(ws.first)
    stage.conversation("REQ/REP over a WebSocket", trace)
    stage.claim(
        f"these are all {ws.first.octets} octets of that connection, each named once, in order",
        all(cover(trace.spans(side), ws.first.said(side)) for side in Side),
    )
    stage.claim(
        "the 101 carries a hash of the random key in the request, so it cannot be an old answer from a cache",
        accept_token(field(ws, Side.CLIENT, b"Sec-WebSocket-Key")) == field(ws, Side.SERVER, b"Sec-WebSocket-Accept"),
    )
    key, hello = masked_request(ws)
    stage.claim(
        f"""the mask hides nothing: {hello.hex(" ")}, XORed with the key that stands in front, is "hello" again""",
        REQUEST == mask(hello, key[1:] + key[:1]) != hello,
    )
    stage.title("The same over TCP")
    compare(stage, tcp, ws)
    stage.lesson("""The two protocols meet in the word Upgrade. HTTP/1.1 has a request by which a connection stops being
        HTTP, and then everything that this tour has shown of ZeroMQ holds for it: both sides send when they like, and
        the pattern decides what belongs together. What it buys is what HTTP has: the port of a web server, its TLS, its
        way through firewalls, and every browser as a peer. What it costs is a longer beginning, and a few octets for
        each frame.""")


def compare(stage: Stage, tcp: Talk, ws: Talk) -> None:
    """Compare both in figures, and make the claims that follow."""
    both = (tcp, ws)
    stage.table(
        ["", ">over TCP", ">over a WebSocket"],
        [
            ["octets up to the first reply", *(str(it.first.octets) for it in both)],
            ["octets of a second request and reply", *(str(it.then.octets) for it in both)],
            ["who spoke first", *("the client" if it.server_waited else "both at once" for it in both)],
            ["round trips before the request leaves", *(str(it.round_trips) for it in both)],
        ],
    )
    stage.claim(
        "READY, the request and the reply are the same octets of ZMTP in both: only the greeting is not needed",
        all(frames_over_ws(ws, side) == frames_over_tcp(tcp, side) for side in Side),
    )
    stage.claim(
        "the upgrade costs no round trip more than the greeting, because READY comes with the 101",
        [it.round_trips for it in both] == [1, 1],
    )
    stage.claim(
        f"""a second request and reply take {ws.then.octets} octets: the {tcp.then.octets} of ZMTP, 1 more for each of
        the 4 frames, and 4 for each of the client's 2 masks""",
        ws.then.octets == tcp.then.octets + 4 + 2 * 4,
    )


async def over_one_port() -> Port:
    """A web server that hands one path over to a REP; a client for a page, and a REQ."""
    async with Context() as ctx:
        rep = ctx.socket(SocketType.REP, linger=0)

        async def answer(request: minihttp.Request) -> minihttp.Response:
            return minihttp.Handover(rep.adopt) if request.url.path == "/ask" else minihttp.Response(200, text=PAGE)

        async with http_server(answer) as port, recorded(port, LATENCY) as relay:
            async with minihttp.AsyncClient(base_url=url(relay.port)) as client:
                page = (await client.get("/")).text
            take(relay.recording)
            req = ctx.socket(SocketType.REQ, linger=0)
            req.connect(f"ws://{LOCALHOST}:{relay.port}/ask")
            return Port(page, await ask_twice(req, rep, relay.recording))


# ------------------------------------------------------------------------------------------ read again, from the octets


def field(talk: Talk, side: Side, name: bytes) -> bytes:
    """The value of a field in the head that this side has sent."""
    head, _, _ = talk.first.said(side).partition(END_OF_HEAD)
    return next(line.partition(b": ")[2] for line in head.split(b"\r\n") if line.startswith(name))


def masked_request(talk: Talk) -> tuple[bytes, bytes]:
    """The end of what the client sent first: the masking key, and the request. An octet of flags is between them."""
    said, size = talk.first.said(Side.CLIENT), len(REQUEST)
    return said[-size - 5 : -size - 1], said[-size:]


def frames_over_ws(talk: Talk, side: Side) -> bytes:
    """The frames of ZMTP that this side has sent in its WebSocket."""
    decoder = ZwsDecoder(masked=side is Side.CLIENT)
    decoder.receive_data(talk.first.said(side).partition(END_OF_HEAD)[2] + talk.then.said(side))
    return b"".join([encode_frame(body, flags) for flags, body in iter(decoder.next_frame, None)])


def frames_over_tcp(talk: Talk, side: Side) -> bytes:
    """The same behind the greeting."""
    return talk.first.said(side)[GREETING_SIZE:] + talk.then.said(side)
